// Looks once an hour what nobody needs any more, and deletes it: records past their time, and old answers.
import { topicsOfFeed } from '../../kernel/feed.ts'
import type { Clock, Membership, Store } from '../ports.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { Registry } from '../runtime/registry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { NeededFrom, ReadNeeds } from './needs.ts'
import { needsOfGroups } from './needs.ts'
import { deleteOldAnswers } from './old-answers.ts'
import type { OldestByTopic } from './old-records.ts'
import { deleteOldRecords } from './old-records.ts'

/** The first look comes when the start is over, and when the dead letters have been looked at. */
const FIRST_LOOK_MS = 90_000
const LOOK_EVERY_MS = 3_600_000
/** Between two chunks the shop has the store for itself: deleting takes at most a fifth of the time. */
const PAUSE_MS = 50

/** A database with those of its services that run here. */
export interface RetainedDatabase {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface RetentionOptions {
  readonly registry: Registry
  readonly databases: readonly RetainedDatabase[]
  /** The store of any service, as its groups' cursors are asked; undefined where they read Kafka's copy. */
  readonly storeOf: (service: string) => Store | undefined
  readonly clock: Clock
  readonly backupWindowMs: number
  /** Whether this process does it for the database. */
  readonly isOurs: (database: RetainedDatabase) => boolean
  /** Who reads the logs besides the groups. */
  readonly alsoNeeded?: readonly ReadNeeds[]
  readonly telemetry: { readonly log: Logger; readonly metrics: Metrics }
}

export class Retention {
  readonly #options: RetentionOptions
  /** When the oldest kept record of each topic was appended, as of the last look. */
  readonly #oldest = new Map<string, OldestByTopic>()
  readonly #looks: RepeatedLook
  #endPause: (() => void) | undefined

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#looks = new RepeatedLook({
      clock: options.clock,
      firstAfterMs: FIRST_LOOK_MS,
      everyMs: LOOK_EVERY_MS,
      look: () => this.run(),
      failed: (error) =>
        options.telemetry.log.error('What is past its time could not be deleted; it stays.', { error }),
    })
  }

  start(): void {
    this.#looks.start()
  }

  /** Ends after the chunk in hand. */
  async stop(): Promise<void> {
    const stopped = this.#looks.stop()
    this.#endPause?.()
    await stopped
  }

  /** The age in seconds of the oldest record that is kept, by topic, as far as this process looks after it. */
  oldestSeconds(): Readonly<Record<string, number>> {
    const now = this.#options.clock.now()
    const seconds: Record<string, number> = {}
    for (const oldest of this.#oldest.values()) {
      for (const [topic, at] of oldest) seconds[topic] = Math.max(seconds[topic] ?? 0, (now - at) / 1000)
    }
    return seconds
  }

  /** Deletes what nobody needs by now. */
  async run(): Promise<void> {
    const ours = this.#options.databases.filter((database) => this.#options.isOurs(database))
    if (ours.length === 0) this.#oldest.clear()
    if (ours.length === 0) return
    const { registry, storeOf, alsoNeeded = [] } = this.#options
    const needs: NeededFrom[] = []
    for (const read of [needsOfGroups({ registry, storeOf }), ...alsoNeeded]) needs.push(await read())
    for (const database of ours) {
      for (const service of database.services) {
        await this.#deleteRecords(database, service, needs)
        await this.#deleteAnswers(database, service)
      }
    }
  }

  async #deleteRecords(database: RetainedDatabase, source: string, needs: readonly NeededFrom[]): Promise<void> {
    const { registry, clock, backupWindowMs, telemetry } = this.#options
    let count = 0
    const oldest = await deleteOldRecords({
      store: database.store,
      source,
      topics: topicsOf(registry, source),
      needs,
      now: clock.now(),
      backupWindowMs,
      mayGoOn: () => this.#mayGoOn(database),
      deleted: (topic, records) => {
        count += records
        telemetry.metrics.recordsDeleted(topic, records)
      },
      conflicted: ({ topic, partition }, error) => {
        const facts = { service: source, topic, partition, error }
        telemetry.log.warn(
          'Records past their time stay until the next look: something else is under way there.',
          facts,
        )
      },
    })
    this.#oldest.set(source, oldest)
    if (count > 0) telemetry.log.info('Records past their time were deleted.', { service: source, count })
  }

  async #deleteAnswers(database: RetainedDatabase, service: string): Promise<void> {
    const { registry, clock, telemetry } = this.#options
    const table = registry.tables.get(service)?.idempotency
    if (table === undefined) throw new Error(`No service ${service} is declared.`)
    await deleteOldAnswers({
      store: database.store,
      service,
      table,
      now: clock.now(),
      mayGoOn: () => this.#mayGoOn(database),
      deleted: (answers) => telemetry.metrics.answersDeleted(service, answers),
    })
  }

  async #mayGoOn(database: RetainedDatabase): Promise<boolean> {
    if (this.#looks.isStopped) return false
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(PAUSE_MS, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
    return !this.#looks.isStopped && this.#options.isOurs(database)
  }
}

/** What a feed left behind that was turned off goes after its time like all else. */
function topicsOf({ schemas, services }: Registry, source: string): readonly string[] {
  const appended = schemas.find(({ schema }) => schema === source)?.topics ?? []
  const fed = services.find(({ name }) => name === source)?.feeds.flatMap(topicsOfFeed) ?? []
  return [...new Set([...appended, ...fed].map(({ name }) => name))]
}
