// The story of one correlation: every command, event, effect and timer that belongs to it, in order, with causes.
import type { StoryEntry } from '../../kernel/route.ts'
import type { LogRecord } from '../log/record.ts'
import { positionOf, recordsOf } from '../log/record.ts'
import type { Store } from '../ports.ts'
import { PLATFORM_SCHEMA } from '../store/tables.ts'
import type { TrailNote } from './outbox.ts'
import type { Registry } from './registry.ts'

/** A story longer than this is cut: it would be a bug's, not an order's. */
const MAX_TRANSACTIONS = 500

interface Trail {
  readonly transaction_id: number
  readonly note: string | null
}

/** @param services those whose logs lie in this store. */
export async function readStory(
  {
    store,
    registry,
    services,
  }: { readonly store: Store; readonly registry: Registry; readonly services: readonly string[] },
  correlation: string,
): Promise<StoryEntry[]> {
  const trail = await store.query<Trail>(
    `SELECT transaction_id, note FROM ${store.tableName(PLATFORM_SCHEMA, 'trail')} WHERE correlation = ?
     ORDER BY transaction_id LIMIT ${MAX_TRANSACTIONS}`,
    [correlation],
  )
  const transactions = trail.map(({ transaction_id }) => transaction_id)
  const entries = trail.flatMap(({ note }) => (note === null ? [] : (JSON.parse(note) as TrailNote[]).map(noted)))
  for (const service of services) {
    const rows = await store.readTransactions(service, transactions)
    const records = rows.flatMap((row) => recordsOf(service, row, row.first))
    for (const record of records) if (record.correlation === correlation) entries.push(told(record, registry))
  }
  return inOrder([...entries, ...causesOf(entries)])
}

/** Commands of callers and answers of the outside, as the records tell whose causes they are. */
function causesOf(entries: readonly StoryEntry[]): StoryEntry[] {
  const causes = new Map<string, StoryEntry>()
  for (const { cause = '', at, service, position } of entries) {
    if (position === undefined || causes.has(cause)) continue
    const [what, name = '', ...detail] = cause.split(/[ :]/u)
    if (what === 'http') causes.set(cause, { at, service, what: 'command', name, cause: detail.slice(1).join(' ') })
    if (what === 'effect') causes.set(cause, { at, service, what: 'effect', name, cause: 'answered' })
  }
  return [...causes.values()]
}

function noted({ at, service, what, name, detail }: TrailNote): StoryEntry {
  return { at, service, what: what === 'fault' ? 'effect' : what, name, cause: detail }
}

function told(record: LogRecord, registry: Registry): StoryEntry {
  const { type, source, appendedAt, cause, data } = record
  const kind = registry.messages.get(type)?.kind ?? 'event'
  return { at: appendedAt, service: source, what: kind, name: type, position: positionOf(record), cause, data }
}

/** By time, and within one batch each entry after its cause: the order in which the cascade ran. */
function inOrder(entries: readonly StoryEntry[]): StoryEntry[] {
  const byTime = entries.toSorted(
    (one, other) => one.at - other.at || Number(one.position !== undefined) - Number(other.position !== undefined),
  )
  const positions = new Set(byTime.map(({ position }) => position))
  const placed = new Set<string | undefined>()
  const ordered: StoryEntry[] = []
  let waiting = byTime
  while (waiting.length > 0) {
    const later: StoryEntry[] = []
    for (const entry of waiting) {
      const isWaiting = entry.position !== undefined && positions.has(entry.cause) && !placed.has(entry.cause)
      const isAfterWaiting = later.some(({ at }) => at < entry.at)
      if (isWaiting || isAfterWaiting) later.push(entry)
      else {
        ordered.push(entry)
        placed.add(entry.position)
      }
    }
    // A cause outside the story, or a cycle that can't be: the rest goes by time.
    if (later.length === waiting.length) return [...ordered, ...later]
    waiting = later
  }
  return ordered
}
