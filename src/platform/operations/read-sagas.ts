// Finds sagas by how they stand. Their documents are not indexed by it: that would cost every step of every order.
import type { SagaState, SagaStatus } from '../../kernel/saga-decider.ts'
import type { Saga } from '../../kernel/saga.ts'
import type { Cell, Store } from '../ports.ts'
import { sagaKind } from '../runtime/saga-reaction.ts'
import { stateOfCells } from '../runtime/stored-documents.ts'

/** Documents that one statement looks at: some 3 ms, which is what an order waits for it at most. */
const CHUNK_ROWS = 2000
/** Documents that one page looks at; it may be short then, and the next one goes on. */
const MAX_ROWS_A_PAGE = 100_000
/** Documents that a count looks at, the newest first: at a million in 0.9 s some ten seconds, in small pieces. */
const MAX_ROWS_COUNTED = 10_000_000

export const LIVE = ['running', 'overdue', 'undoing', 'needs-person', 'succeeding', 'failing'] as const
export const ENDED = ['succeeded', 'failed', 'given-up'] as const

export interface FoundSaga {
  readonly saga: Saga
  readonly service: string
  readonly key: string
  readonly state: SagaState
}

/** Sagas of one kind, and where they lie. */
export interface SagaTable {
  readonly saga: Saga
  readonly service: string
  readonly store: Store
}

export interface SagaQuery {
  readonly statuses: readonly SagaStatus[]
  /** Only those for which a person was called. */
  readonly needsPerson: boolean
  /** Only those that began before, in milliseconds since the epoch. */
  readonly startedBefore: number | undefined
  readonly limit: number
}

export interface SagaPage {
  readonly found: readonly FoundSaga[]
  /** The saga and the key behind which the next page begins; undefined where all have been looked at. */
  readonly next: readonly [saga: string, key: string] | undefined
}

/** Whether a person was called, also to one that waits for the aggregate's own end. */
export function callsPerson({ status, flagged }: SagaState): boolean {
  return status === 'overdue' || (flagged.length > 0 && status !== 'undoing')
}

/** The sagas that are asked for, kind by kind, within one the largest key first: keys are made in order of time. */
export async function findSagas(
  tables: readonly SagaTable[],
  query: SagaQuery,
  after?: readonly [saga: string, key: string],
): Promise<SagaPage> {
  const found: FoundSaga[] = []
  let left = MAX_ROWS_A_PAGE
  for (const table of tables.toSorted(byName)) {
    const { name } = table.saga
    if (after !== undefined && name < after[0]) continue
    let below = name === after?.[0] ? after[1] : undefined
    do {
      const chunk: Chunk = await readChunk(table, query.statuses, below)
      found.push(...chunk.sagas.filter((each) => isWanted(each, query)))
      left -= CHUNK_ROWS
      below = chunk.last
      const next = pageEnd(found, {
        limit: query.limit,
        last: left > 0 || below === undefined ? undefined : [name, below],
      })
      if (next !== undefined) return { found: found.slice(0, query.limit), next }
    } while (below !== undefined)
  }
  return { found, next: undefined }
}

/** Where a page ends that is full, or has looked at enough documents; undefined where it goes on. */
function pageEnd(
  found: readonly FoundSaga[],
  { limit, last }: { readonly limit: number; readonly last: SagaPage['next'] },
): SagaPage['next'] {
  const one = found[limit - 1]
  return one === undefined ? last : [one.saga.name, one.key]
}

export interface SagaCounts {
  readonly saga: string
  readonly status: SagaStatus
  readonly needsPerson: boolean
  readonly count: number
  /** When the oldest of them began, in milliseconds since the epoch. */
  readonly oldest: number
}

/** How many sagas are under way, by kind and status; `isWhole` unless there were too many documents to look at. */
export async function countSagas(
  tables: readonly SagaTable[],
): Promise<{ readonly counts: readonly SagaCounts[]; readonly isWhole: boolean }> {
  const counts = new Map<string, SagaCounts>()
  let rows = 0
  for (const table of tables.toSorted(byName)) {
    let below: string | undefined
    do {
      const chunk: Chunk = await readChunk(table, LIVE, below)
      for (const { state } of chunk.sagas) count(counts, table.saga.name, state)
      below = chunk.last
      rows += CHUNK_ROWS
    } while (below !== undefined && rows < MAX_ROWS_COUNTED)
  }
  return { counts: [...counts.values()], isWhole: rows < MAX_ROWS_COUNTED }
}

function count(counts: Map<string, SagaCounts>, saga: string, state: SagaState): void {
  const { status, startedAt } = state
  const needsPerson = callsPerson(state)
  const name = `${saga} ${status} ${needsPerson}`
  const known = counts.get(name) ?? { saga, status, needsPerson, count: 0, oldest: startedAt }
  counts.set(name, { ...known, count: known.count + 1, oldest: Math.min(known.oldest, startedAt) })
}

/** One instance; undefined where it never began. */
export async function readSaga({ saga, service, store }: SagaTable, key: string): Promise<FoundSaga | undefined> {
  const [row] = await store.query<DocumentRow>(
    `SELECT key, state, constant FROM ${store.tableName(service, saga.name)} WHERE key = ?`,
    [key],
  )
  return row === undefined ? undefined : { saga, service, key, state: stateOf(saga, row) }
}

interface DocumentRow {
  readonly key: string
  readonly state: string
  readonly constant: string | null
}

interface Chunk {
  readonly sagas: readonly FoundSaga[]
  /** The smallest key that was looked at; undefined where there are none below. */
  readonly last: string | undefined
}

/** The next documents below a key: the database looks at each, and hands over those of the statuses. */
async function readChunk(
  { saga, service, store }: SagaTable,
  statuses: readonly SagaStatus[],
  below: string | undefined,
): Promise<Chunk> {
  const table = store.tableName(service, saga.name)
  const [from, bound]: [string, Cell[]] = below === undefined ? ['', []] : ['WHERE key < ?', [below]]
  // The status comes first in every document.
  const tests = statuses.map(() => 'state LIKE ?').join(' OR ')
  const wanted = statuses.map((status) => `{"status":"${status}"%`)
  const chunk = `(SELECT key, state, constant FROM ${table} ${from} ORDER BY key DESC LIMIT ${CHUNK_ROWS}) AS chunk`
  const [ends] = await store.query<{ readonly last: string | null; readonly count: number }>(
    `SELECT min(key) AS last, count(*) AS count FROM ${chunk}`,
    bound,
  )
  const rows = await store.query<DocumentRow>(
    `SELECT key, state, constant FROM ${chunk} WHERE ${tests} ORDER BY key DESC`,
    [...bound, ...wanted],
  )
  // SQLite answers at once: without a turn between the pieces nothing else would have one until the last.
  await new Promise<void>((resolve) => void setImmediate(resolve))
  const isLast = ends === undefined || ends.count < CHUNK_ROWS
  return {
    sagas: rows.map((row) => ({ saga, service, key: row.key, state: stateOf(saga, row) })),
    last: isLast ? undefined : (ends.last ?? undefined),
  }
}

function stateOf(saga: Saga, { state, constant }: DocumentRow): SagaState {
  return stateOfCells(sagaKind(saga), state, constant) as SagaState
}

function isWanted({ state }: FoundSaga, { needsPerson, startedBefore }: SagaQuery): boolean {
  if (needsPerson && !callsPerson(state)) return false
  return startedBefore === undefined || state.startedAt < startedBefore
}

function byName(one: SagaTable, other: SagaTable): number {
  return one.saga.name < other.saga.name ? -1 : Number(one.saga.name > other.saga.name)
}
