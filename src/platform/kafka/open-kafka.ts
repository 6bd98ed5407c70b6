// From settings to what a process does with Kafka: it ships the logs of its databases, and reads those of others.
import { topicsOfFeed } from '../../kernel/feed.ts'
import { topicNamed, type Topic } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'
import type { GroupLag, PartHealth } from '../application.ts'
import type { NeededFrom } from '../retention/needs.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { Clock, Log } from '../ports.ts'
import { StoreRefused } from '../ports.ts'
import type { Database } from '../runtime/lonja.ts'
import type { Observer } from '../runtime/observer.ts'
import { externalMessages } from '../runtime/external-messages.ts'
import { buildRegistry, type Registry } from '../runtime/registry.ts'
import type { Settings } from '../settings.ts'
import { placesWith } from '../store/open-databases.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KafkaAddress } from './address.ts'
import { checkKafka, KafkaUnavailable } from './check-kafka.ts'
import { countPartitions, ExternalTopics } from './external-topics.ts'
import { headsTopic } from './heads-record.ts'
import { kafkaReason } from './kafka-error.ts'
import { KafkaCounts, kafkaHealth, type KafkaHealth } from './kafka-health.ts'
import { KafkaLog } from './kafka-log.ts'
import { KnownLogs, KnownLogStore, unknownLogText } from './known-logs.ts'
import { kafkaAddressOf } from './kafka-settings.ts'
import { mirrorTopics } from './mirror-topics.ts'
import { Outward, type OutwardRuntime } from './outward.ts'
import { PositionStore } from './position-store.ts'
import { topicsOf } from './rights.ts'
import { Strangers } from './strangers.ts'
import type { StrangeRecord } from '../parking/stranger-letter.ts'
import { RelayDesk } from './relay-desk.ts'
import { Relays } from './relays.ts'
import { TopicAdmin } from './topics.ts'
import { KafkaWatch, type WatchedDatabase } from './watch.ts'

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
/** What goes on is said again after so long. */
const TELL_AGAIN_MS = 60_000
/** Reasons kept; those that name ever new things are told each time. */
const MAX_TOLD = 100

/** Every topic that has to be on the brokers. */
export function topicsOnKafka(services: readonly Service[]): readonly Topic[] {
  const declared = services.flatMap(({ topics }) => topics.map(({ name }) => topicNamed(name)))
  const fed = services.flatMap(({ activeFeeds }) => activeFeeds.flatMap(topicsOfFeed))
  return [...declared, ...fed, headsTopic, ...mirrorTopics(buildRegistry(services).groups)]
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
  // What others have to make ends no start of ours.
  const own = [...new Set([...shipped, ...read])].map(topicNamed).filter(({ kind }) => kind !== 'external')
  return [...own, headsTopic]
}

/** What is asked of the application that runs on it. */
export interface KafkaApplication {
  readonly registry: Registry
  readonly runtimes: readonly OutwardRuntime[]
  readonly newId: () => string
  /** Told which logs have something new. */
  readonly noticed: (sources: readonly string[]) => void
}

export class OpenKafka {
  readonly #options: OpenKafkaOptions
  readonly #address: KafkaAddress
  #databases: readonly Database[] = []
  #relays: Relays | undefined
  /** Undefined before it has joined. */
  desk: RelayDesk | undefined
  readonly #counts = new KafkaCounts()
  #watch: KafkaWatch | undefined
  #reader: Reader | undefined
  #externalTopics: ExternalTopics | undefined
  #strangers: Strangers | undefined
  #outward: Outward | undefined
  #cancelWriting = (): void => undefined
  #failure: string | undefined
  /** By reason: some topics that are missing fail in turn, five times a second each. */
  readonly #toldAt = new Map<string, number>()

  constructor(options: OpenKafkaOptions, address: KafkaAddress) {
    this.#options = options
    this.#address = address
  }

  /** The databases that are open here: their logs are shipped, all others are read over Kafka. */
  join(databases: readonly Database[]): void {
    const { settings } = this.#options
    this.#databases = databases
    const topics = topicsUsed(this.#options)
    this.#watch = new KafkaWatch({
      ...this.#options,
      address: this.#address,
      topics,
      databases: databases.map(watched),
    })
    const relayed = databases.map(({ services }) => ({ url: urlOf(settings, services), services }))
    this.desk = new RelayDesk(relayed)
    if (!settings.roles.includes('worker')) return
    const backlogLimit = settings.relayBacklogLimit
    const counts = this.#counts
    const turned = (): void => this.#watch?.lookSoon()
    const plan = { ...this.#options, address: this.#address, databases: relayed, backlogLimit }
    this.#relays = new Relays({ ...plan, counts, turned })
  }

  /** The log of a service whose database is not opened here. */
  logOf = (service: string): Log | undefined => {
    const isHere = this.#databases.some(({ services }) => services.includes(service))
    return isHere ? undefined : (this.#reader?.log ?? NOTHING_YET)
  }

  /** Ships, reads on where the last run was, and tells Kafka's tools how far the groups are. */
  async start(application: KafkaApplication): Promise<void> {
    await this.#relays?.start()
    this.#watch?.start()
    await this.#startReading(application)
    const { settings } = this.#options
    if (!settings.roles.includes('worker')) return
    this.#outward = new Outward({
      ...this.#options,
      ...application,
      address: this.#address,
      groupPrefix: settings.kafkaGroupPrefix,
      databases: this.#databases,
      urlOf: (services) => urlOf(settings, services),
      holds: (services) => this.#relays?.holds(services) ?? false,
      unread: (place, nextOf) => this.#reader?.log.unreadFrom(place, nextOf),
    })
    await this.#outward.start()
  }

  async #startReading({ registry, noticed, newId }: KafkaApplication): Promise<void> {
    const { clock, settings, chosen } = this.#options
    const databases = this.#databases
    const here = databases.map(({ services }) => services)
    const { read: topics } = topicsOf(registry, { databases: here, chosen })
    if (topics.length === 0 || !settings.roles.includes('worker')) return
    const url = urlOf(settings, databases[0]?.services ?? [])
    const [store, logStore] = [new PositionStore(url, chosen.join(',')), new KnownLogStore(url)]
    await store.prepare()
    const strangers = new Strangers({ ...this.#options, registry, databases, newId })
    this.#strangers = strangers
    const known = new KnownLogs(await logStore.read(), settings.kafkaIgnoredLogs)
    const externals = externalMessages(this.#options.services)
    const outside = topics.filter((topic) => externals.has(topic))
    if (outside.length > 0) {
      const count = (): ReturnType<typeof countPartitions> => countPartitions(this.#address, outside)
      this.#externalTopics = new ExternalTopics({ topics: outside, clock, countPartitions: count })
      this.#externalTopics.start()
    }
    const log = new KafkaLog({
      externals,
      address: this.#address,
      clock,
      topics,
      reads: (topic, source) => registry.sourcesOf(topic).includes(source) && this.logOf(source) !== undefined,
      holds: (partitions, partition) => databases.some(({ membership }) => membership.holds(partitions, partition)),
      positions: await store.read(),
      known,
      grown: (sources) => {
        // The databases elsewhere say something each second, so silence is told by the next failure.
        this.#failure = undefined
        noticed(sources)
      },
      observer: { failed: (error) => this.#tell(error), stranger: (record) => this.#takeStranger(strangers, record) },
    })
    this.#reader = { log, store, known, logStore }
    log.start()
    this.#writePositions()
  }

  #writePositions(): void {
    this.#cancelWriting = this.#options.clock.after(WRITE_POSITIONS_MS, () => {
      const { log, store, known, logStore } = this.#reader ?? {}
      const changes = known?.takeChanges()
      if (changes !== undefined) void logStore?.write(changes).catch(() => undefined)
      // A hint that is not written costs some reading at the next start.
      void store?.write(log?.positions() ?? []).catch(() => undefined)
      this.#writePositions()
    })
  }

  #tell(error: unknown): void {
    this.#counts.consumeErrors += 1
    const reason = kafkaReason(error)
    this.#failure = reason
    const now = this.#options.clock.now()
    if (now < (this.#toldAt.get(reason) ?? 0) + TELL_AGAIN_MS) return
    if (this.#toldAt.size >= MAX_TOLD) this.#toldAt.clear()
    this.#toldAt.set(reason, now)
    this.#options.log.warn(`Kafka can't be read at present: ${reason}.`)
  }

  #takeStranger(strangers: Strangers, record: StrangeRecord): Promise<boolean> {
    this.#counts.strangers += 1
    return strangers.take(record)
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
    const [relays = [], watch] = await Promise.all([this.#relays?.health(), this.#watch?.health()])
    return [
      ...relays,
      ...(this.#outward?.health() ?? []),
      ...(this.#externalTopics?.health() ?? []),
      ...this.#readerHealth(),
      ...(watch === undefined ? [] : [watch]),
    ]
  }

  #readerHealth(): readonly PartHealth[] {
    if (this.#reader === undefined) return []
    const part = 'reader of Kafka'
    const { strangers } = this.#counts
    const wrong = [
      ...(this.#failure === undefined ? [] : [this.#failure]),
      ...this.#reader.known.unknown.map(unknownLogText),
      ...(strangers === 0
        ? []
        : [`${strangers} records in our topics since the start were none of ours: see the dead letters`]),
    ]
    if (wrong.length === 0) return [{ part, status: 'healthy', detail: 'hears the other databases' }]
    return [{ part, status: 'degraded', detail: wrong.join('; ') }]
  }

  /** For dashboards. @param lags of the groups of this process. */
  async kafkaHealth(lags: readonly GroupLag[]): Promise<KafkaHealth> {
    const watch = this.#watch
    if (watch === undefined) throw new Error('Kafka was not joined.')
    const [sight, parts, backlog] = await Promise.all([watch.sight(), this.health(), this.#relays?.backlog()])
    const stopped = (backlog ?? []).flatMap(({ topic, stopped: why }) => (why === undefined ? [] : [topic]))
    return kafkaHealth({ sight, topics: watch.topics, stopped, parts, lags, counts: this.#counts })
  }

  /** Counts what could not be handled. */
  observing(observer: Observer): Observer {
    return {
      ...observer,
      fault: (what, error) => {
        this.#counts.consumeErrors += 1
        observer.fault(what, error)
      },
    }
  }

  /** @param lags of the groups of this process. */
  lookAt(metrics: Metrics, lags: () => Promise<readonly GroupLag[]>): void {
    const [relays, watch] = [this.#relays, this.#watch]
    if (watch !== undefined) {
      metrics.lookAt({
        kafka: async () => this.kafkaHealth(await lags()),
        kafkaStrangers: () => this.#counts.strangers,
        kafkaCertificateDays: () => watch.certificateDays(),
        clocksAheadSeconds: () => watch.clocksAheadSeconds(),
      })
    }
    if (relays === undefined) return
    metrics.lookAt({ relayBacklog: () => relays.backlogByTopic(), relayAgeSeconds: () => relays.ageByTopic() })
  }

  async stop(): Promise<void> {
    this.#cancelWriting()
    await this.#outward?.stop()
    await this.#externalTopics?.stop()
    const { log, store, logStore } = this.#reader ?? {}
    this.#strangers?.stop()
    await this.#watch?.stop()
    await log?.stop()
    await store?.write(log?.positions() ?? []).catch(() => undefined)
    await store?.close()
    await logStore?.close()
    await this.#relays?.stop()
    await this.desk?.close()
  }
}

interface Reader {
  readonly log: KafkaLog
  readonly store: PositionStore
  readonly known: KnownLogs
  readonly logStore: KnownLogStore
}

/** What the watch asks of a database. */
function watched({ store, services }: Database): WatchedDatabase {
  return {
    services,
    now: async () => (await store.query<{ readonly now: number }>(DATABASE_NOW))[0]?.now ?? Number.NaN,
    logIds: async () => {
      const identities = services.map(async (name) => [name, (await store.identity(name)).logId] as const)
      return new Map(await Promise.all(identities))
    },
  }
}

const DATABASE_NOW = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now'

/** Before the reader is there nothing is known of logs elsewhere. */
const NOTHING_YET: Log = { isElsewhere: true, heads: async () => [], readLog: async () => [] }

function urlOf({ store, storeByService }: Settings, services: readonly string[]): string {
  const address = storeByService[services[0] ?? ''] ?? store
  if (address.kind === 'postgres') return address.url
  throw new StoreRefused('Kafka needs PostgreSQL: name one with --store postgres://…, or leave --log away.')
}
