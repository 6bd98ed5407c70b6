// Logs and cursors: no gap in any sequence, every record in the partition of its key, no cursor above its head.
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import { BARRIER } from '../../platform/log/barrier.ts'
import { partitionFor } from '../../platform/log/murmur2.ts'
import type { RecordBody } from '../../platform/log/record.ts'
import type { Head, LogRow, Store } from '../../platform/ports.ts'
import { placeName } from '../../platform/rebuild/log-reader.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings, turn } from './problem.ts'
import { readBounds } from './unread.ts'

const ROWS_A_READ = 100

interface StoredCursor {
  readonly consumer_group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly next: number
  readonly incarnation: number
}

/** Heads first, then the log below them: what lies below a head never changes. */
export async function checkLogs(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { schema, topics } of context.registry.schemas) {
    if (topics.length === 0 || schema === EXTERNAL_SOURCE) continue
    const store = context.storeOf(schema)
    const heads = await store.heads(schema)
    for (const head of heads) {
      if (head.next === 0 || !topics.some(({ name }) => name === head.topic)) continue
      const made = heads.filter(({ topic }) => topic === head.topic).map((other) => other.made)
      await checkPartition(
        { context, store, findings },
        head,
        (generation) => made.filter((each) => each <= generation).length,
      )
    }
  }
  return findings.finding()
}

interface Reading {
  readonly context: CheckContext
  readonly store: Store
  readonly findings: Findings
}

/** How many partitions a topic had in a generation. */
type CountIn = (generation: number) => number

/** What comes after a fault is not looked at: it would repeat it in every row. */
async function checkPartition({ context, store, findings }: Reading, head: Head, countIn: CountIn): Promise<void> {
  const { source, topic, partition } = head
  const key = placeName(head)
  let next = head.first
  // The first read begins at 0: what the head says was deleted must be gone.
  let from = 0
  do {
    const rows = await store.readLog(source, [{ topic, partition, from }], ROWS_A_READ)
    const lowest = rows[0]?.first ?? head.next
    // What is old enough may go while it is read.
    if (lowest > next) next = Math.max(next, Math.min(lowest, await firstNow(store, head)))
    const before = next
    for (const row of rows) {
      const wrong = wrongPlace(row.first, next) ?? wrongRow(row, countIn)
      if (wrong !== undefined) return findings.error(wrong.check, key, wrong.message)
      next = row.last + 1
    }
    if (rows.length === 0 && next < head.next) return findings.error('log-gap', key, missing(next, head.next))
    findings.checked += next - before
    from = next
    context.progress(`${findings.checked} records`)
    await turn()
  } while (next < head.next)
}

/** The lowest record that is kept by now. */
async function firstNow(store: Store, { source, topic, partition }: Head): Promise<number> {
  const heads = await store.heads(source)
  return heads.find((head) => head.topic === topic && head.partition === partition)?.first ?? 0
}

function wrongPlace(first: number, expected: number) {
  if (first > expected) return { check: 'log-gap', message: missing(expected, first) }
  if (first === expected) return undefined
  return { check: 'log-gap', message: `The records from ${first} are there twice, or were to be deleted.` }
}

function missing(from: number, to: number): string {
  return `The records ${from} to ${to - 1} are missing.`
}

function wrongRow({ body, first, last, partition, generation }: LogRow, countIn: CountIn) {
  const records = JSON.parse(body) as readonly RecordBody[]
  if (records.length !== last - first + 1) {
    return { check: 'log-gap', message: `The row of the records ${first} to ${last} holds ${records.length}.` }
  }
  const partitions = countIn(generation)
  // A barrier has no key: it lies in every partition of the generation that it ends.
  const isStray = ({ type, key }: RecordBody) => type !== BARRIER && partitionFor(key, partitions) !== partition
  const stray = records.findIndex(isStray)
  if (stray === -1) return undefined
  return { check: 'log-partition', message: `The record ${first + stray} belongs to another partition by its key.` }
}

/** Cursors are read before heads, which only rise. */
export async function checkCursors(context: CheckContext): Promise<Finding> {
  const cursors = await readCursors(context)
  const heads = await readBounds(context)
  const declared = new Set(context.registry.groups.map(({ name }) => name))
  const findings = new Findings()
  for (const cursor of cursors) {
    const { first = 0, next = 0 } = heads.get(placeName(cursor)) ?? {}
    findings.checked += 1
    if (cursor.next > next && !(await isToGoBack(context, cursor)))
      findings.error('cursor', nameOf(cursor), `It stands at ${cursor.next}, above the head ${next}.`)
    // It may have moved on, and what it has read may be gone since; nothing waits for a group that is gone itself.
    if (cursor.next < first && declared.has(cursor.consumer_group) && (await standsBelow(context, cursor, first))) {
      const message = `It stands at ${cursor.next}, and what is kept begins at ${first}: records are missing for it.`
      findings.error('cursor', nameOf(cursor), message)
    }
  }
  return findings.finding()
}

function nameOf(cursor: StoredCursor): string {
  return `${cursor.consumer_group} at ${placeName(cursor)}`
}

async function readCursors({ registry, storeOf }: CheckContext): Promise<readonly StoredCursor[]> {
  const cursors: StoredCursor[] = []
  for (const { name } of registry.services) {
    const store = storeOf(name)
    const columns = 'consumer_group, topic, partition, source, next, incarnation'
    const sql = `SELECT ${columns} FROM ${store.tableName(name, 'cursors')}`
    cursors.push(...(await store.query<StoredCursor>(sql)))
  }
  return cursors
}

async function standsBelow(context: CheckContext, cursor: StoredCursor, first: number): Promise<boolean> {
  const now = (await readCursors(context)).find((other) => nameOf(other) === nameOf(cursor))
  return now !== undefined && now.next < first
}

/** Its source was set back: it is taken back to the head with the first record that comes, and has lost nothing. */
async function isToGoBack({ storeOf }: CheckContext, cursor: StoredCursor): Promise<boolean> {
  const { source, topic, partition, incarnation } = cursor
  const heads = await storeOf(source).heads(source)
  return heads.some((head) => head.topic === topic && head.partition === partition && head.incarnation > incarnation)
}
