// Fetches partitions from the brokers that lead them, from offsets of our own, with no consumer group in between.
import { Base, Connection, fetchV17, listOffsetsV9 } from '@platformatic/kafka'
import type { Clock } from '../ports.ts'
import { addressOptions, ANSWER_WITHIN_MS, CONNECT_WITHIN_MS, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import { isUnknownTopic } from './kafka-error.ts'
import type { FetchedRecord } from './record-headers.ts'
import { visibleRecords, type FetchedBatch } from './visible-records.ts'

/** A partition that is read, and where. */
export interface Reading {
  readonly topic: string
  readonly partition: number
  /** The next offset wanted; moved on by what is delivered. */
  offset: bigint
  /** Left out of the requests while its reader has enough. */
  isFull: boolean
}

export interface FetcherOptions {
  readonly address: KafkaAddress
  readonly clock: Clock
  /** Takes records of a partition, in order; `topicId` tells a topic from one that was made anew under its name. */
  readonly deliver: (reading: Reading, records: readonly FetchedRecord[], topicId: string) => void
  /** The offset wanted lies below what the broker keeps, or above its end: who reads decides what to do. */
  readonly outOfRange: (reading: Reading, kept: { readonly first: bigint }) => void
  readonly failed: (error: unknown) => void
  /**
   * Whether records of transactions that are open or were aborted are left out. Our own readers take them: they are in
   * a database already, and their numbers tell repetitions; so a transaction that nobody ends holds up nobody of ours.
   */
  readonly isolation: 'committed' | 'uncommitted'
  /** How long a request waits at the broker for records. */
  readonly waitMs?: number
}

/** How long an idle request waits at the broker: two a second cost 0.002 of a core here and 0.024 there. */
const WAIT_MS = 500
/** Decoding is synchronous: 1 MB of lz4 kept the loop busy for 83 ms at most, 8 MB for 292. */
const MAX_BYTES = 1 << 20
const MAX_BYTES_A_PARTITION = 1 << 18
const ISOLATION = { uncommitted: 0, committed: 1 } as const
/** A leader that moved is known to the others some hundred milliseconds later. */
const AFTER_ERROR_MS = 200
const OFFSET_OUT_OF_RANGE = 1
const EARLIEST = -2n
/** Unknown topic, no leader, not the leader, unknown topic id: so for moments after a topic is made or led anew. */
const MOVED: ReadonlySet<number> = new Set([3, 5, 6, 100])
/** Two seconds of that are worth a word. */
const MOVES_IN_A_ROW = 10

class Moved extends Error {
  override readonly name = 'Moved'
}

function metadataClient(address: KafkaAddress): Base {
  const client = new Base({ ...addressOptions(address), retries: 0 })
  client.on('error', () => undefined)
  return client
}

async function closed(client: Base): Promise<void> {
  await within(CONNECT_WITHIN_MS, 'closing', client.close()).catch(() => undefined)
}

type FetchRequestTopic = fetchV17.FetchRequestTopic
type FetchResponse = fetchV17.FetchResponse
type Answer = FetchResponse['responses'][number]['partitions'][number]

interface Leader {
  readonly node: number
  readonly host: string
  readonly port: number
}

/** Reads whatever `readings` gives at each moment; partitions come and go with leases. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #readings: () => readonly Reading[]
  #metadata: Base
  readonly #connections = new Map<number, Connection>()
  #loops: Promise<void>[] = []
  #isStopped = false
  #isStale = true
  #wake = (): void => undefined
  #leaders = new Map<string, Leader>()
  #topicIds = new Map<string, string>()
  #turn = 0
  #movesInARow = 0

  constructor(options: FetcherOptions, readings: () => readonly Reading[]) {
    this.#options = options
    this.#readings = readings
    this.#metadata = metadataClient(options.address)
  }

  start(): void {
    this.#loops.push(this.#run())
  }

  /** Partitions came, or one that was full has room again. */
  wake(): void {
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    for (const node of this.#connections.keys()) void this.#disconnect(node)
    await Promise.all(this.#loops)
    await closed(this.#metadata)
  }

  /** One request at a time for each broker; a round ends with the slowest, which waits no longer than WAIT_MS. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if (this.#isStale) await this.#lookUp()
        const asked = this.#byLeader()
        if (asked.size === 0) await this.#pause(this.#options.waitMs ?? WAIT_MS)
        else await Promise.all([...asked.values()].map(([leader, readings]) => this.#fetch(leader, readings)))
        this.#movesInARow = 0
      } catch (error) {
        if (this.#isStopped) return
        this.#isStale = true
        if (!(error instanceof Moved) || (this.#movesInARow += 1) > MOVES_IN_A_ROW) this.#options.failed(error)
        await this.#renewMetadata()
        await this.#pause(AFTER_ERROR_MS)
      }
    }
  }

  /** The client hands a question that hangs to all who ask the same later: whoever was let down asks by a new one. */
  async #renewMetadata(): Promise<void> {
    const old = this.#metadata
    this.#metadata = metadataClient(this.#options.address)
    await closed(old)
  }

  #pause(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const cancel = this.#options.clock.after(waitMs, resolve)
    return promise.finally(cancel)
  }

  /** One unknown topic fails the whole question, so each is asked for alone; a missing one is looked for again. */
  async #lookUp(): Promise<void> {
    let isMissing = false
    for (const topic of new Set(this.#readings().map((reading) => reading.topic))) {
      isMissing = !(await this.#lookUpTopic(topic)) || isMissing
    }
    this.#isStale = isMissing
  }

  async #lookUpTopic(topic: string): Promise<boolean> {
    try {
      const asked = this.#metadata.metadata({ topics: [topic], forceUpdate: true })
      const { brokers, topics } = await within(ANSWER_WITHIN_MS, `asking who leads ${topic}`, asked)
      const found = topics.get(topic)
      if (found === undefined) return false
      this.#topicIds.set(topic, found.id)
      for (const [partition, { leader: node }] of found.partitions.entries()) {
        const broker = brokers.get(node)
        if (broker !== undefined) this.#leaders.set(`${topic}/${partition}`, { node, ...broker })
      }
      return true
    } catch (error) {
      if (!isUnknownTopic(error)) throw error
      this.#options.failed(error)
      return false
    }
  }

  /** Turned by one each round: else the first partitions fill the answer each time, and the last ones starve. */
  #byLeader(): Map<number, [Leader, Reading[]]> {
    const all = this.#readings().filter(({ isFull }) => !isFull)
    const shift = all.length === 0 ? 0 : (this.#turn += 1) % all.length
    const byLeader = new Map<number, [Leader, Reading[]]>()
    for (const reading of [...all.slice(shift), ...all.slice(0, shift)]) {
      const leader = this.#leaders.get(`${reading.topic}/${reading.partition}`)
      if (leader === undefined) {
        this.#isStale = true
        continue
      }
      const known = byLeader.get(leader.node)
      if (known === undefined) byLeader.set(leader.node, [leader, [reading]])
      else known[1].push(reading)
    }
    return byLeader
  }

  async #fetch(leader: Leader, readings: readonly Reading[]): Promise<void> {
    const asked = new Map(
      readings.map((reading) => [`${this.#topicIds.get(reading.topic)}/${reading.partition}`, reading]),
    )
    const offsets = new Map(readings.map((reading) => [reading, reading.offset]))
    const response = await this.#ask(leader, readings)
    const outside: Reading[] = []
    for (const { topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const reading = asked.get(`${topicId}/${answer.partitionIndex}`)
        // Whoever reads may have gone elsewhere while the broker waited.
        if (reading === undefined || reading.offset !== offsets.get(reading)) continue
        if (answer.errorCode === OFFSET_OUT_OF_RANGE) outside.push(reading)
        else this.#take(reading, answer, topicId)
      }
    }
    for (const reading of outside) await this.#beginAtFirst(leader, reading, offsets.get(reading))
  }

  /** The answer to a fetch out of range says -1 where the first offset belongs (Apache Kafka 4.3.1), so it is asked. */
  async #beginAtFirst(leader: Leader, reading: Reading, offset: bigint | undefined): Promise<void> {
    const { topic: name, partition: partitionIndex } = reading
    const connection = await this.#connect(leader)
    const partitions = [{ partitionIndex, currentLeaderEpoch: -1, timestamp: EARLIEST }]
    const asked = listOffsetsV9.api.async(connection, -1, 0, [{ name, partitions }])
    const { topics } = await within(ANSWER_WITHIN_MS, `asking where ${name}/${partitionIndex} begins`, asked)
    const first = topics[0]?.partitions[0]?.offset
    // Whoever reads may have gone elsewhere meanwhile.
    if (first !== undefined && reading.offset === offset) this.#options.outOfRange(reading, { first })
  }

  #take(reading: Reading, answer: Answer, topicId: string): void {
    const { errorCode, records: batches, abortedTransactions } = answer
    if (errorCode !== 0) {
      this.#isStale = true
      const text = `Kafka answers a fetch of ${reading.topic}/${reading.partition} with error ${errorCode}.`
      throw MOVED.has(errorCode) ? new Moved(text) : new Error(text)
    }
    if (!batches || batches.length === 0) return
    const { topic, partition, offset: from } = reading
    const fetched = {
      topic,
      partition,
      from,
      batches: batches as readonly FetchedBatch[],
      aborted: abortedTransactions ?? [],
    }
    const { records, next } = visibleRecords(fetched)
    reading.offset = next
    this.#options.deliver(reading, records, topicId)
  }

  async #ask(leader: Leader, readings: readonly Reading[]): Promise<FetchResponse> {
    const waitMs = this.#options.waitMs ?? WAIT_MS
    try {
      const connection = await this.#connect(leader)
      const asked = fetchV17.api.async(
        connection,
        waitMs,
        1,
        MAX_BYTES,
        ISOLATION[this.#options.isolation],
        0,
        -1,
        this.#topics(readings),
        [],
        '',
      )
      return await within(waitMs + ANSWER_WITHIN_MS, 'fetching', asked.catch(answerIn))
    } catch (error) {
      await this.#disconnect(leader.node)
      throw error
    }
  }

  #topics(readings: readonly Reading[]): FetchRequestTopic[] {
    const topics = new Map<string, FetchRequestTopic>()
    for (const { topic, partition, offset } of readings) {
      const topicId = this.#topicIds.get(topic) ?? ''
      const asked = topics.get(topicId) ?? { topicId, partitions: [] }
      topics.set(topicId, asked)
      asked.partitions.push({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: offset,
        lastFetchedEpoch: -1,
        partitionMaxBytes: MAX_BYTES_A_PARTITION,
      })
    }
    return [...topics.values()]
  }

  async #connect({ node, host, port }: Leader): Promise<Connection> {
    const known = this.#connections.get(node)
    if (known?.isConnected() === true) return known
    const { address, waitMs = WAIT_MS } = this.#options
    const { clientId, bootstrapBrokers: _, ...rest } = addressOptions(address)
    const connection = new Connection(clientId, { ...rest, requestTimeout: waitMs + ANSWER_WITHIN_MS, maxInflights: 1 })
    connection.on('error', () => undefined)
    this.#connections.set(node, connection)
    await within(CONNECT_WITHIN_MS, `connecting to ${host}:${port}`, Promise.resolve(connection.connect(host, port)))
    return connection
  }

  async #disconnect(node: number): Promise<void> {
    const connection = this.#connections.get(node)
    this.#connections.delete(node)
    if (connection === undefined) return
    await within(CONNECT_WITHIN_MS, 'disconnecting', connection.close()).catch(() => undefined)
  }
}

/** One bad partition makes the client throw, with the whole answer in the error: the others' records are in it. */
function answerIn(error: Error & { readonly response?: FetchResponse }): FetchResponse {
  if (error.response === undefined) throw error
  return error.response
}
