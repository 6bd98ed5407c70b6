// From settings to what a process does with Kafka: it ships the logs of its databases, and reads those of others.
import { topicNamed, type Topic } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'
import type { PartHealth } from '../application.ts'
import type { NeededFrom } from '../retention/needs.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { Clock, Log } from '../ports.ts'
import { StoreRefused } from '../ports.ts'
import type { Database } from '../runtime/lonja.ts'
import { buildRegistry, type Registry } from '../runtime/registry.ts'
import type { Settings } from '../settings.ts'
import { placesWith } from '../store/open-databases.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KafkaAddress } from './address.ts'
import { checkKafka, KafkaUnavailable } from './check-kafka.ts'
import { GroupOffsets } from './group-offsets.ts'
import { headsTopic } from './heads-record.ts'
import { kafkaReason } from './kafka-error.ts'
import { KafkaLog } from './kafka-log.ts'
import { kafkaAddressOf } from './kafka-settings.ts'
import type { MirroredRuntime } from './mirrored-places.ts'
import { OffsetAdmin } from './offset-admin.ts'
import { PositionStore } from './position-store.ts'
import { topicsOf } from './rights.ts'
import { Strangers } from './strangers.ts'
import { Relays } from './relays.ts'
import { TopicAdmin } from './topics.ts'

export interface OpenKafkaOptions {
  readonly settings: Settings
  readonly services: readonly Service[]
  /** Those that run here. */
  readonly chosen: readonly string[]
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

const WRITE_POSITIONS_MS = 2000

/** Every topic that has to be on the brokers. */
export function topicsOnKafka(services: readonly Service[]): readonly Topic[] {
  return [...services.flatMap(({ topics }) => topics.map(({ name }) => topicNamed(name))), headsTopic]
}

/**
 * Undefined where the settings name no Kafka. One that can't be reached now is no reason not to start: what is appended
 * waits in the database.
 *
 * @throws {KafkaRefused} {StoreRefused} where something has to be mended first.
 */
export async function openKafka(options: OpenKafkaOptions): Promise<OpenKafka | undefined> {
  const { settings, log } = options
  const address = kafkaAddressOf(settings)
  if (address === undefined) return undefined
  for (const service of options.chosen) urlOf(settings, [service])
  await checkKafka(address, topicsUsed(options)).catch((error: unknown) => {
    if (!(error instanceof KafkaUnavailable)) throw error
    log.warn(`${error.message} Until it is there, what is appended waits in the database.`)
  })
  return new OpenKafka(options, address)
}

/** Others it may not even be allowed to see. */
function topicsUsed({ settings, services, chosen }: OpenKafkaOptions): readonly Topic[] {
  const names = services.map(({ name }) => name)
  const databases = placesWith(settings, names, chosen).map((place) => place.services)
  const { shipped, read } = topicsOf(buildRegistry(services), { databases, chosen })
  return [...new Set([...shipped, ...read])].map(topicNamed).concat(headsTopic)
}

/** What is asked of the application that runs on it. */
export interface KafkaApplication {
  readonly registry: Registry
  readonly runtimes: readonly MirroredRuntime[]
  /** Told which logs have something new. */
  readonly noticed: (sources: readonly string[]) => void
}

export class OpenKafka {
  readonly #options: OpenKafkaOptions
  readonly #address: KafkaAddress
  #databases: readonly Database[] = []
  #relays: Relays | undefined
  #reader: { readonly log: KafkaLog; readonly store: PositionStore } | undefined
  #strangers: Strangers | undefined
  #groupOffsets: GroupOffsets | undefined
  #cancelWriting = (): void => undefined
  #failure: string | undefined

  constructor(options: OpenKafkaOptions, address: KafkaAddress) {
    this.#options = options
    this.#address = address
  }

  /** The databases that are open here: their logs are shipped, all others are read over Kafka. */
  join(databases: readonly Database[]): void {
    const { settings } = this.#options
    this.#databases = databases
    if (!settings.roles.includes('worker')) return
    const relayed = databases.map(({ services }) => ({ url: urlOf(settings, services), services }))
    const backlogLimit = settings.relayBacklogLimit
    this.#relays = new Relays({ ...this.#options, address: this.#address, databases: relayed, backlogLimit })
  }

  /** The log of a service whose database is not opened here. */
  logOf = (service: string): Log | undefined => {
    const isHere = this.#databases.some(({ services }) => services.includes(service))
    return isHere ? undefined : (this.#reader?.log ?? NOTHING_YET)
  }

  /** Ships, reads on where the last run was, and tells Kafka's tools how far the groups are. */
  async start(application: KafkaApplication): Promise<void> {
    await this.#relays?.start()
    await this.#startReading(application)
    const { settings, clock } = this.#options
    if (!settings.roles.includes('worker')) return
    this.#groupOffsets = new GroupOffsets({
      openAdmin: () => new OffsetAdmin(this.#address),
      clock,
      prefix: settings.kafkaGroupPrefix,
      runtimes: application.runtimes,
      unread: (place, nextOf) => this.#reader?.log.unreadFrom(place, nextOf),
    })
    this.#groupOffsets.start()
  }

  async #startReading({ registry, noticed }: KafkaApplication): Promise<void> {
    const { clock, settings, chosen } = this.#options
    const databases = this.#databases
    const here = databases.map(({ services }) => services)
    const { read: topics } = topicsOf(registry, { databases: here, chosen })
    if (topics.length === 0 || !settings.roles.includes('worker')) return
    const store = new PositionStore(urlOf(settings, databases[0]?.services ?? []), chosen.join(','))
    await store.prepare()
    const strangers = new Strangers({ ...this.#options, registry, databases })
    this.#strangers = strangers
    const log = new KafkaLog({
      address: this.#address,
      clock,
      topics,
      reads: (topic, source) => registry.sourcesOf(topic).includes(source) && this.logOf(source) !== undefined,
      holds: (partitions, partition) => databases.some(({ membership }) => membership.holds(partitions, partition)),
      positions: await store.read(),
      grown: (sources) => {
        // The databases elsewhere say something each second, so silence is told by the next failure.
        this.#failure = undefined
        noticed(sources)
      },
      observer: { failed: (error) => this.#tell(error), stranger: (record) => strangers.take(record) },
    })
    this.#reader = { log, store }
    log.start()
    this.#writePositions()
  }

  #writePositions(): void {
    this.#cancelWriting = this.#options.clock.after(WRITE_POSITIONS_MS, () => {
      const { log, store } = this.#reader ?? {}
      // A hint that is not written costs some reading at the next start.
      void store?.write(log?.positions() ?? []).catch(() => undefined)
      this.#writePositions()
    })
  }

  #tell(error: unknown): void {
    const reason = kafkaReason(error)
    if (reason !== this.#failure) this.#options.log.warn(`Kafka can't be read at present: ${reason}.`)
    this.#failure = reason
  }

  /** What was appended by this process. */
  wake(): void {
    this.#relays?.wake()
  }

  /** What the relays have not shipped yet is still needed in the logs. */
  async readNeeds(): Promise<NeededFrom> {
    const marks = (await this.#relays?.marks()) ?? new Map<string, number>()
    return (head) => marks.get(placeName(head)) ?? head.first
  }

  /** What waits for Kafka in the databases that this process ships. */
  async backlog(): Promise<{ readonly records: number; readonly limit: number }> {
    const places = (await this.#relays?.backlog()) ?? []
    const records = places.reduce((sum, place) => sum + place.records, 0)
    return { records, limit: this.#options.settings.relayBacklogLimit }
  }

  /** How many partitions the brokers have of a topic: none where they do not know it. */
  async partitionsOf(topic: string): Promise<number> {
    const admin = new TopicAdmin(this.#address)
    try {
      return (await admin.find(topic))?.partitions ?? 0
    } finally {
      await admin.close()
    }
  }

  async health(): Promise<readonly PartHealth[]> {
    const mirrored = this.#groupOffsets === undefined ? [] : [this.#groupOffsets.health()]
    const relays = [...((await this.#relays?.health()) ?? []), ...mirrored]
    if (this.#reader === undefined) return relays
    const part = 'reader of Kafka'
    if (this.#failure === undefined)
      return [...relays, { part, status: 'healthy', detail: 'hears the other databases' }]
    return [...relays, { part, status: 'degraded', detail: this.#failure }]
  }

  lookAt(metrics: Metrics): void {
    const relays = this.#relays
    if (relays === undefined) return
    metrics.lookAt({ relayBacklog: () => relays.backlogByTopic(), relayAgeSeconds: () => relays.ageByTopic() })
  }

  async stop(): Promise<void> {
    this.#cancelWriting()
    await this.#groupOffsets?.stop()
    const { log, store } = this.#reader ?? {}
    this.#strangers?.stop()
    await log?.stop()
    await store?.write(log?.positions() ?? []).catch(() => undefined)
    await store?.close()
    await this.#relays?.stop()
  }
}

/** Before the reader is there nothing is known of logs elsewhere. */
const NOTHING_YET: Log = { isElsewhere: true, heads: async () => [], readLog: async () => [] }

function urlOf({ store, storeByService }: Settings, services: readonly string[]): string {
  const address = storeByService[services[0] ?? ''] ?? store
  if (address.kind === 'postgres') return address.url
  throw new StoreRefused('Kafka needs PostgreSQL: name one with --store postgres://…, or leave --log away.')
}
