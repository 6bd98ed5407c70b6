// Sends records to Kafka, one transaction at a time, under a pinned id that fences whoever had it before.
import { type API, type Callback, addPartitionsToTxnV3, kGetApi, Producer } from '@platformatic/kafka'
import type { KafkaAddress } from './address.ts'
import { addressOptions } from './address.ts'
import { within } from './deadline.ts'
import { isUnknownTopic, kafkaCodes } from './kafka-error.ts'

/** A record as it goes to Kafka. All bytes: the client turns any other type into an empty value without a word. */
export interface OutgoingRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Buffer
  readonly value: Buffer
  readonly headers: Map<Buffer, Buffer>
  /** Milliseconds since the epoch. */
  readonly timestamp: bigint
}

export interface ProducerOptions {
  readonly address: KafkaAddress
  /** The same for every process that may send these records, so that a new one fences the old one. */
  readonly transactionalId: string
  /** After this long without an answer to one call the producer is given up. */
  readonly deadlineMs?: number
}

/** The broker ends a transaction that its producer left open this long; until then readers of its partitions wait. */
const TRANSACTION_TIMEOUT_MS = 60_000
const DEADLINE_MS = 12_000
/** The broker says "concurrent" while it still writes the last transaction's markers: up to 15 times under load. */
const RETRIES = 15
const RETRY_MS = 50
const LONGEST_RETRY_MS = 400
const MARKERS_MS = 3
const LONGEST_MARKERS_MS = 50
/** Asked for afresh by whoever makes a producer: counts of partitions change with a scaling only. */
const METADATA_MAX_AGE_MS = 300_000

/**
 * The client's producer with AddPartitionsToTxn version 3: it would take 4 or 5, which brokers keep for each other, so
 * that any principal but a super user is refused (Apache Kafka 4.3.1, CLUSTER_AUTHORIZATION_FAILED).
 */
class OrdinaryProducer extends Producer {
  override [kGetApi]<Question extends unknown[], Answer>(
    name: string,
    callback: Callback<API<Question, Answer>>,
  ): void {
    if (name === 'AddPartitionsToTxn') callback(null, addPartitionsToTxnV3.api as unknown as API<Question, Answer>)
    else super[kGetApi](name, callback)
  }
}

/** A partition that the broker does not have: the client would wrap its number into another one without a word. */
export class MissingPartition extends Error {
  override readonly name = 'MissingPartition'
  readonly topic: string

  constructor(topic: string, message: string) {
    super(message)
    this.topic = topic
  }
}

/** After any error it must be closed and a new one opened: a failed send leaves the client's sequence numbers ahead. */
export class TransactionalProducer {
  readonly #producer: OrdinaryProducer
  readonly #deadlineMs: number
  #partitions = new Map<string, number>()
  #wasCutOff = false

  private constructor({ address, transactionalId, deadlineMs = DEADLINE_MS }: ProducerOptions) {
    this.#deadlineMs = deadlineMs
    this.#producer = new OrdinaryProducer({
      ...addressOptions(address),
      idempotent: true,
      transactionalId,
      // Left out, the client asks for id 0 and epoch 0, and is fenced at its second start.
      producerId: -1n,
      producerEpoch: -1,
      timeout: TRANSACTION_TIMEOUT_MS,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      compression: 'lz4',
      autocreateTopics: false,
      // Fewer, or none, and it gives up or never does: 2^53 tries where nothing is said.
      retries: RETRIES,
      retryDelay: (...[, , attempt, , error]) => retryDelayMs(attempt, error),
    })
    this.#producer.on('error', () => undefined)
    this.#producer.on('client:broker:disconnect', () => (this.#wasCutOff = true))
  }

  /** Takes the id over: from now on nothing that another process sends under it is committed. */
  static async open(options: ProducerOptions): Promise<TransactionalProducer> {
    const producer = new TransactionalProducer(options)
    try {
      await producer.#fence()
      return producer
    } catch (error) {
      await producer.close()
      throw error
    }
  }

  /** Beginning asks for the producer's epoch; that alone ends what the predecessor left open. */
  async #fence(): Promise<void> {
    const transaction = await this.#answer('fencing the predecessor', this.#producer.beginTransaction())
    await this.#answer('fencing the predecessor', transaction.cancel())
  }

  /**
   * Sends all of it as one transaction, the batches one after the other.
   *
   * @throws {MissingPartition} before anything was sent; {KafkaLate}, the client's errors, or that the connection was
   * lost: then it may have happened.
   */
  async send(batches: readonly (readonly OutgoingRecord[])[]): Promise<void> {
    await this.#checkPartitions(batches)
    const transaction = await this.#answer('beginning a transaction', this.#producer.beginTransaction())
    for (const messages of batches) {
      await this.#answer(`sending ${messages.length} records`, transaction.send({ messages: [...messages] }))
    }
    this.#mustBeConnected()
    await this.#answer('committing a transaction', transaction.commit())
    this.#mustBeConnected()
  }

  /**
   * A connection was lost since this was opened. The client tries again behind our back, also when the broker that
   * comes back is no longer the same: one that lost what it had acknowledged takes what follows it. Whoever begins anew
   * with another producer compares first.
   */
  get wasCutOff(): boolean {
    return this.#wasCutOff
  }

  #mustBeConnected(): void {
    if (this.#wasCutOff) throw new Error('The connection to Kafka was lost, so it is not known what it has.')
  }

  async #checkPartitions(batches: readonly (readonly OutgoingRecord[])[]): Promise<void> {
    const highest = new Map<string, number>()
    for (const { topic, partition } of batches.flat()) {
      highest.set(topic, Math.max(partition, highest.get(topic) ?? 0))
    }
    for (const [topic, partition] of highest) {
      if (partition < (this.#partitions.get(topic) ?? 0)) continue
      const count = await this.#countPartitions(topic)
      if (partition < count) continue
      throw new MissingPartition(
        topic,
        `Kafka has ${count} partitions of ${topic}, and partition ${partition} is written to: run topics:create.`,
      )
    }
  }

  /** One unknown topic fails the whole question, so each is asked for alone. */
  async #countPartitions(topic: string): Promise<number> {
    const asked = this.#producer.metadata({ topics: [topic], forceUpdate: true })
    try {
      const count = (await this.#answer(`asking for ${topic}`, asked)).topics.get(topic)?.partitionsCount ?? 0
      this.#partitions.set(topic, count)
      return count
    } catch (error) {
      if (isUnknownTopic(error)) return 0
      throw error
    }
  }

  #answer<Result>(what: string, answer: Promise<Result>): Promise<Result> {
    return within(this.#deadlineMs, what, answer)
  }

  /** Safe after any error; what is still under way is dropped. */
  async close(): Promise<void> {
    await within(this.#deadlineMs, 'closing the producer', this.#producer.close(true)).catch(() => undefined)
  }
}

function retryDelayMs(attempt: number, error: Error): number {
  // A topic that was just made is known after some milliseconds; asking 5 s for one that is missing held up all others.
  const isSoonOver = kafkaCodes(error).includes('CONCURRENT_TRANSACTIONS') || isUnknownTopic(error)
  return isSoonOver
    ? Math.min(LONGEST_MARKERS_MS, MARKERS_MS * attempt)
    : Math.min(LONGEST_RETRY_MS, RETRY_MS * attempt)
}
