// The running application: one runtime a database, and what the server and the command line ask of all of them.
import type { RelayDesk } from '../kafka/relay-desk.ts'
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import type { Reader, Reply, StoryEntry } from '../../kernel/route.ts'
import type { Service } from '../../kernel/service.ts'
import type { Application, GroupLag, PartHealth, Submission } from '../application.ts'
import { requireHome } from '../copy/moves.ts'
import type { KafkaHealth } from '../kafka/kafka-health.ts'
import type { Clock, Log, Membership, Random, Store } from '../ports.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import type { Decision, OfficeOptions } from '../parking/dead-letter-office.ts'
import { discard, redrive } from '../parking/dead-letter-office.ts'
import { PAUSE_NEWS } from '../operations/pause-memory.ts'
import { isPauseCommand, pauseText } from '../operations/pause-state.ts'
import type { ParkedCounts } from '../parking/parking.ts'
import { Editing } from '../operations/editing.ts'
import type { LetterPlace } from '../operations/letters.ts'
import { letterPlaces } from '../operations/letters.ts'
import { Hand } from '../takeover/hand.ts'
import { Redrives } from '../operations/redrives.ts'
import { PARKING_NEWS } from '../parking/parking.ts'
import { Scaling, type KafkaSide } from '../scaling/scaling.ts'
import { PLATFORM_SCHEMA } from '../store/tables.ts'
import { LiveTables } from '../rebuild/live-tables.ts'
import { Rebuilds } from '../rebuild/rebuilds.ts'
import { endOf, oneByOneText } from './channels.ts'
import { checkWiring } from './check-wiring.ts'
import { beginFeeds } from './feed-beginnings.ts'
import type { Observer } from './observer.ts'
import { createReader } from './reader.ts'
import type { Registry } from './registry.ts'
import { externalMessages } from './external-messages.ts'
import { buildRegistry, reactionsOf } from './registry.ts'
import { Runtime } from './runtime.ts'
import { inStoryOrder } from './story-order.ts'
import { readStory } from './story.ts'

/** A database, the services whose state it keeps, and who works on its partitions. */
export interface Database {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface LonjaOptions {
  /** Every service of the product: the wiring is checked over all of them, also where only some run here. */
  readonly services: readonly Service[]
  /** Those that run here. */
  readonly chosen: readonly string[]
  readonly databases: readonly Database[]
  /** Whether groups, timers and effects run here. */
  readonly works: boolean
  readonly adapters: Readonly<Record<string, unknown>>
  readonly clock: Clock
  readonly random: Random
  readonly observer: Observer
  readonly strict?: boolean
  readonly batchWaitMs?: number
  /** Where the log of a service is read whose database is not among these. */
  readonly logOf?: (service: string) => Log | undefined
  /** Ships the logs elsewhere: told of what was appended here, and asked how it is. */
  readonly relays?: Relaying | undefined
}

interface Relaying extends KafkaSide {
  wake(): void
  health(): Promise<readonly PartHealth[]>
  kafkaHealth(lags: readonly GroupLag[]): Promise<KafkaHealth>
  readonly desk?: RelayDesk | undefined
}

/** Lag above this shows in `/health`: a group that keeps up is behind by less than one batch. */
const LAG_DEGRADED = 10_000

export class Lonja implements Application {
  readonly services: readonly Service[]
  readonly registry: Registry
  readonly runtimes: readonly Runtime[]
  readonly rebuilds: Rebuilds
  /** Where the dead letters and parked keys of each service lie. */
  readonly letterPlaces: readonly LetterPlace[]
  /** What is handled at this moment, for the watchdog. */
  readonly hand: Hand
  readonly redrives: Redrives
  readonly editing: Editing
  readonly scaling: Scaling
  readonly #options: LonjaOptions
  readonly #tables: LiveTables

  /** @throws when the services do not fit together. */
  constructor(options: LonjaOptions) {
    checkWiring(options.services)
    this.#options = options
    this.services = options.services.filter(({ name }) => options.chosen.includes(name))
    this.registry = buildRegistry(options.services)
    this.hand = new Hand(reactionsOf(this.registry))
    this.#tables = new LiveTables(options.services)
    this.runtimes = options.databases.map((database) => this.#runtimeOf(database))
    this.letterPlaces = letterPlaces(this.registry, options.databases)
    this.redrives = this.#redrivesOf(options)
    this.editing = new Editing({
      ...options,
      registry: this.registry,
      places: this.letterPlaces,
      newId: () => this.newId(),
      sent: (service) => this.#runtime(service).changedByHand(PARKING_NEWS),
    })
    this.scaling = new Scaling({
      ...options,
      newId: () => this.newId(),
      runtimeOf: (store) => this.runtimes.find((runtime) => runtime.options.store === store),
      desk: this,
      kafka: options.relays,
    })
    this.rebuilds = new Rebuilds({ ...options, registry: this.registry, tables: this.#tables })
  }

  #redrivesOf(options: LonjaOptions): Redrives {
    return new Redrives({
      ...options,
      registry: this.registry,
      places: this.letterPlaces,
      newId: () => this.newId(),
      sent: (database) =>
        this.runtimes.find((runtime) => runtime.options.store === database.store)?.changedByHand(PARKING_NEWS),
      broke: (job, error) => options.observer.fault({ group: 'redrives', position: job, type: 'redrive' }, error),
    })
  }

  #runtimeOf({ store, membership, services }: Database): Runtime {
    const { works, chosen, clock, random, adapters, observer, strict = false, batchWaitMs = 0 } = this.#options
    return new Runtime({
      registry: this.registry,
      hosted: services.filter((name) => chosen.includes(name)),
      works,
      store,
      logOf: (service) => this.logOf(service),
      clock,
      random,
      membership,
      adapters,
      observer,
      hand: this.hand,
      strict,
      batchWaitMs,
      mirrors: this.#options.relays !== undefined,
      grown: (sources) => {
        for (const other of this.runtimes) if (other.options.store !== store) other.noticed(sources)
        this.#options.relays?.wake()
      },
      liveTable: (service, { name }) => this.#tables.live(service, name),
      recalled: async () => void (await this.#tables.refresh(store, services)),
    })
  }

  /** What operators ask of the relays to Kafka; undefined where there is none. */
  get relayDesk(): RelayDesk | undefined {
    return this.#options.relays?.desk
  }

  #databaseOf(service: string): Database {
    // The platform's own tables lie in every database; the first answers for them.
    const database =
      this.#options.databases.find(({ services }) => services.includes(service)) ?? this.#options.databases[0]
    if (database === undefined) throw new Error('Lonja was started without a database.')
    return database
  }

  #runtime(service: string): Runtime {
    const index = this.#options.databases.indexOf(this.#databaseOf(service))
    const runtime = this.runtimes[index]
    if (runtime === undefined) throw new Error(`No database keeps ${service}.`)
    return runtime
  }

  /** Makes what is missing in each database, then goes on where the last run ended. */
  async start(): Promise<void> {
    for (const { store, services } of this.#options.databases) {
      const ofServices = this.registry.schemas.filter(({ schema }) => services.includes(schema))
      // The platform's first: its table of moves says whether the shop lives here at all.
      await store.migrate(this.registry.schemas.filter(({ schema }) => schema === PLATFORM_SCHEMA))
      await requireHome(store, this.now())
      await store.migrate(ofServices)
    }
    await this.#beginFeeds()
    for (const runtime of this.runtimes) await runtime.start()
    await this.rebuilds.begin()
    await this.redrives.begin()
  }

  async #beginFeeds(): Promise<void> {
    const { databases, chosen, works, clock } = this.#options
    for (const { store, services } of works ? databases : []) {
      const here = services.filter((name) => chosen.includes(name))
      await beginFeeds({ store, services: here, registry: this.registry, clock })
    }
  }

  /** @param callsWithinMs how long calls to the outside that are under way are waited for */
  async stop(callsWithinMs = 0): Promise<void> {
    await this.redrives.stop()
    await this.rebuilds.stop()
    await Promise.all(this.runtimes.map((runtime) => runtime.executor.finish(callsWithinMs)))
    for (const runtime of this.runtimes) await runtime.stop()
  }

  /** Resolves when every runtime is quiet. With several, one's quiet may wake another: all must be quiet in a row. */
  async settled(): Promise<void> {
    do for (const runtime of this.runtimes) await runtime.settled()
    while (this.runtimes.some((runtime) => !runtime.isQuiet()))
  }

  /** Logs elsewhere have something new. */
  noticed(sources: readonly string[]): void {
    for (const runtime of this.runtimes) runtime.noticed(sources)
  }

  now(): number {
    return this.#options.clock.now()
  }

  newId(): string {
    return this.#first().newId()
  }

  #first(): Runtime {
    const [runtime] = this.runtimes
    if (runtime === undefined) throw new Error('Lonja was started without a database.')
    return runtime
  }

  async submit(submission: Submission): Promise<Reply> {
    const { command, service } = submission
    const runtime = this.#runtime(this.registry.reactionTo(command)?.service ?? service)
    const reply = await runtime.submit(submission)
    if (isPauseCommand(command)) runtime.changedByHand(PAUSE_NEWS)
    return reply
  }

  /** Whether the database that keeps the service's tables is open here: of others only what Kafka tells is known. */
  isHere(service: string): boolean {
    return this.#options.databases.some(({ services }) => services.includes(service))
  }

  /** Where the service's log is read. */
  logOf(service: string): Log {
    return this.#options.logOf?.(service) ?? (service === EXTERNAL_SOURCE ? NO_LOG : this.storeOf(service))
  }

  /** The database that keeps the service's tables. */
  storeOf(service: string): Store {
    return this.#databaseOf(service).store
  }

  reader(service: string): Reader {
    const store = this.storeOf(service)
    return createReader({
      registry: this.registry,
      service,
      store,
      liveTable: (name) => this.#tables.named(service, name),
      story: (correlation) => this.story(correlation),
    })
  }

  /** What every database knows of a correlation. */
  async story(correlation: string): Promise<readonly StoryEntry[]> {
    const parts = await Promise.all(
      this.#options.databases.map(({ store, services }) =>
        readStory({ store, registry: this.registry, services }, correlation),
      ),
    )
    return inStoryOrder(parts.flat())
  }

  changed(correlation: string, limitMs: number): Promise<void> {
    return Promise.race(this.runtimes.map((runtime) => runtime.changed(correlation, limitMs)))
  }

  async lags(): Promise<readonly GroupLag[]> {
    return this.runtimes.flatMap((runtime) =>
      runtime.channels.all.flatMap((channel) => {
        const { source, topic, partition } = channel
        const elsewhere = !runtime.isOurs(channel)
        return channel.cursors.map((cursor) => {
          return {
            group: cursor.group.name,
            source,
            topic,
            partition,
            next: cursor.next,
            head: endOf(channel),
            stopped: cursor.stopped,
            oneByOne: cursor.suspect === undefined ? undefined : oneByOneText(cursor.suspect),
            stoppedFor: cursor.stopped === undefined ? undefined : cursor.stoppedFor,
            paused: cursor.paused === undefined ? undefined : pauseText(cursor.paused),
            elsewhere,
          }
        })
      }),
    )
  }

  /** Sends a dead letter of the service again. @see redrive in dead-letter-office.ts */
  redrive(service: string, decision: Decision): Promise<DeadLetter | undefined> {
    return this.#decide(service, (office) => redrive(office, decision))
  }

  /** Gives a dead letter of the service up. @see discard in dead-letter-office.ts */
  discard(service: string, decision: Decision): Promise<DeadLetter | undefined> {
    return this.#decide(service, (office) => discard(office, decision))
  }

  async #decide(service: string, work: (office: OfficeOptions) => Promise<DeadLetter | undefined>) {
    const { store } = this.#databaseOf(service)
    const { clock } = this.#options
    const decided = await work({ registry: this.registry, store, service, clock, newId: () => this.newId() })
    if (decided !== undefined) this.#runtime(service).changedByHand(PARKING_NEWS)
    return decided
  }

  /** What is parked in a group, as far as the processes of its database have told this one. */
  parked(group: string): ParkedCounts {
    const counts = this.runtimes.map(({ parking }) => parking.counts(group))
    return counts.find(({ keys }) => keys > 0) ?? { keys: 0, held: 0, messages: 0 }
  }

  /** How this process stands with Kafka; undefined where it runs without. */
  async kafkaHealth(): Promise<KafkaHealth | undefined> {
    return this.#options.relays?.kafkaHealth(await this.lags())
  }

  async health(): Promise<readonly PartHealth[]> {
    const stores = this.runtimes.map(({ options, storeError }): PartHealth => {
      const part = `store ${options.store.dialect} of ${options.hosted.join(', ')}`
      if (storeError === undefined) return { part, status: 'healthy', detail: 'answers' }
      return { part, status: 'unhealthy', detail: storeError }
    })
    const groups = new Map<string, PartHealth>()
    for (const lag of await this.lags()) {
      const known = groups.get(lag.group)
      if (known === undefined || known.status === 'healthy') groups.set(lag.group, healthOfLag(lag))
    }
    for (const [group, health] of groups) groups.set(group, withParked(health, this.parked(group)))
    const outside = this.#options.relays === undefined ? this.#withoutKafka() : await this.#options.relays.health()
    return [...stores, ...groups.values(), ...outside]
  }

  /** What services here hear of others can't come without Kafka. */
  #withoutKafka(): readonly PartHealth[] {
    return [...externalMessages(this.services).keys()].map((topic): PartHealth => {
      const detail = 'needs Kafka: name one with --log kafka://host:9092'
      return { part: `external topic ${topic}`, status: 'degraded', detail }
    })
  }
}

/** Topics of others, where there is no Kafka. */
const NO_LOG: Log = { heads: async () => [], readLog: async () => [] }

function healthOfLag({ group, source, head, next, stopped, oneByOne, paused, topic, partition }: GroupLag): PartHealth {
  const part = `group ${group}`
  const degraded = (detail: string): PartHealth => ({ part, status: 'degraded', detail })
  const alone = oneByOne === undefined ? '' : `handles ${topic}/${partition} ${oneByOne}`
  if (paused !== undefined) return degraded(`${topic}/${partition} is ${paused}`)
  if (stopped !== undefined) {
    return degraded(`stands still at ${topic}/${partition}: ${stopped}${alone === '' ? '' : `; ${alone}`}`)
  }
  if (alone !== '') return degraded(alone)
  if (source === EXTERNAL_SOURCE && next > head && head > 0) {
    const less = `${topic}/${partition} ends at ${head} and was read to ${next}: it was made anew, or lost records`
    return degraded(`${less}. Begin again with \`lonja offsets reset\``)
  }
  if (head - next > LAG_DEGRADED) return degraded(`${head - next} records behind on ${topic}/${partition}`)
  return { part, status: 'healthy', detail: 'keeps up' }
}

function withParked(health: PartHealth, { keys, held, messages }: ParkedCounts): PartHealth {
  if (keys === 0) return health
  const parked = `${keys} keys are parked with ${messages} messages, ${held} of them held for a person`
  const detail = health.status === 'healthy' ? parked : `${health.detail}; ${parked}`
  return { ...health, status: 'degraded', detail }
}
