// Logs and cursors: no gap in any sequence, every record in the partition of its key, no cursor above its head.
import { partitionFor } from '../../platform/log/murmur2.ts'
import type { RecordBody } from '../../platform/log/record.ts'
import type { Head, LogRow, Store } from '../../platform/ports.ts'
import { placeName } from '../../platform/rebuild/log-reader.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings, turn } from './problem.ts'
import { readHeads } from './unread.ts'

const ROWS_A_READ = 100

interface StoredCursor {
  readonly consumer_group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly next: number
}

/** Heads first, then the log below them: what lies below a head never changes. */
export async function checkLogs(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { schema, topics } of context.registry.schemas) {
    if (topics.length === 0) continue
    const store = context.storeOf(schema)
    for (const head of await store.heads(schema)) {
      const partitions = topics.find(({ name }) => name === head.topic)?.partitions
      if (partitions === undefined) continue
      await checkPartition({ context, store, findings }, head, partitions)
    }
  }
  return findings.finding()
}

interface Reading {
  readonly context: CheckContext
  readonly store: Store
  readonly findings: Findings
}

/** What comes after a fault is not looked at: it would repeat it in every row. */
async function checkPartition({ context, store, findings }: Reading, head: Head, partitions: number): Promise<void> {
  const { source, topic, partition } = head
  const key = placeName(head)
  let next = 0
  while (next < head.next) {
    const rows = await store.readLog(source, [{ topic, partition, from: next }], ROWS_A_READ)
    const first = rows[0]?.first ?? head.next
    if (first > next) return findings.error('log-gap', key, `The records ${next} to ${first - 1} are missing.`)
    for (const row of rows) {
      if (row.first > next) {
        return findings.error('log-gap', key, `The records ${next} to ${row.first - 1} are missing.`)
      }
      if (row.first < next) return findings.error('log-gap', key, `The records from ${row.first} are there twice.`)
      const wrong = wrongRow(row, partitions)
      if (wrong !== undefined) return findings.error(wrong.check, key, wrong.message)
      next = row.last + 1
    }
    findings.checked += next - first
    context.progress(`${findings.checked} records`)
    await turn()
  }
}

function wrongRow({ body, first, last, partition }: LogRow, partitions: number) {
  const records = JSON.parse(body) as readonly RecordBody[]
  if (records.length !== last - first + 1) {
    return { check: 'log-gap', message: `The row of the records ${first} to ${last} holds ${records.length}.` }
  }
  const stray = records.findIndex(({ key }) => partitionFor(key, partitions) !== partition)
  if (stray === -1) return undefined
  return { check: 'log-partition', message: `The record ${first + stray} belongs to another partition by its key.` }
}

/** Cursors are read before heads, which only rise. */
export async function checkCursors(context: CheckContext): Promise<Finding> {
  const { registry, storeOf } = context
  const cursors: StoredCursor[] = []
  for (const { name } of registry.services) {
    const store = storeOf(name)
    const sql = `SELECT consumer_group, topic, partition, source, next FROM ${store.tableName(name, 'cursors')}`
    cursors.push(...(await store.query<StoredCursor>(sql)))
  }
  const heads = await readHeads(context)
  const findings = new Findings()
  for (const cursor of cursors) {
    const head = heads.get(placeName(cursor)) ?? 0
    findings.checked += 1
    if (cursor.next <= head) continue
    const key = `${cursor.consumer_group} at ${placeName(cursor)}`
    findings.error('cursor', key, `It stands at ${cursor.next}, above the head ${head}.`)
  }
  return findings.finding()
}
