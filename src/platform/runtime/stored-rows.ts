// Reads back what a restart or a move of partitions takes over: due timers and requests without an answer.
import type { Message } from '../../kernel/message.ts'
import type { Store } from '../ports.ts'
import { readAlike } from '../store/read-alike.ts'
import { effectsTable } from '../store/tables.ts'
import type { EffectRow, TimerRow } from './outbox.ts'

/** What one batch fires. */
const MAX_TIMERS = 500

interface StoredTimer {
  readonly due: number
  readonly partition: number
  readonly name: string
  readonly key: string
  readonly command: string | null
  readonly correlation: string
}

/** Partitions whose timers may not fire now; left out, they do not fill the batch of those that may. */
function leftOut(partitions: readonly number[]): string {
  return partitions.length === 0 ? '' : `AND partition NOT IN (${partitions.map(() => '?').join(', ')})`
}

/** The timers of a service that are due in other partitions than these, earliest first. */
export async function readDueTimers(
  store: Store,
  service: string,
  { now, without }: { readonly now: number; readonly without: readonly number[] },
): Promise<TimerRow[]> {
  const rows = await store.query<StoredTimer>(
    `SELECT due, partition, name, key, command, correlation FROM ${store.tableName(service, 'timers')}
     WHERE due <= ? ${leftOut(without)} ORDER BY due, partition, name, key LIMIT ${MAX_TIMERS}`,
    [now, ...without],
  )
  return rows.map(({ command, ...timer }) => {
    return { ...timer, service, command: command === null ? undefined : (JSON.parse(command) as Message) }
  })
}

/** Timers of a service, but for these partitions. */
export interface TimersWanted {
  readonly service: string
  readonly without: readonly number[]
}

/** When the next timer of each service comes due, infinity where it has none: one statement for all. */
export async function readNextDues(store: Store, wanted: readonly TimersWanted[]): Promise<readonly number[]> {
  const one = ({ service, without }: TimersWanted, at: number) =>
    `SELECT ${at} AS service, min(due) AS due FROM ${store.tableName(service, 'timers')}
     WHERE due > 0 ${leftOut(without)}`
  const rows = await store.query<{ readonly service: number; readonly due: number | null }>(
    wanted.map(one).join(' UNION ALL '),
    wanted.flatMap(({ without }) => without),
  )
  const dues = new Map(rows.map(({ service, due }) => [service, due]))
  return wanted.map((_, at) => dues.get(at) ?? Number.POSITIVE_INFINITY)
}

const EFFECTS = { table: 'effects', columns: effectsTable('').columns.map(({ name }) => name) }

interface StoredEffect {
  readonly id: string
  readonly version: number
  readonly effect: string
  readonly key: string
  readonly partition: number
  readonly request: string
  readonly correlation: string
  readonly cause: string
  readonly attempts: number
  readonly due: number
  readonly requested_in: number
  readonly ordinal: number
  readonly created_at: number
  readonly traceparent: string | null
}

/** Every request of these services that has no answer yet, those of each in the order in which they were made. */
export async function readOpenEffects({
  store,
  hosted,
}: {
  readonly store: Store
  readonly hosted: readonly string[]
}): Promise<EffectRow[]> {
  const rows = await readAlike<StoredEffect>(store, hosted, EFFECTS)
  const inOrder = rows.toSorted((one, other) => one.requested_in - other.requested_in || one.ordinal - other.ordinal)
  return inOrder.map((row) => ({
    service: row.service,
    id: row.id,
    effect: row.effect,
    key: row.key,
    partition: row.partition,
    request: JSON.parse(row.request),
    correlation: row.correlation,
    cause: row.cause,
    attempts: row.attempts,
    due: row.due,
    version: row.version,
    requestedIn: row.requested_in,
    ordinal: row.ordinal,
    createdAt: row.created_at,
    traceparent: row.traceparent ?? undefined,
  }))
}
