// Deletes the records of one service's log that are past their time and that nobody needs, a few rows at a time.
import { keptMs, topicNamed } from '../../kernel/message.ts'
import type { Head, LogRow, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { NeededFrom } from './needs.ts'
import { lowestNeeded } from './needs.ts'

/** Rows of one transaction: 3 ms on either store with 27 KB a row, in which one partition's head is held. */
const ROWS_A_CHUNK = 200
/** A look that met more than this goes on at the next. */
const PASSES_A_LOOK = 10_000

export interface OldRecordsOptions {
  readonly store: Store
  readonly source: string
  /** The topics that the service appends to. */
  readonly topics: readonly string[]
  readonly needs: readonly NeededFrom[]
  readonly now: number
  /** No record is deleted that is younger, whatever its topic says. */
  readonly backupWindowMs: number
  /** Before each chunk; false ends the look. */
  readonly mayGoOn: () => Promise<boolean>
  readonly deleted: (topic: string, records: number) => void
  /** A partition stays as it is: another process deletes here too, or the log is not as its head says. */
  readonly conflicted: (head: Head, error: Conflict) => void
}

/** When the oldest record of each topic that is kept was appended; topics that are kept for ever are left out. */
export type OldestByTopic = ReadonlyMap<string, number>

interface Candidate {
  readonly head: Head
  readonly below: number
  readonly before: number
}

/** Partition by partition, so that one with a lot to delete keeps no other waiting. */
export async function deleteOldRecords(options: OldRecordsOptions): Promise<OldestByTopic> {
  const forgetful = options.topics.filter((topic) => Number.isFinite(keptMs(topicNamed(topic))))
  const heads = await headsOf(options, forgetful)
  const conflicted = new Set<Head>()
  let oldest = await oldestRows(options, heads)
  for (let pass = 0; pass < PASSES_A_LOOK; pass += 1) {
    const open = heads.filter((head) => !conflicted.has(head))
    const old = open.flatMap((head) => candidateOf(head, oldest, options))
    if (old.length === 0) break
    for (const candidate of old) {
      if (!(await options.mayGoOn())) return oldestByTopic(oldest)
      if (!(await isTrimmed(options, candidate))) conflicted.add(candidate.head)
    }
    oldest = await oldestRows(options, heads)
  }
  return oldestByTopic(oldest)
}

async function headsOf({ store, source }: OldRecordsOptions, topics: readonly string[]): Promise<readonly Head[]> {
  const heads = topics.length === 0 ? [] : await store.heads(source)
  return heads.filter(({ topic, first, next }) => topics.includes(topic) && first < next)
}

/** The oldest row of each partition, in one read. */
async function oldestRows({ store, source }: OldRecordsOptions, heads: readonly Head[]): Promise<readonly LogRow[]> {
  if (heads.length === 0) return []
  return store.readLog(
    source,
    heads.map(({ topic, partition }) => ({ topic, partition, from: 0 })),
    1,
  )
}

function candidateOf(
  head: Head,
  oldest: readonly LogRow[],
  { source, needs, now, backupWindowMs }: OldRecordsOptions,
): readonly Candidate[] {
  const row = oldest.find((each) => placeName({ ...each, source }) === placeName(head))
  const before = now - Math.max(keptMs(topicNamed(head.topic)), backupWindowMs)
  const below = lowestNeeded(needs, head)
  return row !== undefined && row.appendedAt < before && row.last < below ? [{ head, below, before }] : []
}

async function isTrimmed(
  { store, source, deleted, conflicted }: OldRecordsOptions,
  { head, below, before }: Candidate,
): Promise<boolean> {
  const { topic, partition, incarnation } = head
  try {
    const rules = { topic, partition, incarnation, below, before, limitRows: ROWS_A_CHUNK }
    const { records } = await store.trimLog(source, rules)
    if (records > 0) deleted(topic, records)
    return true
  } catch (error) {
    if (!(error instanceof Conflict)) throw error
    conflicted(head, error)
    return false
  }
}

function oldestByTopic(rows: readonly LogRow[]): OldestByTopic {
  const oldest = new Map<string, number>()
  for (const { topic, appendedAt } of rows) oldest.set(topic, Math.min(appendedAt, oldest.get(topic) ?? appendedAt))
  return oldest
}
