// The relays of a process: one a PostgreSQL database whose logs go to Kafka, with what they tell health and metrics.
import { placeName } from '../rebuild/log-reader.ts'
import type { PartHealth } from '../application.ts'
import { StoreUnavailable, type Clock } from '../ports.ts'
import { postgresMembership, type NamedMembership } from '../store/postgres-membership.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KafkaAddress } from './address.ts'
import { adviceFor } from './advice.ts'
import { Comparison } from './comparison.ts'
import { kafkaCodes, kafkaReason, refusalOf } from './kafka-error.ts'
import { KafkaCounts } from './kafka-health.ts'
import { Relay } from './relay.ts'
import { RELAY_SCOPE } from './relay-statements.ts'
import { RelayStore, type Era, type Loss, type Mark, type PartitionBacklog, type SetBack } from './relay-store.ts'
import { TransactionalProducer } from './transactional-producer.ts'

/** A database whose logs are shipped, by its address. */
export interface RelayedDatabase {
  readonly url: string
  /** The services whose logs lie in it. */
  readonly services: readonly string[]
}

export interface RelaysOptions {
  readonly address: KafkaAddress
  readonly databases: readonly RelayedDatabase[]
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** More records than this that wait are worth a word in `/health`. */
  readonly backlogLimit: number
  /** What was sent, and what failed. */
  readonly counts?: KafkaCounts
  /** Told when sending begins to fail, and when it works again. */
  readonly turned?: () => void
}

interface OpenRelay {
  readonly relay: Relay
  readonly store: RelayStore
  readonly membership: NamedMembership
  readonly database: RelayedDatabase
  /** Why the last try failed; undefined once one went well. */
  failure: string | undefined
}

export class Relays {
  readonly #options: RelaysOptions
  readonly #open: OpenRelay[] = []

  constructor(options: RelaysOptions) {
    this.#options = options
  }

  /** Joins in the lease of each database; whoever holds it ships. */
  async start(): Promise<void> {
    for (const database of this.#options.databases) {
      const open = this.#openRelay(database)
      this.#open.push(open)
      await open.membership.start()
      await open.store.prepare()
      open.relay.start()
    }
  }

  #openRelay(database: RelayedDatabase): OpenRelay {
    const { clock, address } = this.#options
    const { url, services } = database
    const membership = postgresMembership({ url, partitionCounts: [1], scope: RELAY_SCOPE, clock })
    const store = new RelayStore({ url, sources: services, holder: membership.id })
    const relay = new Relay({
      store,
      membership,
      openProducer: (transactionalId) => TransactionalProducer.open({ address, transactionalId }),
      compare: this.#comparisonOf(database, store),
      clock,
      observer: this.#observer(database),
    })
    return { relay, store, membership, database, failure: undefined }
  }

  #comparisonOf(database: RelayedDatabase, store: RelayStore): (epoch: number) => Promise<ReadonlySet<string>> {
    const { address, clock, log } = this.#options
    const observer = {
      wentBack: (eras: readonly Era[]) => {
        for (const { source, topic, partition, incarnation, first } of eras) {
          const what = `The database is an earlier one than Kafka knows: ${source} goes on in ${topic}/${partition}`
          log.error(`${what} as incarnation ${incarnation} from ${first}.`, { topic, partition })
        }
      },
      lost: ({ topic, partition, sentence }: Loss) => {
        log.error(`${sentence}. That partition is not shipped any further; the others are.`, { topic, partition })
      },
      aborted: ({ source, topic, partition, from }: SetBack) => {
        const what = `Kafka has aborted what it had acknowledged of ${source} in ${topic}/${partition} from ${from} on`
        log.warn(`${what}: it is shipped again.`, { topic, partition })
      },
    }
    const comparison = new Comparison({ address, clock, store, observer })
    let isToldSo = false
    return async (epoch) => {
      try {
        return await comparison.compare(epoch)
      } catch (error) {
        if (refusalOf(error) !== 'TOPIC_AUTHORIZATION_FAILED') throw error
        if (!isToldSo) log.warn(`Nobody sees whether Kafka loses records of ${database.services.join(', ')}: ${BLIND}`)
        isToldSo = true
        return new Set()
      }
    }
  }

  #observer({ services }: RelayedDatabase) {
    const { log, metrics, counts = new KafkaCounts() } = this.#options
    const known = (): OpenRelay | undefined => this.#open.find(({ database }) => database.services === services)
    const tell = (failure: string | undefined): void => {
      const open = known()
      if (open === undefined || open.failure === failure) return
      open.failure = failure
      this.#options.turned?.()
    }
    return {
      shipped: (records: number, durationMs: number) => {
        counts.shipped(records, durationMs)
        metrics.relayed(records, durationMs / 1000)
      },
      well: () => tell(undefined),
      failed: (error: unknown) => {
        // Whoever lost the lease is overtaken, and that is as it should be.
        if (isFenced(error) && known()?.membership.holds(1, 0) === false) return
        const reason = `${kafkaReason(error)}${adviceFor(error)}`
        counts.produceErrors += 1
        if (known()?.failure !== reason) log.warn(failureText(error, reason))
        tell(reason)
        metrics.interrupted('kafka', 'unavailable')
      },
      refused: ({ stopped = '', topic, partition }: Mark) => {
        counts.produceErrors += 1
        metrics.interrupted('kafka', 'refused')
        log.error(`${stopped} That partition is not shipped any further; the others are.`, { topic, partition })
      },
    }
  }

  /** What was appended by this process: its relay need not wait for the database to tell. */
  wake(): void {
    for (const { relay } of this.#open) relay.wake()
  }

  /** Whether this process has the lease of the database of these services. */
  holds(services: readonly string[]): boolean {
    return this.#open.some(({ database, membership }) => database.services === services && membership.holds(1, 0))
  }

  /** How far each partition is shipped, by the name of its place. */
  async marks(): Promise<ReadonlyMap<string, number>> {
    const all = (await Promise.all(this.#open.map(({ store }) => store.marks()))).flat()
    return new Map(all.map((mark) => [placeName(mark), mark.next]))
  }

  /** What waits for Kafka, in all databases. */
  async backlog(): Promise<readonly PartitionBacklog[]> {
    return (await Promise.all(this.#open.map(({ store }) => store.backlog()))).flat()
  }

  /** Records that wait, by topic. */
  async backlogByTopic(): Promise<Readonly<Record<string, number>>> {
    return byTopic(await this.backlog(), (places) => places.reduce((sum, { records }) => sum + records, 0))
  }

  /** The age in seconds of the oldest of them, by topic. */
  async ageByTopic(): Promise<Readonly<Record<string, number>>> {
    const now = this.#options.clock.now()
    return byTopic(await this.backlog(), (places) =>
      Math.max(...places.map(({ records, oldestAt }) => (records === 0 ? 0 : (now - oldestAt) / 1000)), 0),
    )
  }

  /** A line for each database: how much waits, since when, and what stands still. */
  async health(): Promise<readonly PartHealth[]> {
    return Promise.all(this.#open.map((open) => this.#healthOf(open)))
  }

  async #healthOf({ database, store, failure }: OpenRelay): Promise<PartHealth> {
    const part = `relay of ${database.services.join(', ')}`
    const backlog = await store.backlog().catch(() => undefined)
    if (backlog === undefined) return { part, status: 'degraded', detail: 'its database does not answer' }
    const stopped = backlog.find((place) => place.stopped !== undefined)?.stopped
    const records = backlog.reduce((sum, place) => sum + place.records, 0)
    const waits = records === 0 ? 'nothing waits' : `${records} records wait`
    if (stopped !== undefined) return { part, status: 'degraded', detail: `${stopped}; ${waits}` }
    if (failure !== undefined) return { part, status: 'degraded', detail: `${failure}; ${waits}` }
    const status = records > this.#options.backlogLimit ? 'degraded' : 'healthy'
    return { part, status, detail: waits }
  }

  /** Finishes what is in hand and gives the leases back. */
  async stop(): Promise<void> {
    for (const { relay, membership, store } of this.#open.splice(0)) {
      await relay.stop()
      await membership.stop()
      await store.close()
    }
  }
}

/** Another producer took our transactional id. */
function isFenced(error: unknown): boolean {
  return kafkaCodes(error).some((code) => code === 'PRODUCER_FENCED' || code === 'INVALID_PRODUCER_EPOCH')
}

const BLIND = 'the relay may not read its own topics. `lonja acls` lists what it needs.'

function failureText(error: unknown, reason: string): string {
  if (error instanceof StoreUnavailable) return `The relay to Kafka waits for its database. ${reason}`
  return `Kafka takes no records, so they wait in the database: ${reason.replace(/\.$/, '')}.`
}

function byTopic(
  backlog: readonly PartitionBacklog[],
  valueOf: (places: readonly PartitionBacklog[]) => number,
): Readonly<Record<string, number>> {
  const topics = Map.groupBy(backlog, ({ topic }) => topic)
  return Object.fromEntries([...topics].map(([topic, places]) => [topic, valueOf(places)]))
}
