// What other tools see and touch on Kafka: how far groups are, copies of what is parked or dead, and the retry topics.
import type { PartHealth } from '../application.ts'
import { PARKING_NEWS } from '../parking/parking.ts'
import type { Clock } from '../ports.ts'
import type { Database } from '../runtime/lonja.ts'
import type { Registry } from '../runtime/registry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { KafkaAddress } from './address.ts'
import { takeByHand } from './by-hand.ts'
import { GroupOffsets } from './group-offsets.ts'
import { mirroredTopics, mirrorTopicName } from './mirror-topics.ts'
import type { MirroredRuntime, UnreadOnKafka } from './mirrored-places.ts'
import { Mirrors } from './mirrors.ts'
import { OffsetAdmin } from './offset-admin.ts'
import { PlainProducer } from './plain-producer.ts'
import { PositionStore } from './position-store.ts'
import { RetryTopics } from './retry-topics.ts'
import { Strangers } from './strangers.ts'
import { TopicAdmin } from './topics.ts'

export interface OutwardOptions {
  readonly address: KafkaAddress
  readonly clock: Clock
  readonly log: Logger
  readonly groupPrefix: string
  readonly registry: Registry
  readonly databases: readonly Database[]
  readonly runtimes: readonly OutwardRuntime[]
  readonly newId: () => string
  readonly urlOf: (services: readonly string[]) => string
  /** Whether this process has the lease of the database of these services. */
  readonly holds: (services: readonly string[]) => boolean
  readonly unread: UnreadOnKafka
}

export interface OutwardRuntime extends MirroredRuntime {
  readonly options: MirroredRuntime['options'] & { readonly store: Database['store'] }
  changedByHand(news: string): void
}

/** Beside the places of readers: no service has this name. */
const RETRY_SCOPE = '#retry'

export class Outward {
  readonly #options: OutwardOptions
  readonly #groupOffsets: GroupOffsets
  readonly #mirrors: readonly Mirrors[]
  readonly #retryTopics: readonly RetryTopics[]
  readonly #strangers: Strangers[] = []

  constructor(options: OutwardOptions) {
    this.#options = options
    const { address, clock, groupPrefix, runtimes, unread, databases } = options
    const openAdmin = (): OffsetAdmin => new OffsetAdmin(address)
    this.#groupOffsets = new GroupOffsets({ openAdmin, clock, prefix: groupPrefix, runtimes, unread })
    this.#mirrors = databases.map((database) => this.#mirrorsOf(database))
    this.#retryTopics = databases.map((database) => this.#retryTopicsOf(database))
  }

  #mirrorsOf({ store, services }: Database): Mirrors {
    const { address, holds } = this.#options
    const openProducer = (): PlainProducer => new PlainProducer(address)
    return new Mirrors({ ...this.#options, store, services, isOurs: () => holds(services), openProducer })
  }

  #retryTopicsOf(database: Database): RetryTopics {
    const { store, services } = database
    const { address, registry, runtimes, urlOf, holds } = this.#options
    const groups = registry.groups.filter(({ service }) => services.includes(service))
    // Whoever has the lease reads for all services of the database, also for those that run elsewhere.
    const strangers = new Strangers({ ...this.#options, databases: [database], chosen: services })
    this.#strangers.push(strangers)
    return new RetryTopics({
      ...this.#options,
      topics: mirroredTopics(groups),
      existing: (topics) => existing(address, topics),
      isOurs: () => holds(services),
      positions: new PositionStore(urlOf(services), RETRY_SCOPE),
      take: (topic, record) => takeByHand({ ...this.#options, store, services }, topic, record),
      stranger: (record) => strangers.take(record),
      changed: () => runtimes.find(({ options }) => options.store === store)?.changedByHand(PARKING_NEWS),
    })
  }

  async start(): Promise<void> {
    this.#groupOffsets.start()
    for (const mirrors of this.#mirrors) mirrors.start()
    for (const topics of this.#retryTopics) await topics.start()
  }

  health(): readonly PartHealth[] {
    const others = [...this.#mirrors, ...this.#retryTopics].flatMap((each) => each.health())
    return [this.#groupOffsets.health(), ...others]
  }

  async stop(): Promise<void> {
    for (const strangers of this.#strangers) strangers.stop()
    await this.#groupOffsets.stop()
    for (const each of [...this.#mirrors, ...this.#retryTopics]) await each.stop()
  }
}

/** Those whose retry topic the brokers have. */
async function existing(address: KafkaAddress, topics: readonly string[]): Promise<readonly string[]> {
  const admin = new TopicAdmin(address)
  try {
    const known = await admin.names()
    return topics.filter((topic) => known.has(mirrorTopicName(topic, 'retry')))
  } finally {
    await admin.close()
  }
}
