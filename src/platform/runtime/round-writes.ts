// The rows that a batch writes besides documents and projections: cursors, streams, effects, timers.
import type { Row, Table, Write, WriteMode } from '../ports.ts'
import type { Cursor } from './channels.ts'
import { cursorRow } from './channels.ts'
import type { AnswerInput, AttemptInput } from './inputs.ts'
import type { EffectRow, TimerRow } from './outbox.ts'
import { effectCells } from './outbox.ts'
import type { Registry, ServiceTables } from './registry.ts'
import type { StreamEvent } from './working-set.ts'
import { sorted } from './working-set.ts'

/** Rows sorted into one write for each service's table. */
export class RowsByService {
  readonly #rows = new Map<string, Row[]>()

  add(service: string, row: Row): void {
    const rows = this.#rows.get(service)
    if (rows === undefined) this.#rows.set(service, [row])
    else rows.push(row)
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0
  }

  writes(registry: Registry, name: keyof ServiceTables, mode: WriteMode): Write[] {
    return [...this.#rows].map(([service, rows]) => {
      const table = tableOf(registry, service, name)
      return { table, mode, rows: sorted(rows, table.keyWidth) }
    })
  }
}

function tableOf(registry: Registry, service: string, name: keyof ServiceTables): Table {
  const tables = registry.tables.get(service)
  if (tables === undefined) throw new Error(`No service ${service} is declared.`)
  return tables[name]
}

/** Where each cursor is now, and in which generation; a row that another owner moved is a conflict. */
export function cursorWrites(
  registry: Registry,
  positions: ReadonlyMap<Cursor, number>,
  passed: ReadonlyMap<Cursor, number>,
): Write[] {
  const rows = new RowsByService()
  for (const [cursor, position] of positions)
    rows.add(cursor.group.service, cursorRow(cursor, position, passed.get(cursor)))
  return rows.writes(registry, 'cursors', 'versioned')
}

/** The events of aggregates; a number that exists already is a conflict. */
export function streamWrites(
  registry: Registry,
  streamed: ReadonlyMap<string, readonly StreamEvent[]>,
  now: number,
): Write[] {
  const rows = new RowsByService()
  for (const [service, events] of streamed) {
    for (const { kind, key, event, message } of events) {
      rows.add(service, [kind, key, event, message.type, JSON.stringify(message.data), now])
    }
  }
  return rows.writes(registry, 'streams', 'insert')
}

/** Rows of requests that were answered, which go, and of failed tries, which stay. */
export function effectWrites(
  registry: Registry,
  taken: readonly AnswerInput[],
  attempted: ReadonlyMap<AttemptInput, EffectRow>,
): Write[] {
  const answered = new RowsByService()
  for (const { row } of taken) answered.add(row.service, [row.id])
  const tried = new RowsByService()
  for (const [{ error }, row] of attempted) tried.add(row.service, effectCells({ ...row, lastError: error }))
  return [...answered.writes(registry, 'effects', 'delete'), ...tried.writes(registry, 'effects', 'versioned')]
}

/** Timers that fired. */
export function timerWrites(registry: Registry, fired: readonly TimerRow[]): Write[] {
  const rows = new RowsByService()
  for (const { service, due, partition, name, key } of fired) rows.add(service, [due, partition, name, key])
  return rows.writes(registry, 'timers', 'delete')
}
