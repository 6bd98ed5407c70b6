// Tells readers elsewhere where the logs of a database end, and when that was so: their timers wait for it.
import type { Topic } from '../../kernel/message.ts'
import type { FetchedRecord } from './record-headers.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

/** One partition, a record a second for each database, kept for an hour. */
export const HEADS_TOPIC = 'lonja.heads'

export const headsTopic: Topic = {
  name: HEADS_TOPIC,
  service: 'lonja',
  kind: 'events',
  partitions: 1,
  keep: '1 h',
  compression: 'lz4',
}

/** Where a partition of a source ended at a moment of its database. */
export interface AnnouncedHead {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly generation: number
  /** The generation that the partition was made in. */
  readonly made: number
  /** What lies below is no longer kept there. */
  readonly first: number
  readonly next: number
  /** The identity of the source's log; undefined where its relay does not tell. */
  readonly logId?: string | undefined
  /** Everything that was appended before is counted. Milliseconds since the epoch, by the database's clock. */
  readonly asOf: number
}

type Told = readonly [topic: string, partition: number, generation: number, first: number, next: number, made?: number]

interface Announcement {
  readonly asOf: number
  readonly heads: Readonly<Record<string, readonly Told[]>>
  /** The identity of each source's log. */
  readonly logs?: Readonly<Record<string, string>>
}

/** The relay of a database, among those that announce here. */
export interface Announcer {
  readonly name: string
  /** The identity of the log of each source. */
  readonly logIds: ReadonlyMap<string, string>
}

export function headsRecord({ name, logIds }: Announcer, heads: readonly AnnouncedHead[]): OutgoingRecord {
  const bySource = Map.groupBy(heads, ({ source }) => source)
  const asOf = Math.min(...heads.map((head) => head.asOf))
  const announcement: Announcement = {
    asOf,
    heads: Object.fromEntries(
      [...bySource].map(([source, own]) => [
        source,
        own.map(({ topic, partition, generation, first, next, made }): Told => [
          topic,
          partition,
          generation,
          first,
          next,
          made,
        ]),
      ]),
    ),
    logs: Object.fromEntries(logIds),
  }
  const [key, value] = [Buffer.from(name), Buffer.from(JSON.stringify(announcement))]
  return { topic: HEADS_TOPIC, partition: 0, key, value, headers: new Map(), timestamp: BigInt(asOf) }
}

/** What is none is nobody's announcement. */
export function readHeadsRecord({ value }: FetchedRecord): readonly AnnouncedHead[] {
  try {
    const { asOf, heads, logs = {} } = JSON.parse(value?.toString() ?? '') as Announcement
    return Object.entries(heads).flatMap(([source, told]) =>
      told.map(([topic, partition, generation, first, next, made = 1]) => {
        return { source, topic, partition, generation, first, next, made, asOf, logId: logs[source] }
      }),
    )
  } catch {
    return []
  }
}
