// Looks at Kafka again and again while the process lives, and keeps what a person should know of it.
import type { Topic } from '../../kernel/message.ts'
import type { PartHealth } from '../application.ts'
import type { Clock } from '../ports.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { KafkaAddress } from './address.ts'
import { announcedSkews, doubledTexts, lastAnnounced, silentTexts } from './announcements.ts'
import { certificateTerms, certificateTexts, daysLeft, type CertificateTerm } from './certificates.ts'
import { clockTexts, DATABASE_TOLERANCE_MS, skewOf, type ClockSkew } from './clocks.ts'
import { KafkaUnavailable, sentenceOf } from './failure-sentence.ts'
import { driftOf } from './topic-drift.ts'
import { TopicAdmin } from './topics.ts'

export interface WatchedDatabase {
  /** The services whose logs lie in it. */
  readonly services: readonly string[]
  /** Its clock, in milliseconds since the epoch. */
  readonly now: () => Promise<number>
  /** The identity of each service's log. */
  readonly logIds: () => Promise<ReadonlyMap<string, string>>
}

export interface WatchOptions {
  readonly address: KafkaAddress
  /** What this process ships to and reads from. */
  readonly topics: readonly Topic[]
  readonly databases: readonly WatchedDatabase[]
  readonly clock: Clock
  readonly log: Logger
}

/** What one look found. */
export interface Sight {
  /** Why nobody could be asked; undefined where somebody answered. */
  readonly away: string | undefined
  readonly brokers: number
  /** Names of those that are as declared, led, and in enough copies. */
  readonly healthyTopics: readonly string[]
  /** A sentence for each thing that is not as it should be, the gravest first. */
  readonly texts: readonly string[]
  readonly certificates: readonly CertificateTerm[]
  readonly skews: readonly ClockSkew[]
}

/** Some twenty questions of a millisecond each. */
const LOOK_EVERY_MS = 10_000
/** Whoever sends was told something new: as often as this it is looked at once more. */
const LOOK_SOON_MS = 1000
/** More are cut off in `/health`; the log has all of them. */
const MAX_TEXTS = 5

export class KafkaWatch {
  readonly #options: WatchOptions
  readonly #first = Promise.withResolvers<void>()
  #sight: Sight = { away: undefined, brokers: 0, healthyTopics: [], texts: [], certificates: [], skews: [] }
  #isStopped = false
  #isLooking = false
  #isAskedSoon = false
  #looking: Promise<void> | undefined
  #cancel = (): void => undefined

  constructor(options: WatchOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#isStopped) return
    this.#isAskedSoon = false
    this.#isLooking = true
    this.#looking = this.#look().then(() => {
      this.#isLooking = false
      this.#first.resolve()
      this.#later(this.#isAskedSoon ? LOOK_SOON_MS : LOOK_EVERY_MS)
    })
  }

  #later(delayMs: number): void {
    this.#cancel()
    if (!this.#isStopped) this.#cancel = this.#options.clock.after(delayMs, () => this.start())
  }

  /** Something has changed, as whoever sends says. */
  lookSoon(): void {
    if (this.#isAskedSoon) return
    this.#isAskedSoon = true
    if (!this.#isLooking) this.#later(LOOK_SOON_MS)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    this.#first.resolve()
    await this.#looking
  }

  /** What the last look found; the first one is waited for. */
  async sight(): Promise<Sight> {
    await this.#first.promise
    return this.#sight
  }

  get topics(): number {
    return this.#options.topics.length
  }

  async #look(): Promise<void> {
    const before = new Set(this.#sight.texts)
    const admin = new TopicAdmin(this.#options.address)
    try {
      this.#sight = await this.#seenWith(admin)
    } catch (error) {
      const away = sentenceOf(this.#options.address, error)
      // Clocks and certificates go on as they were: nobody has told otherwise.
      this.#sight = { ...this.#sight, away: away.message, healthyTopics: [], texts: [away.message] }
    } finally {
      await admin.close()
    }
    if (this.#isStopped) return
    // Whoever ships or reads tells himself that Kafka is away.
    if (this.#sight.away !== undefined) return
    for (const text of this.#sight.texts) if (!before.has(text)) this.#options.log.warn(`Kafka: ${text}.`)
  }

  async #seenWith(admin: TopicAdmin): Promise<Sight> {
    const { address, topics, clock } = this.#options
    const brokers = await admin.brokers()
    const drifts: string[] = []
    const healthyTopics: string[] = []
    for (const topic of topics) {
      const wrong = await wrongWith(topic, { admin, address, brokers })
      if (wrong.length === 0) healthyTopics.push(topic.name)
      drifts.push(...wrong)
    }
    const certificates = await certificateTerms(address)
    const { skews, texts } = await this.#compare(admin)
    const all = [...drifts, ...texts, ...clockTexts(skews), ...certificateTexts(certificates, clock.now())]
    return { away: undefined, brokers, healthyTopics, texts: all, certificates, skews }
  }

  /** The clocks of databases and brokers, and who else announces himself. */
  async #compare(
    admin: TopicAdmin,
  ): Promise<{ readonly skews: readonly ClockSkew[]; readonly texts: readonly string[] }> {
    const { databases, clock } = this.#options
    const own = (await Promise.all(databases.map((database) => this.#skewOf(database)))).flat()
    const identities = await Promise.all(databases.map(async ({ logIds }) => [...(await logIds())])).catch(() => [])
    const ours = new Map(identities.flat())
    const announced = await lastAnnounced(this.#options, admin).catch(() => [])
    const now = clock.now()
    return {
      skews: [...own, ...announcedSkews(announced, ours, now)],
      texts: [...doubledTexts(announced, ours), ...silentTexts(announced, ours, now)],
    }
  }

  /** None where the database does not answer: whoever needs it says so. */
  async #skewOf({ services, now }: WatchedDatabase): Promise<readonly ClockSkew[]> {
    const { clock } = this.#options
    const from = clock.now()
    const theirs = await now().catch(() => undefined)
    if (theirs === undefined) return []
    const aheadMs = skewOf(theirs, { from, to: clock.now() })
    const effect = 'limits of sagas may fire too early or too late'
    return [{ whose: `the database of ${services.join(', ')}`, aheadMs, toleratedMs: DATABASE_TOLERANCE_MS, effect }]
  }

  /** Never worse than degraded: orders are taken without Kafka. */
  async health(): Promise<PartHealth> {
    const { texts, brokers } = await this.sight()
    const part = 'Kafka'
    if (texts.length === 0) {
      return { part, status: 'healthy', detail: `${brokers} brokers, ${this.topics} topics as declared` }
    }
    const more = texts.length > MAX_TEXTS ? [`and ${texts.length - MAX_TEXTS} more`] : []
    return { part, status: 'degraded', detail: [...texts.slice(0, MAX_TEXTS), ...more].join('; ') }
  }

  async certificateDays(): Promise<Readonly<Record<string, number>>> {
    const { certificates } = await this.sight()
    const now = this.#options.clock.now()
    return Object.fromEntries(certificates.map((term) => [term.whose, daysLeft(term, now)]))
  }

  async clocksAheadSeconds(): Promise<Readonly<Record<string, number>>> {
    const { skews } = await this.sight()
    return Object.fromEntries(skews.map(({ whose, aheadMs }) => [whose, aheadMs / 1000]))
  }
}

interface Place {
  readonly admin: TopicAdmin
  readonly address: KafkaAddress
  readonly brokers: number
}

/** What a person has to mend of a topic. @throws where nobody answers. */
async function wrongWith(topic: Topic, { admin, address, brokers }: Place): Promise<readonly string[]> {
  try {
    const drifts = driftOf(topic, await admin.describe(topic.name), brokers)
    return drifts.filter(({ isWrong }) => isWrong).map(({ text }) => `${topic.name} ${text}`)
  } catch (error) {
    const sentence = sentenceOf(address, error)
    if (sentence instanceof KafkaUnavailable) throw sentence
    return [`${topic.name} can't be looked at: ${sentence.message}`]
  }
}
