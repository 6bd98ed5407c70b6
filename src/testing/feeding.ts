// For tests of feeds: what a feed makes of a message, and what lies in its topics.
import type { Feed } from '../kernel/feed.ts'
import { fedRecords } from '../kernel/feed.ts'
import type { Message } from '../kernel/message.ts'
import { recordsOf } from '../platform/log/record.ts'
import type { LogRecord } from '../platform/log/record.ts'
import type { Store } from '../platform/ports.ts'

/** Records of one topic that a test reads at once. */
const MAX_ROWS = 10_000

/** The JSON of the records that the message leads to, by topic. */
export function fedBy({ rules }: Feed, { type, data }: Message, appendedAt = 0): Readonly<Record<string, string>> {
  const own = rules.filter(({ event }) => event.type === type)
  const records = fedRecords(own, { data, appendedAt })
  return Object.fromEntries(records.map(({ topic, body }) => [topic, JSON.stringify(body)]))
}

/** JSON as somebody laid it out for readers, in one line. */
export function inOneLine(json: string): string {
  return JSON.stringify(JSON.parse(json))
}

/** All that a service appended to a topic, by partition and in order. */
export async function recordsIn(store: Store, source: string, topic: string): Promise<LogRecord[]> {
  const heads = (await store.heads(source)).filter((head) => head.topic === topic && head.next > head.first)
  const records: LogRecord[] = []
  for (const { partition } of heads) {
    const rows = await store.readLog(source, [{ topic, partition, from: 0 }], MAX_ROWS)
    records.push(...rows.flatMap((row) => recordsOf(source, row, 0)))
  }
  return records
}
