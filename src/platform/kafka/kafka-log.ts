// The logs of services whose databases are elsewhere, as Kafka brings them: read like those of an own database.
import { EXTERNAL_SOURCE, topicNamed, type MessageInfo } from '../../kernel/message.ts'
import type { Clock, Head, Log, LogRange, LogRow } from '../ports.ts'
import type { KafkaAddress } from './address.ts'
import { fromOutside } from './external-record.ts'
import { Fetcher, type FetcherOptions, type Reading } from './fetcher.ts'
import { NOTHING_TOLD } from '../runtime/channels.ts'
import { Lane } from './lane.ts'
import { HEADS_TOPIC, readHeadsRecord, type AnnouncedHead } from './heads-record.ts'
import type { StrangeRecord } from '../parking/stranger-letter.ts'
import { KnownLogs } from './known-logs.ts'
import { fromKafka, type FetchedRecord, type RelayedRecord } from './record-headers.ts'

/** Where reading may begin after a restart: a hint, the cursors decide. */
export interface Position {
  readonly topic: string
  readonly partition: number
  /** A topic that was made anew under its name has another one, and other offsets. */
  readonly topicId: string
  readonly offset: number
}

export interface KafkaLogOptions {
  readonly address: KafkaAddress
  readonly clock: Clock
  /** What groups of this process hear of services elsewhere. */
  readonly topics: readonly string[]
  /** Those of them that somebody else writes, with what travels there. */
  readonly externals?: ReadonlyMap<string, MessageInfo>
  /** Whether a group here hears of this source over Kafka: what an own database has is read there. */
  readonly reads: (topic: string, source: string) => boolean
  /** Whether this process works on the partition, of topics that have so many. */
  readonly holds: (partitions: number, partition: number) => boolean
  readonly positions: readonly Position[]
  /** Which log goes by which source's name; unless given, whoever comes first. */
  readonly known?: KnownLogs
  /** Told which sources have something new. */
  readonly grown: (sources: readonly string[]) => void
  readonly observer: KafkaLogObserver
  /** What fetches, where that is not Kafka's client. */
  readonly openFetcher?: (options: FetcherOptions, readings: () => readonly Reading[]) => FetcherPort
}

/** What goes on fetching whatever is to be read at each moment. */
export type FetcherPort = Pick<Fetcher, 'start' | 'wake' | 'stop'>

interface LaneQuestion {
  readonly source: string
  /** The sequences from which on groups read. */
  readonly all: readonly number[]
  readonly limit: number
}

export interface KafkaLogObserver {
  readonly failed: (error: unknown) => void
  /** A record in one of our topics that no relay put there. Resolves when it is kept among the dead letters. */
  readonly stranger: (record: StrangeRecord) => Promise<boolean>
}

interface OpenLane {
  readonly reading: Reading
  lane: Lane
  topicId: string | undefined
  /** From the first offset that Kafka keeps: what is not found from there is missing. */
  isFromStart: boolean
  /** The first offset that Kafka keeps, as far as it was met. */
  logStart: number
  /** Offsets of strangers that are not kept yet: a restart has to find them again. */
  readonly strangers: Set<bigint>
  /** Sources under whose name another log writes here too: nothing of them is read from there on. */
  readonly stopped: Set<string>
  /** By source: the number that a reader lacks, for which all that Kafka keeps was gone through once. */
  lookedFor: Map<string, number>
}

/** So many strangers of a partition wait to be kept, and no more is fetched of it. */
const STRANGERS_WAIT = 100

export class KafkaLog implements Log {
  readonly isElsewhere = true
  readonly #options: KafkaLogOptions
  readonly #lanes = new Map<string, OpenLane>()
  readonly #announced = new Map<string, Map<string, AnnouncedHead>>()
  readonly #headsReading: Reading = { topic: HEADS_TOPIC, partition: 0, offset: 0n, isFull: false }
  readonly #known: KnownLogs
  readonly #fetcher: FetcherPort
  /** Of topics that were scaled, by topic and source. */
  readonly #counts = new Map<string, Map<string, number>>()

  constructor(options: KafkaLogOptions) {
    this.#options = options
    this.#known = options.known ?? new KnownLogs(new Map())
    for (const name of options.topics) {
      const { partitions } = topicNamed(name)
      for (let partition = 0; partition < partitions; partition += 1) this.#open(name, partition)
    }
    const { address, clock, observer, openFetcher = (...given) => new Fetcher(...given) } = options
    this.#fetcher = openFetcher(
      {
        address,
        clock,
        isolation: 'uncommitted',
        failed: observer.failed,
        deliver: (reading, records, topicId) => this.#deliver(reading, records, topicId),
        outOfRange: (reading, { first }) => {
          const open = this.#lanes.get(`${reading.topic}/${reading.partition}`)
          if (open !== undefined) open.logStart = Number(first)
          this.#beginAgain(reading, first)
        },
      },
      () => this.#readings(),
    )
  }

  #open(topic: string, partition: number): void {
    const known = this.#options.positions.find((each) => each.topic === topic && each.partition === partition)
    const offset = BigInt(known?.offset ?? 0)
    const lookedFor = new Map<string, number>()
    this.#lanes.set(`${topic}/${partition}`, {
      reading: { topic, partition, offset, isFull: false },
      lane: this.#newLane(topic, offset, lookedFor),
      topicId: known?.topicId,
      isFromStart: offset === 0n,
      logStart: 0,
      strangers: new Set(),
      stopped: new Set(),
      lookedFor,
    })
  }

  #newLane(topic: string, offset: bigint, lookedFor: ReadonlyMap<string, number>): Lane {
    const risesFrom = this.#options.externals?.has(topic) === true ? Number(offset) : undefined
    return new Lane(lookedFor, { risesFrom })
  }

  start(): void {
    this.#fetcher.start()
  }

  async stop(): Promise<void> {
    await this.#fetcher.stop()
  }

  #readings(): readonly Reading[] {
    const { holds } = this.#options
    const held = [...this.#lanes.values()].filter(({ reading: { topic, partition } }) =>
      this.#countsOf(topic).some((partitions) => holds(partitions, partition)),
    )
    return [this.#headsReading, ...held.map(({ reading }) => reading)]
  }

  /** How many partitions a topic has: each source that appends to it may have scaled it, or not yet. */
  #countsOf(topic: string): readonly number[] {
    return [topicNamed(topic).partitions, ...(this.#counts.get(topic)?.values() ?? [])]
  }

  #deliver(reading: Reading, records: readonly FetchedRecord[], topicId: string): void {
    if (reading === this.#headsReading) {
      this.#hearHeads(records)
      return
    }
    const open = this.#lanes.get(`${reading.topic}/${reading.partition}`)
    if (open === undefined) return
    if (open.topicId !== undefined && open.topicId !== topicId) {
      // The offset that we began at was of a topic that is gone.
      open.topicId = topicId
      this.#beginAgain(reading, 0n)
      return
    }
    open.topicId = topicId
    const ours: { record: RelayedRecord; offset: bigint }[] = []
    for (const fetched of records) {
      const external = this.#options.externals?.get(reading.topic)
      const record = external === undefined ? fromKafka(fetched) : fromOutside(fetched, external, topicId)
      if ('stranger' in record)
        this.#takeStranger(open, { ...fetched, topicId, code: record.code, why: record.stranger })
      // What nobody reads here would never be dropped, and fill the lane for the others.
      else if (this.#follows(open, record)) ours.push({ record, offset: fetched.offset })
    }
    const changed = new Set([...open.lane.add(ours), ...open.stopped])
    reading.isFull = isFull(open)
    if (changed.size > 0) this.#options.grown([...changed])
  }

  #follows({ stopped }: OpenLane, { topic, source, logId }: RelayedRecord): boolean {
    if (!this.#options.reads(topic, source) || stopped.has(source)) return false
    if (source === EXTERNAL_SOURCE) return true
    const judgement = this.#known.judge(source, logId)
    if (judgement === 'unknown') stopped.add(source)
    return judgement === 'known'
  }

  #takeStranger(open: OpenLane, record: StrangeRecord): void {
    open.strangers.add(record.offset)
    void this.#options.observer.stranger(record).then((isKept) => {
      // Not before the end of the process: then the next one finds it again.
      if (!isKept) return
      open.strangers.delete(record.offset)
      this.#makeRoom(open)
    })
  }

  #makeRoom(open: OpenLane): void {
    if (!open.reading.isFull || isFull(open)) return
    open.reading.isFull = false
    this.#fetcher.wake()
  }

  #hearHeads(records: readonly FetchedRecord[]): void {
    const sources = new Set<string>()
    for (const record of records) {
      for (const head of readHeadsRecord(record)) {
        const { source, logId } = head
        if (logId !== undefined && this.#known.judge(source, logId) !== 'known') continue
        const heads = this.#announced.get(source) ?? new Map<string, AnnouncedHead>()
        this.#announced.set(head.source, heads.set(`${head.topic}/${head.partition}`, head))
        sources.add(head.source)
        if (head.made > 1) this.#grow(head)
      }
    }
    if (sources.size > 0) this.#options.grown([...sources])
  }

  /** A topic was scaled in its source's database: its new partitions are read as well. */
  #grow({ source, topic, partition }: AnnouncedHead): void {
    if (!this.#options.topics.includes(topic)) return
    const counts = this.#counts.get(topic) ?? new Map<string, number>()
    this.#counts.set(topic, counts.set(source, Math.max(counts.get(source) ?? 0, partition + 1)))
    if (this.#lanes.has(`${topic}/${partition}`)) return
    this.#open(topic, partition)
    this.#fetcher.wake()
  }

  /** What was fetched is dropped; the cursors drop what they have read before. */
  #beginAgain(reading: Reading, offset: bigint): void {
    const open = this.#lanes.get(`${reading.topic}/${reading.partition}`)
    reading.offset = offset
    reading.isFull = false
    if (open === undefined) return
    open.stopped.clear()
    Object.assign(open, { lane: this.#newLane(reading.topic, offset, open.lookedFor), isFromStart: true })
  }

  async heads(source: string): Promise<readonly Head[]> {
    const announced = this.#announced.get(source)
    const heads: Head[] = []
    for (const open of this.#lanes.values()) {
      const { reading, lane, stopped } = open
      const { topic, partition } = reading
      const end = lane.endOf(source)
      const told = announced?.get(`${topic}/${partition}`)
      if (end === undefined && told === undefined) continue
      heads.push({
        source,
        topic,
        partition,
        generation: told?.generation ?? 1,
        incarnation: end?.incarnation ?? 1,
        first: told?.first ?? (source === EXTERNAL_SOURCE ? open.logStart : 0),
        made: told?.made ?? 1,
        // One above what there is, so that whoever reads on finds it missing and stands still.
        next: (end?.next ?? 0) + (stopped.has(source) ? 1 : 0),
        appendedAt: end?.appendedAt ?? 0,
        ...(source === EXTERNAL_SOURCE ? undefined : { announced: told ?? NOTHING_TOLD }),
      })
    }
    return heads
  }

  async readLog(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]> {
    const wanted = new Map<OpenLane, number[]>()
    for (const { topic, partition, from } of ranges) {
      const open = this.#lanes.get(`${topic}/${partition}`)
      if (open !== undefined) wanted.set(open, [...(wanted.get(open) ?? []), from])
    }
    return [...wanted].flatMap(([open, all]) => this.#readLane(open, { source, all, limit: limitRows * RECORDS_A_ROW }))
  }

  #readLane(open: OpenLane, { source, all, limit }: LaneQuestion): readonly LogRow[] {
    const kept = source === EXTERNAL_SOURCE ? all.map((from) => Math.max(from, open.logStart)) : all
    const [lowest = 0, ...higher] = kept.toSorted((one, other) => one - other)
    const rows = [...(open.lane.read(source, lowest, limit) ?? [])]
    if (rows.length === 0) this.#lookFor(open, source, lowest)
    else if ((open.lookedFor.get(source) ?? Infinity) <= lowest) open.lookedFor.delete(source)
    // One that lacks a number, or is far behind, keeps nothing from the others.
    for (const from of higher) {
      if ((rows.at(-1)?.last ?? -1) < from) rows.push(...(open.lane.read(source, from, limit) ?? []))
    }
    open.lane.drop(source, lowest)
    this.#makeRoom(open)
    return rows
  }

  /**
   * What is not where it should be may lie elsewhere: behind what is here, when it was sent again; or before where we
   * read on, when a broker has lost what we had read and wrote other records there. So all is gone through once for it.
   */
  #lookFor(open: OpenLane, source: string, from: number): void {
    const { lane, isFromStart, lookedFor, reading } = open
    if (source === EXTERNAL_SOURCE) {
      // A number of others is an offset; where ours lie is not known.
      if (lane.read(source, from, 1) === undefined) this.#beginAgain(reading, BigInt(from))
    } else if (lane.hasDropped(source, from)) this.#beginAgain(reading, 0n)
    else if (lane.read(source, from, 1) !== undefined && !lane.isAtGap(source, from)) return
    else if (!isFromStart || lookedFor.get(source) !== from) {
      lookedFor.set(source, from)
      this.#beginAgain(reading, 0n)
    }
  }

  /** Where the incarnation that a partition has now began. */
  async beganAt(source: string, { topic, partition }: Omit<LogRange, 'from'>): Promise<number | undefined> {
    return this.#lanes.get(`${topic}/${partition}`)?.lane.beganOf(source)
  }

  /**
   * The first offset that a group with these numbers, by source, has not read: behind all that was fetched where it has
   * read that. Undefined where nothing was fetched yet, or its next record was dropped.
   */
  unreadFrom({ topic, partition }: Omit<LogRange, 'from'>, nextOf: ReadonlyMap<string, number>): bigint | undefined {
    const open = this.#lanes.get(`${topic}/${partition}`)
    if (open?.topicId === undefined) return undefined
    let lowest = open.reading.offset
    for (const [source, next] of nextOf) {
      const offset = open.lane.offsetFrom(source, next)
      if (offset === 'dropped') return undefined
      if (offset !== undefined && offset < lowest) lowest = offset
    }
    return lowest
  }

  /** Where reading may begin after a restart. */
  positions(): readonly Position[] {
    return [...this.#lanes.values()].flatMap(({ reading: { topic, partition }, lane, topicId, strangers }) => {
      const offset = lane.resumeAt()
      if (offset === undefined || topicId === undefined) return []
      const least = [...strangers].reduce((lowest, each) => (each < lowest ? each : lowest), offset)
      return [{ topic, partition, topicId, offset: Number(least) }]
    })
  }
}

function isFull({ lane, strangers }: OpenLane): boolean {
  return lane.isFull || strangers.size >= STRANGERS_WAIT
}

/** A row of a database holds what one transaction appended; here each record is a row of its own. */
const RECORDS_A_ROW = 8
