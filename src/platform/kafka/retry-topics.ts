// Reads what people put into the retry topics: one process of each database, record by record, with its place beside.
import type { PartHealth } from '../application.ts'
import { Conflict, type Clock } from '../ports.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { StrangeRecord } from '../parking/stranger-letter.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { KafkaAddress } from './address.ts'
import type { ByHand } from './by-hand.ts'
import { Fetcher, type Reading } from './fetcher.ts'
import { kafkaReason } from './kafka-error.ts'
import { mirrorTopicName } from './mirror-topics.ts'
import type { PositionStore } from './position-store.ts'
import type { FetchedRecord } from './record-headers.ts'

export interface RetryTopicsOptions {
  readonly address: KafkaAddress
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn'>
  /** The topics that groups of the database hear. */
  readonly topics: readonly string[]
  /** Which of these topics the brokers have. */
  readonly existing: (topics: readonly string[]) => Promise<readonly string[]>
  /** Whether this process does it for the database. */
  readonly isOurs: () => boolean
  readonly positions: Pick<PositionStore, 'prepare' | 'read' | 'write' | 'close'>
  readonly take: (topic: string, record: StrangeRecord) => Promise<ByHand>
  /** Keeps a record that is no message. */
  readonly stranger: (record: StrangeRecord) => Promise<boolean>
  /** Queues of parked keys have changed. */
  readonly changed: () => void
}

const LOOK_EVERY_MS = 1000
const TRY_AGAIN_MS = 1000
/** Topics that were missing are looked for again. */
const LOOK_FOR_TOPICS_MS = 60_000

interface OpenTopic {
  readonly topic: string
  readonly reading: Reading
  topicId: string | undefined
}

export class RetryTopics {
  readonly #options: RetryTopicsOptions
  readonly #fetcher: Fetcher
  #open: readonly OpenTopic[] = []
  #lookedAt = Number.NEGATIVE_INFINITY
  readonly #looks: RepeatedLook
  #working = Promise.resolve()
  #failure: string | undefined

  constructor(options: RetryTopicsOptions) {
    this.#options = options
    const { address, clock } = options
    this.#fetcher = new Fetcher(
      {
        address,
        clock,
        isolation: 'committed',
        failed: (error) => this.#failed(error),
        deliver: (reading, records, topicId) => this.#deliver(reading, records, topicId),
        outOfRange: (reading, { first }) => (reading.offset = first),
      },
      () => this.#open.map(({ reading }) => reading),
    )
    this.#looks = new RepeatedLook({
      clock,
      everyMs: LOOK_EVERY_MS,
      look: () => this.#look(),
      failed: (error) => this.#failed(error),
    })
  }

  async start(): Promise<void> {
    await this.#options.positions.prepare()
    this.#fetcher.start()
    this.#looks.start()
  }

  /** The next look finds out whether it is over: `/health` says so a second after, and not a minute. */
  #failed(error: unknown): void {
    this.#failure = kafkaReason(error)
    this.#lookedAt = Number.NEGATIVE_INFINITY
  }

  /** With the lease come the places of whoever read before. */
  async #look(): Promise<void> {
    const { isOurs, clock, existing, topics, positions } = this.#options
    if (!isOurs()) {
      this.#open = []
      this.#lookedAt = Number.NEGATIVE_INFINITY
      return
    }
    if (clock.now() - this.#lookedAt < LOOK_FOR_TOPICS_MS) return
    const found = await existing(topics)
    const known = await positions.read()
    this.#lookedAt = clock.now()
    const news = found.filter((topic) => this.#open.every((each) => each.topic !== topic))
    const opened = news.map((topic): OpenTopic => {
      const name = mirrorTopicName(topic, 'retry')
      const position = known.find((each) => each.topic === name)
      const reading = { topic: name, partition: 0, offset: BigInt(position?.offset ?? 0), isFull: false }
      return { topic, reading, topicId: position?.topicId }
    })
    this.#open = [...this.#open, ...opened]
    this.#failure = undefined
    if (opened.length > 0) this.#fetcher.wake()
  }

  #deliver(reading: Reading, records: readonly FetchedRecord[], topicId: string): void {
    const open = this.#open.find((each) => each.reading === reading)
    if (open === undefined) return
    if (open.topicId !== undefined && open.topicId !== topicId) {
      // The place that we began at was of a topic that is gone.
      reading.offset = 0n
      open.topicId = topicId
      return
    }
    open.topicId = topicId
    // Nothing more of it before this is done; that is also why the place behind it may be written down then.
    reading.isFull = true
    const behind = Number(reading.offset)
    this.#working = this.#working.then(async () => {
      for (const record of records) {
        while (!(await this.#take(open, { ...record, topicId, code: 'KAFKA_UNKNOWN_MESSAGE', why: '' }))) {
          if (this.#looks.isStopped || !this.#options.isOurs()) return
          await this.#pause()
        }
      }
      const place = { topic: reading.topic, partition: 0, topicId, offset: behind }
      await this.#options.positions.write([place]).catch(() => undefined)
      reading.isFull = false
      this.#fetcher.wake()
    })
  }

  /** @returns whether it is done with; else it is taken again. */
  async #take({ topic }: OpenTopic, record: StrangeRecord): Promise<boolean> {
    const { take, stranger, changed, log } = this.#options
    try {
      const done = await take(topic, record)
      if (done.fate === 'unreadable') {
        const why = `${done.why} (sent by hand to ${record.topic})`
        return await stranger({ ...record, topic, code: done.code, why })
      }
      if (!('groups' in done)) return true
      const where = `${record.topic} at offset ${record.offset}`
      if (done.hindered.length > 0) {
        const groups = done.hindered.join(', ')
        log.warn(`What was sent by hand to ${where} waits in ${groups}: an older dead letter of its key goes first.`)
      }
      const what = done.fate === 'redriven' ? 'sent again' : 'sent as a new message'
      log.info(`By hand, ${where}: ${what} to ${done.groups.join(', ')}.`, { topic })
      changed()
      return true
    } catch (error) {
      if (!(error instanceof Conflict)) log.warn('A record sent by hand could not be taken yet.', { error })
      return false
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(TRY_AGAIN_MS, resolve))
  }

  health(): readonly PartHealth[] {
    if (this.#failure === undefined) return []
    const detail = `what people send to the retry topics is not read: ${this.#failure}`
    return [{ part: 'retry topics', status: 'degraded', detail }]
  }

  async stop(): Promise<void> {
    await this.#looks.stop()
    await this.#fetcher.stop()
    await this.#working
    await this.#options.positions.close()
  }
}
