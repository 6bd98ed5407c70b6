// For tests of feeds: what a feed makes of a message, and what lies in its topics.
import assert from 'node:assert/strict'
import { type Feed, type FeedRule, fedRecords, topicsOfFeed } from '../kernel/feed.ts'
import type { Message } from '../kernel/message.ts'
import type { Service } from '../kernel/service.ts'
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

/** Records as their readers tell them apart: what came under which key, in which order. */
type ByKey = ReadonlyMap<string, readonly string[]>

/**
 * Holds what was fed against the events: each once, and those of one key in the events' order.
 *
 * @returns how many records were fed
 */
export async function assertFed(store: Store, services: readonly Service[]): Promise<number> {
  let count = 0
  for (const { name, feeds } of services) {
    const events = feeds.length === 0 ? [] : await recordsIn(store, name, `${name}.events`)
    for (const topic of feeds.flatMap(topicsOfFeed)) {
      const rules = feeds.flatMap((feed) => feed.rules).filter(({ to }) => to === topic)
      const fed = await recordsIn(store, name, topic.name)
      const told = fed.map((record) => ({ key: record.key, text: textOf(record.type, record.data) }))
      assert.deepEqual(byKey(told), byKey(events.flatMap((event) => expectedOf(rules, event))), topic.name)
      count += fed.length
    }
  }
  return count
}

function expectedOf(rules: readonly FeedRule[], event: LogRecord): { key: string; text: string }[] {
  const own = rules.filter(({ event: { type } }) => type === event.type)
  return fedRecords(own, event).map(({ type, body }) => ({ key: event.key, text: textOf(type, body) }))
}

function textOf(type: string, body: unknown): string {
  return `${type} ${JSON.stringify(body)}`
}

function byKey(records: readonly { readonly key: string; readonly text: string }[]): ByKey {
  const grouped = Map.groupBy(
    records.toSorted((one, other) => (one.key < other.key ? -1 : Number(one.key > other.key))),
    ({ key }) => key,
  )
  return new Map([...grouped].map(([key, own]) => [key, own.map(({ text }) => text)]))
}
