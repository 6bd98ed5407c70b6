// What a process knows of the log: where each partition of each source ends, and how far each group has read it.
import { beginningText } from '../log/beginning.ts'
import { partitionFor } from '../log/murmur2.ts'
import type { Head, Row, Store } from '../ports.ts'
import type { Pause } from '../operations/pause-state.ts'
import type { Group, Registry } from './registry.ts'

/** One partition of one source's topic. Memory is a hint: the guards of the commit decide. */
export interface Channel {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** How many partitions the topic has: leases go by (count, partition). */
  readonly partitions: number
  generation: number
  incarnation: number
  /** The lowest sequence that is kept, as far as this process knows. */
  first: number
  /** The next sequence to be appended, as far as this process knows. */
  next: number
  appendedAt: number
  /** Read over Kafka: where it ended in its own database, and when. */
  announced: Head['announced'] | undefined
  /** Until then its own appends are read back from the store: another process appends here too. */
  contendedUntil: number
  readonly cursors: Cursor[]
}

/**
 * Why a cursor stands still by itself: the log has a gap or went back; a record is tried again in place; a handler that
 * fails for many keys is paused; as much is parked as may be; the store refuses what a record leads to, each time.
 */
export type Standstill = 'log' | 'fault' | 'breaker' | 'full' | 'conflict'

/** One group's place in one channel. */
export interface Cursor {
  readonly group: Group
  readonly channel: Channel
  next: number
  version: number
  generation: number
  incarnation: number
  beganAt: string
  /** Why it stands still; its later records wait, other partitions go on. */
  stopped: string | undefined
  /** What kind of thing that is. */
  stoppedFor: Standstill | undefined
  /** A person has paused it: it reads nothing until somebody resumes it. */
  paused: Pause | undefined
  /** Tries of the record at `next` that failed, and when the next one is due. */
  tries: number
  retryAt: number
  /** The store refused what the record at `next` leads to, at each quick try: it is set aside without another. */
  refused: unknown
  /** Its number in the list that the watchdog was given. */
  index: number
  /** The record that was in hand when its process died: it is given up when its turn comes, its handler never runs. */
  sentence: { readonly sequence: number; readonly error: Error } | undefined
  /** Processes died here without getting on: one record at a time up to there, each noted before it is handled. */
  suspect: { readonly until: number; readonly deaths: number } | undefined
}

export class Channels {
  readonly all: readonly Channel[]
  /** By source and topic: asked for each record, so without a key made of both. */
  readonly #byTopic = new Map<string, Map<string, readonly Channel[]>>()
  readonly #bySource = new Map<string, Channel[]>()

  constructor(registry: Registry, groups: readonly Group[]) {
    const all: Channel[] = []
    for (const { schema, topics } of registry.schemas) {
      for (const { name, partitions } of topics) {
        const listeners = groups.filter((group) => group.topics.includes(name))
        const channels = Array.from({ length: partitions }, (_, partition) =>
          newChannel({ source: schema, topic: name, partition, partitions }, listeners),
        )
        this.#byTopic.set(schema, (this.#byTopic.get(schema) ?? new Map()).set(name, channels))
        this.#bySource.set(schema, [...(this.#bySource.get(schema) ?? []), ...channels])
        all.push(...channels)
      }
    }
    this.all = all
  }

  /** The channel that a source's message with this key goes to. */
  to(source: string, topic: string, key: string): Channel {
    const channels = this.#byTopic.get(source)?.get(topic)
    if (channels === undefined) throw new Error(`${source} never declared that it appends to ${topic}.`)
    const channel = channels[partitionFor(key, channels.length)]
    if (channel === undefined) throw new Error(`${topic} has no partition for this key.`)
    return channel
  }

  /** Effects and timers are shared out by the partitions of the first topic: all commands topics have as many. */
  get workPartitions(): number {
    return this.all[0]?.partitions ?? 1
  }

  of(source: string): readonly Channel[] {
    return this.#bySource.get(source) ?? []
  }

  find(source: string, topic: string, partition: number): Channel | undefined {
    return this.#byTopic.get(source)?.get(topic)?.[partition]
  }

  /** Of logs elsewhere nothing is known before they have told: until then no limit may go by them. */
  doubt(isElsewhere: (source: string) => boolean): void {
    for (const channel of this.all) if (isElsewhere(channel.source)) channel.announced = NOTHING_TOLD
  }

  /**
   * Takes over what the store says of the heads.
   *
   * @param contendedUntil where another process has appended, this process hands nothing on from memory until then:
   * its guess of the next number would be wrong too often.
   */
  applyHeads(heads: readonly Head[], contendedUntil: number): void {
    for (const head of heads) {
      const channel = this.find(head.source, head.topic, head.partition)
      if (channel === undefined) continue
      if (channel.appendedAt > 0 && head.next > channel.next) channel.contendedUntil = contendedUntil
      channel.first = head.first
      channel.next = head.next
      channel.generation = head.generation
      channel.incarnation = head.incarnation
      channel.appendedAt = head.appendedAt
      channel.announced = head.announced
    }
  }
}

/** Of a log elsewhere of which nothing was heard yet. */
export const NOTHING_TOLD = { next: Number.POSITIVE_INFINITY, asOf: 0 } as const

/** Where a log ends, as far as anybody has heard: over Kafka more may have been appended than has arrived. */
export function endOf({ next, announced }: Pick<Head, 'next'> & Partial<Pick<Channel, 'announced'>>): number {
  return announced !== undefined && Number.isFinite(announced.next) ? Math.max(next, announced.next) : next
}

function newChannel(
  place: Pick<Channel, 'source' | 'topic' | 'partition' | 'partitions'>,
  groups: readonly Group[],
): Channel {
  const channel: Channel = {
    ...place,
    generation: 1,
    incarnation: 1,
    first: 0,
    next: 0,
    appendedAt: 0,
    announced: undefined,
    contendedUntil: 0,
    cursors: [],
  }
  for (const group of groups) {
    channel.cursors.push({
      group,
      channel,
      next: 0,
      version: 0,
      generation: 1,
      incarnation: 1,
      beganAt: '0',
      stopped: undefined,
      stoppedFor: undefined,
      paused: undefined,
      tries: 0,
      retryAt: 0,
      refused: undefined,
      index: 0,
      sentence: undefined,
      suspect: undefined,
    })
  }
  return channel
}

/** The row of a cursor once it has moved on. */
export function cursorRow(cursor: Cursor, next: number): Row {
  const { group, channel, version, generation, incarnation, beganAt } = cursor
  const { topic, partition, source } = channel
  return [group.name, topic, partition, source, version + 1, next, generation, incarnation, beganAt]
}

interface StoredCursor {
  readonly consumer_group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly version: number
  readonly next: number
  readonly generation: number
  readonly incarnation: number
  readonly began_at: string
}

/** What every log begins with. */
const FIRST_INCARNATION = 1

/** Reads the cursors of one service's groups afresh; those without a row stand at the lowest record that is kept. */
export async function readCursors(store: Store, service: string, channels: Channels): Promise<void> {
  const rows = await store.query<StoredCursor>(`SELECT * FROM ${store.tableName(service, 'cursors')}`)
  const stored = new Map(rows.map((row) => [`${row.consumer_group}/${row.topic}/${row.partition}/${row.source}`, row]))
  for (const channel of channels.all) {
    for (const cursor of channel.cursors) {
      if (cursor.group.service !== service) continue
      const row = stored.get(`${cursor.group.name}/${channel.topic}/${channel.partition}/${channel.source}`)
      const next = row?.next ?? channel.first
      // Another process went past what it stood still at here.
      if (next !== cursor.next) Object.assign(cursor, { stopped: undefined, tries: 0, refused: undefined })
      cursor.next = next
      cursor.version = row?.version ?? 0
      cursor.generation = row?.generation ?? 1
      // One that has read nothing begins with the oldest rows: by the head's incarnation they would count as overtaken.
      cursor.incarnation = row?.incarnation ?? FIRST_INCARNATION
      cursor.beganAt = row?.began_at ?? beginningText(channel.first)
    }
  }
}

/** Why a cursor's records are handled one at a time. */
export function oneByOneText({ until, deaths }: NonNullable<Cursor['suspect']>): string {
  const why = deaths > 0 ? `${deaths} processes died here without getting on` : 'what leads here killed its process'
  return `one by one up to ${until}: ${why}`
}
