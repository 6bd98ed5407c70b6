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
class ByService {
  readonly #registry: Registry
  readonly #rows = new Map<string, Row[]>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  add(service: string, row: Row): void {
    const rows = this.#rows.get(service)
    if (rows === undefined) this.#rows.set(service, [row])
    else rows.push(row)
  }

  writes(name: keyof ServiceTables, mode: WriteMode): Write[] {
    return [...this.#rows].map(([service, rows]) => {
      const table = tableOf(this.#registry, service, name)
      return { table, mode, rows: sorted(rows, table.keyWidth) }
    })
  }
}

function tableOf(registry: Registry, service: string, name: keyof ServiceTables): Table {
  const tables = registry.tables.get(service)
  if (tables === undefined) throw new Error(`No service ${service} is declared.`)
  return tables[name]
}

/** Where each cursor is now; a row that another owner moved is a conflict. */
export function cursorWrites(registry: Registry, positions: ReadonlyMap<Cursor, number>): Write[] {
  const rows = new ByService(registry)
  for (const [cursor, position] of positions) rows.add(cursor.group.service, cursorRow(cursor, position))
  return rows.writes('cursors', 'versioned')
}

/** The events of aggregates; a number that exists already is a conflict. */
export function streamWrites(
  registry: Registry,
  streamed: ReadonlyMap<string, readonly StreamEvent[]>,
  now: number,
): Write[] {
  const rows = new ByService(registry)
  for (const [service, events] of streamed) {
    for (const { kind, key, event, message } of events) {
      rows.add(service, [kind, key, event, message.type, JSON.stringify(message.data), now])
    }
  }
  return rows.writes('streams', 'insert')
}

/** Rows of requests that were answered, which go, and of failed tries, which stay. */
export function effectWrites(
  registry: Registry,
  taken: readonly AnswerInput[],
  attempted: ReadonlyMap<AttemptInput, EffectRow>,
): Write[] {
  const answered = new ByService(registry)
  for (const { row } of taken) answered.add(row.service, [row.id])
  const tried = new ByService(registry)
  for (const [{ error }, row] of attempted) tried.add(row.service, effectCells({ ...row, lastError: error }))
  return [...answered.writes('effects', 'delete'), ...tried.writes('effects', 'versioned')]
}

/** Timers that fired. */
export function timerWrites(registry: Registry, fired: readonly TimerRow[]): Write[] {
  const rows = new ByService(registry)
  for (const { service, due, partition, name, key } of fired) rows.add(service, [due, partition, name, key])
  return rows.writes('timers', 'delete')
}
