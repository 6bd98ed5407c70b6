// The story of one correlation: every command, event, effect, timer and deed of a person, in order, with causes.
import type { Saga } from '../../kernel/saga.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { newSaga } from '../../kernel/saga-decider.ts'
import { topicIfDeclared } from '../../kernel/message.ts'
import { readDeeds } from '../operations/letter-deeds.ts'
import type { LogRecord } from '../log/record.ts'
import { positionOf, recordsOf } from '../log/record.ts'
import type { Store } from '../ports.ts'
import { PLATFORM_SCHEMA } from '../store/tables.ts'
import type { TrailNote } from './outbox.ts'
import type { Registry } from './registry.ts'
import { sagaKind } from './saga-reaction.ts'
import { stateOfCells } from './stored-documents.ts'
import { forgottenEntries } from './story-forgotten.ts'
import type { ToldEntry } from './story-order.ts'

/** A story longer than this is cut: it would be a bug's, not an order's. */
const MAX_TRANSACTIONS = 500

interface Trail {
  readonly transaction_id: number
  readonly note: string | null
}

interface StoryParts {
  readonly store: Store
  readonly registry: Registry
  /** Those whose logs and documents lie in this store. */
  readonly services: readonly string[]
}

/** What one database knows; `inStoryOrder` makes a story of it. */
export async function readStory({ store, registry, services }: StoryParts, correlation: string): Promise<ToldEntry[]> {
  const trail = await store.query<Trail>(
    `SELECT transaction_id, note FROM ${store.tableName(PLATFORM_SCHEMA, 'trail')} WHERE correlation = ?
     ORDER BY transaction_id LIMIT ${MAX_TRANSACTIONS}`,
    [correlation],
  )
  const transactions = trail.map(({ transaction_id }) => transaction_id)
  const entries = trail.flatMap(({ transaction_id: transaction, note }) => {
    return note === null ? [] : (JSON.parse(note) as TrailNote[]).map((one) => noted(one, transaction))
  })
  for (const service of services) {
    const rows = await store.readTransactions(service, transactions)
    for (const row of rows) {
      // What a feed made of an event says nothing that the event does not.
      if (topicIfDeclared(row.topic)?.kind === 'outward') continue
      const records = recordsOf(service, row, row.first).filter((record) => record.correlation === correlation)
      entries.push(...records.map((record) => told(record, registry, row.transaction)))
    }
  }
  const parts = { store, registry, services }
  const [transaction] = transactions
  const forgotten = transaction === undefined ? [] : await forgottenEntries({ store, services, transaction })
  const deeds = await readDeeds(parts, correlation, entries)
  return [...forgotten, ...entries, ...causesOf(entries), ...(await sagaEntries(entries, parts)), ...deeds]
}

/** The turns of each saga that the story's events started, as its document tells them. */
async function sagaEntries(
  entries: readonly ToldEntry[],
  { store, registry, services }: StoryParts,
): Promise<ToldEntry[]> {
  const transaction = await store.begin()
  try {
    const instances = registry.services.flatMap(({ name: service, sagas }) => {
      if (!services.includes(service)) return []
      return sagas.flatMap((saga) => {
        const started = entries.filter(({ name, data }) => name === saga.starts.type && data !== undefined)
        const keys = new Set(started.map(({ data }) => String((data as Record<string, unknown>)[saga.key])))
        return [...keys].map((key) => ({ service, saga, key }))
      })
    })
    const told: ToldEntry[] = []
    for (const { service, saga, key } of instances) {
      const [row] = await transaction.load(registry.tableOf(sagaKind(saga)), [[key]])
      const { history } =
        row === undefined ? newSaga : (stateOfCells(sagaKind(saga), row[2] ?? null, row[3]) as SagaState)
      told.push(
        ...history.map(({ at, what }): ToldEntry => {
          return { at, service, what: 'saga', name: saga.name, cause: what, after: eventOfTurn(saga, what) }
        }),
      )
    }
    return told
  } finally {
    await transaction.release()
  }
}

/** The event that a line of a saga's history is about, where it is about one. */
function eventOfTurn(saga: Saga, what: string): string {
  if (what === 'succeeded') return saga.succeeds.done.type
  if (what === 'failed') return saga.fails.done.type
  for (const { name, done, undone } of saga.steps) {
    if (what === `${name} done`) return done.type
    if (what === `${name} undone` && undone !== undefined) return undone.type
  }
  return what.replace(/ came late$/u, '')
}

/** Commands of callers and answers of the outside, as the records tell whose causes they are. */
function causesOf(entries: readonly ToldEntry[]): ToldEntry[] {
  const causes = new Map<string, ToldEntry>()
  for (const { cause = '', at, service, position, transaction } of entries) {
    if (position === undefined || transaction === undefined || causes.has(cause)) continue
    const [what, name = '', ...detail] = cause.split(/[ :]/u)
    if (what === 'http') {
      causes.set(cause, { at, service, what: 'command', name, cause: detail.slice(1).join(' '), transaction })
    }
    if (what === 'effect') causes.set(cause, { at, service, what: 'effect', name, cause: 'answered', transaction })
  }
  return [...causes.values()]
}

function noted({ at, service, what, name, detail }: TrailNote, transaction: number): ToldEntry {
  return { at, service, what: what === 'fault' ? 'effect' : what, name, cause: detail, transaction }
}

function told(record: LogRecord, registry: Registry, transaction: number): ToldEntry {
  const { type, source, appendedAt, cause, data } = record
  const kind = registry.messages.get(type)?.kind ?? 'event'
  const position = positionOf(record)
  return { at: appendedAt, service: source, what: kind, name: type, position, cause, data, transaction }
}
