// Logs and cursors: no gap in any sequence, every record in the partition of its key, no cursor above its head.
import { partitionFor } from '../../platform/log/murmur2.ts'
import type { RecordBody } from '../../platform/log/record.ts'
import type { Head, LogRow, Store } from '../../platform/ports.ts'
import type { CheckContext, Finding, Problem } from './problem.ts'

const ROWS_A_READ = 500

interface StoredCursor {
  readonly consumer_group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly next: number
}

/** Heads first, then the log below them: what lies below a head never changes. */
export async function checkLogs(context: CheckContext): Promise<Finding> {
  const problems: Problem[] = []
  let checked = 0
  for (const { schema, topics } of context.registry.schemas) {
    if (topics.length === 0) continue
    const store = context.storeOf(schema)
    for (const head of await store.heads(schema)) {
      const partitions = topics.find(({ name }) => name === head.topic)?.partitions ?? 1
      problems.push(...(await checkPartition(store, head, partitions)))
      checked += head.next
    }
    context.progress(`${checked} records`)
  }
  return { checked, problems }
}

async function checkPartition(store: Store, head: Head, partitions: number): Promise<Problem[]> {
  const { source, topic, partition } = head
  const key = `${source}/${topic}/${partition}`
  const problem = (message: string): Problem => ({ check: 'log', key, message, severity: 'error' })
  let next = 0
  while (next < head.next) {
    const rows = await store.readLog(source, [{ topic, partition, from: next }], ROWS_A_READ)
    for (const row of rows) {
      if (row.first > next) return [problem(`The records ${next} to ${row.first - 1} are missing.`)]
      const wrong = wrongRow(row, partitions)
      if (wrong !== undefined) return [problem(wrong)]
      next = row.last + 1
    }
    if (rows.length === 0) return [problem(`The records ${next} to ${head.next - 1} are missing.`)]
  }
  return []
}

function wrongRow({ body, first, last, partition }: LogRow, partitions: number): string | undefined {
  const records = JSON.parse(body) as readonly RecordBody[]
  if (records.length !== last - first + 1) {
    return `The row of the records ${first} to ${last} holds ${records.length}.`
  }
  const stray = records.findIndex(({ key }) => partitionFor(key, partitions) !== partition)
  return stray === -1 ? undefined : `The record ${first + stray} belongs to another partition by its key.`
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
  const heads = new Map<string, number>()
  for (const { schema, topics } of registry.schemas) {
    if (topics.length === 0) continue
    for (const { topic, partition, next } of await storeOf(schema).heads(schema)) {
      heads.set(`${schema}/${topic}/${partition}`, next)
    }
  }
  const problems = cursors.flatMap((cursor): Problem[] => {
    const { consumer_group: group, source, topic, partition, next } = cursor
    const head = heads.get(`${source}/${topic}/${partition}`) ?? 0
    if (next <= head) return []
    const key = `${group} at ${source}/${topic}/${partition}`
    return [{ check: 'cursors', key, message: `It stands at ${next}, above the head ${head}.`, severity: 'error' }]
  })
  return { checked: cursors.length, problems }
}
