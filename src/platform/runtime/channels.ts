// What a process knows of the log: where each partition of each source ends, and how far each group has read it.
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import { beginningText } from '../log/beginning.ts'
import { partitionFor } from '../log/murmur2.ts'
import type { LogRecord } from '../log/record.ts'
import type { Head, Row, Store } from '../ports.ts'
import type { Pause } from '../operations/pause-state.ts'
import { readAlike } from '../store/read-alike.ts'
import { cursorsTable } from '../store/tables.ts'
import type { Crossing } from './crossing.ts'
import { crossingOf, setGeneration } from './crossing.ts'
import type { Group, Registry } from './registry.ts'

/** One partition of one source's topic. Memory is a hint: the guards of the commit decide. */
export interface Channel {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** How many partitions the topic has here by now: leases go by (count, partition). */
  partitions: number
  /** Somebody else's topic: numbers are Kafka's offsets, which only rise. */
  readonly hasHoles: boolean
  generation: number
  /** The generation that the partition was made in. */
  made: number
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
 * fails for many keys is paused; as much is parked as may be; the store refuses what a record leads to, each time; the
 * group has still to read another partition up to its barrier.
 */
export type Standstill = 'log' | 'fault' | 'breaker' | 'full' | 'conflict' | 'barrier'

/** One group's place in one channel. */
export interface Cursor {
  readonly group: Group
  readonly channel: Channel
  /** Its way through the generations, with the group's other cursors of the same source's topic. */
  readonly crossing: Crossing
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
  readonly #groups: readonly Group[]
  #all: Channel[] = []
  /** By source and topic: asked for each record, so without a key made of both. */
  readonly #byTopic = new Map<string, Map<string, Channel[]>>()
  readonly #bySource = new Map<string, Channel[]>()
  /** Every count of partitions that a topic has or had: what was parked under an old one is found by it. */
  readonly #counts = new Set<number>()
  /** A topic has more partitions than memory knew: everything that goes by them is to be read afresh. */
  hasGrown = false
  /** Whether any topic was ever scaled: until then a partition's number says all about a key. */
  isScaled = false
  #isElsewhere: (source: string) => boolean = () => false

  constructor(registry: Registry, groups: readonly Group[]) {
    this.#groups = groups
    for (const { schema, topics } of registry.schemas) {
      for (const { name, partitions } of topics) {
        for (let partition = 0; partition < partitions; partition += 1)
          this.#add({ source: schema, topic: name, partition, partitions, made: 1 })
        this.#counts.add(partitions)
      }
    }
  }

  get all(): readonly Channel[] {
    return this.#all
  }

  get counts(): ReadonlySet<number> {
    return this.#counts
  }

  #add(place: Pick<Channel, 'source' | 'topic' | 'partition' | 'partitions' | 'made'>): Channel {
    const { source, topic } = place
    const topics = this.#byTopic.get(source) ?? new Map<string, Channel[]>()
    this.#byTopic.set(source, topics)
    const siblings = topics.get(topic) ?? []
    topics.set(topic, siblings)
    const listeners = this.#groups.filter((group) => group.topics.includes(topic))
    const channel = newChannel(place, listeners, siblings[0])
    siblings.push(channel)
    const ofSource = this.#bySource.get(source) ?? []
    this.#bySource.set(source, ofSource)
    ofSource.push(channel)
    this.#all.push(channel)
    return channel
  }

  /** The channel that a source's message with this key goes to. */
  to(source: string, topic: string, key: string): Channel {
    const channels = this.#byTopic.get(source)?.get(topic)
    if (channels === undefined) throw new Error(`${source} never declared that it appends to ${topic}.`)
    const channel = channels[partitionFor(key, channels[0]?.partitions ?? 1)]
    if (channel === undefined) throw new Error(`${topic} has no partition for this key.`)
    return channel
  }

  /** Effects and timers are shared out by the partitions of the first topic: all commands topics have as many. */
  get workPartitions(): number {
    return this.#all[0]?.partitions ?? 1
  }

  /** By which partition what a record leads to is shared out; its own, where its topic has as many. */
  workPartitionOf({
    source,
    topic,
    partition,
    key,
  }: Pick<LogRecord, 'source' | 'topic' | 'partition' | 'key'>): number {
    if (!this.isScaled) return partition
    const { partitions } = this.find(source, topic, partition) ?? {}
    return partitions === this.workPartitions ? partition : partitionFor(key, this.workPartitions)
  }

  of(source: string): readonly Channel[] {
    return this.#bySource.get(source) ?? []
  }

  find(source: string, topic: string, partition: number): Channel | undefined {
    return this.#byTopic.get(source)?.get(topic)?.[partition]
  }

  /** Of logs elsewhere nothing is known before they have told: until then no limit may go by them. */
  doubt(isElsewhere: (source: string) => boolean): void {
    this.#isElsewhere = isElsewhere
    // Nobody tells where a topic of others ends, so no limit waits for that.
    const doubted = this.all.filter(({ source, hasHoles }) => !hasHoles && isElsewhere(source))
    for (const channel of doubted) channel.announced = NOTHING_TOLD
  }

  /** Partitions that were declared and are not there: the database was made for fewer. */
  #remove(removed: readonly Channel[]): void {
    if (removed.length === 0) return
    this.#all = this.#all.filter((channel) => !removed.includes(channel))
    for (const [source, own] of this.#bySource)
      this.#bySource.set(
        source,
        own.filter((channel) => !removed.includes(channel)),
      )
    for (const cursor of removed.flatMap(({ cursors }) => cursors)) {
      const { cursors } = cursor.crossing
      cursors.splice(cursors.indexOf(cursor), 1)
    }
  }

  /** Whether each head has its channel, and each channel its head. */
  #fits(source: string, heads: readonly Head[]): boolean {
    const topics = this.#byTopic.get(source)
    const known = heads.filter(({ topic }) => topics?.has(topic) === true)
    const isKnown = ({ topic, partition }: Head) => this.find(source, topic, partition) !== undefined
    return known.length === this.of(source).length && known.every(isKnown)
  }

  /** A topic was scaled, or its database was put back to before that. All heads are of one source. */
  #reshape(source: string, heads: readonly Head[]): void {
    for (const [topic, own] of Map.groupBy(heads, (head) => head.topic)) {
      const siblings = this.#byTopic.get(source)?.get(topic)
      const [first] = siblings ?? []
      if (siblings === undefined || first === undefined) continue
      // Of a log elsewhere some records may have arrived before anything was told of it.
      const told = own.filter(({ announced }) => announced === undefined || announced.asOf > 0).length
      const partitions = told === 0 ? first.partitions : told
      if (partitions === first.partitions) continue
      for (const { partition, made } of own.toSorted((one, other) => one.partition - other.partition)) {
        if (partition < siblings.length) continue
        const channel = this.#add({ source, topic, partition, partitions, made })
        if (this.#isElsewhere(source)) channel.announced = NOTHING_TOLD
      }
      this.#remove(siblings.splice(partitions))
      for (const sibling of siblings) sibling.partitions = partitions
      this.#counts.add(partitions)
      this.hasGrown = true
    }
  }

  /**
   * Takes over what the store says of the heads.
   *
   * @param contendedUntil where another process has appended, this process hands nothing on from memory until then:
   * its guess of the next number would be wrong too often.
   */
  applyHeads(heads: readonly Head[], contendedUntil: number): void {
    const source = heads[0]?.source ?? ''
    if (!this.#fits(source, heads)) this.#reshape(source, heads)
    for (const head of heads) {
      const channel = this.find(head.source, head.topic, head.partition)
      if (channel === undefined) continue
      if (head.generation > 1) this.isScaled = true
      if (channel.appendedAt > 0 && head.next > channel.next) channel.contendedUntil = contendedUntil
      channel.first = head.first
      channel.next = head.next
      channel.generation = head.generation
      channel.made = head.made
      channel.incarnation = head.incarnation
      channel.appendedAt = head.appendedAt
      channel.announced = head.announced
      for (const cursor of channel.cursors) beginAtFirst(cursor)
    }
  }
}

/**
 * Where a log elsewhere begins is heard some moments after the start: a group that has read nothing of it begins there
 * then, and does not wait for what is no longer kept.
 */
function beginAtFirst(cursor: Cursor): void {
  const { channel, version, next } = cursor
  if (version > 0 || next >= channel.first) return
  cursor.next = channel.first
  cursor.beganAt = beginningText(channel.first)
  cursor.stopped = undefined
}

/** Of a log elsewhere of which nothing was heard yet. */
export const NOTHING_TOLD = { next: Number.POSITIVE_INFINITY, asOf: 0 } as const

/** Where a log ends, as far as anybody has heard: over Kafka more may have been appended than has arrived. */
export function endOf({ next, announced }: Pick<Head, 'next'> & Partial<Pick<Channel, 'announced'>>): number {
  return announced !== undefined && Number.isFinite(announced.next) ? Math.max(next, announced.next) : next
}

function newChannel(
  place: Pick<Channel, 'source' | 'topic' | 'partition' | 'partitions' | 'made'>,
  groups: readonly Group[],
  sibling: Channel | undefined,
): Channel {
  const channel: Channel = {
    ...place,
    hasHoles: place.source === EXTERNAL_SOURCE,
    generation: place.made,
    incarnation: 1,
    first: 0,
    next: 0,
    appendedAt: 0,
    announced: undefined,
    contendedUntil: 0,
    cursors: [],
  }
  for (const [at, group] of groups.entries()) {
    const crossing = sibling?.cursors[at]?.crossing ?? crossingOf()
    const cursor: Cursor = {
      group,
      channel,
      crossing,
      next: 0,
      version: 0,
      generation: place.made,
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
    }
    crossing.cursors.push(cursor)
    channel.cursors.push(cursor)
  }
  return channel
}

/** The row of a cursor once it has moved on. @param generation where it passes a barrier: the one behind that. */
export function cursorRow(cursor: Cursor, next: number, generation = cursor.generation): Row {
  const { group, channel, version, incarnation, beganAt } = cursor
  const { topic, partition, source } = channel
  return [group.name, topic, partition, source, version + 1, next, generation, incarnation, beganAt]
}

/** A row of the cursors, as it is stored. */
export interface StoredCursor {
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

const CURSORS = { table: 'cursors', columns: cursorsTable('').columns.map(({ name }) => name) }

/** Reads the cursors of these services' groups afresh; those without a row stand at the lowest record that is kept. */
export async function readCursors(store: Store, services: readonly string[], channels: Channels): Promise<void> {
  const rows = await readAlike<StoredCursor>(store, services, CURSORS)
  const stored = new Map(rows.map((row) => [`${row.consumer_group}/${row.topic}/${row.partition}/${row.source}`, row]))
  for (const channel of channels.all) {
    for (const cursor of channel.cursors) {
      if (!services.includes(cursor.group.service)) continue
      const row = stored.get(`${cursor.group.name}/${channel.topic}/${channel.partition}/${channel.source}`)
      const next = row?.next ?? channel.first
      // Another process went past what it stood still at here.
      if (cursor.stoppedFor === 'barrier') cursor.stopped = undefined
      if (next !== cursor.next) Object.assign(cursor, { stopped: undefined, tries: 0, refused: undefined })
      cursor.next = next
      cursor.version = row?.version ?? 0
      setGeneration(cursor, row?.generation ?? channel.made)
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
