// The redrive jobs of one process: asked for, worked off where this is the process that does, stopped, resumed.
import type { Clock, Membership, Store } from '../ports.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Registry } from '../runtime/registry.ts'
import type { LetterPlace } from './letters.ts'
import type { JobChange } from './redrive-change.ts'
import { changeJob } from './redrive-change.ts'
import type { Asker, DryRun, RedriveRequest } from './redrive-draft.ts'
import { draftsOf, dryRun } from './redrive-draft.ts'
import { freeze } from './redrive-freeze.ts'
import { jobLettersName, jobsName } from './redrive-job.ts'
import type { JobPart } from './redrive-parts.ts'
import { countFailures, readParts } from './redrive-parts.ts'
import { RedriveRunner } from './redrive-runner.ts'
import { sweepJobs } from './redrive-sweep.ts'
import { selectLetters } from './selection.ts'

/** What is announced to other processes when a job was asked for or resumed. No service has this name. */
const REDRIVE_NEWS = '#redrives'
/** Who missed an announcement looks for jobs again after this long. */
const REFRESH_MS = 10_000
/** Jobs that are worked off at a time in one database; the others wait for their turn. */
const MAX_JOBS = 16

export interface RedriveDatabase {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface RedrivesOptions {
  readonly registry: Registry
  readonly databases: readonly RedriveDatabase[]
  readonly places: readonly LetterPlace[]
  readonly clock: Clock
  readonly newId: () => string
  /** Whether groups run in this process; else it only asks others to work. */
  readonly works: boolean
  /** The services that run here. */
  readonly chosen: readonly string[]
  /** Letters of this database went back into their queues. */
  readonly sent: (database: RedriveDatabase) => void
  /** Something broke in the work on a job: told to the log. */
  readonly broke: (job: string, error: unknown) => void
}

/** The id is that of a job with another request. */
export class RedriveIdTaken extends Error {
  override readonly name = 'RedriveIdTaken'
}

interface Run {
  readonly runner: RedriveRunner
  readonly ended: Promise<void>
}

export class Redrives {
  readonly stores: readonly Store[]
  readonly #options: RedrivesOptions
  readonly #running = new Map<RedriveDatabase, Map<string, Run>>()
  readonly #refreshedAt = new Map<RedriveDatabase, number>()
  #isStopped = false

  constructor(options: RedrivesOptions) {
    this.#options = options
    this.stores = options.databases.map(({ store }) => store)
    for (const database of options.databases) this.#running.set(database, new Map())
  }

  /** Goes on with the jobs that an earlier process left unfinished; call it when the loop runs. */
  async begin(): Promise<void> {
    for (const database of this.#options.databases) {
      database.membership.onAnnounced((sources) => this.#hear(database, sources))
      database.membership.onChange(() => this.#look(database))
      await this.#resume(database)
    }
  }

  /** Ends after the steps in hand. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const running = [...this.#running.values()].flatMap((runs) => [...runs.values()])
    for (const { runner } of running) runner.stop()
    await Promise.all(running.map(({ ended }) => ended))
  }

  /** What a job would do, without doing anything. @throws {Refusal} as `selectLetters` */
  async dryRun(request: RedriveRequest): Promise<DryRun> {
    const { places, clock } = this.#options
    return dryRun(await selectLetters(places, request.selection, clock.now()), request)
  }

  /**
   * Asks for a job over the letters that are dead now. The same id asked again is the same job; what a crash kept from
   * being written in another database is written then.
   *
   * @throws {RedriveIdTaken}
   * @throws {Refusal} as `selectLetters`
   */
  async start(request: RedriveRequest, asker: Asker): Promise<readonly JobPart[]> {
    const known = await this.parts(request.id)
    const [first] = known
    if (first !== undefined && first.job.request !== JSON.stringify(request)) throw new RedriveIdTaken(request.id)
    const isWhole = this.stores.length === 1 && first !== undefined && first.job.status !== 'freezing'
    if (!isWhole) await this.#freeze(request, asker, first)
    await this.#news()
    return this.parts(request.id)
  }

  async #freeze(request: RedriveRequest, asker: Asker, first: JobPart | undefined): Promise<void> {
    const { places, clock, newId } = this.#options
    const [fallback] = this.stores
    if (fallback === undefined) throw new Error('Lonja was started without a database.')
    // What died after it was asked for is not meant, also where it is written down later.
    const askedAt = first?.job.askedAt ?? clock.now()
    try {
      const letters = await selectLetters(places, request.selection, askedAt)
      for (const { store, ...draft } of draftsOf({ request, asker }, letters, { askedAt, newId, fallback })) {
        await freeze({ ...this.#options, store }, draft)
      }
    } catch (error) {
      // The letters of a job that is known may be gone by now.
      if (!(error instanceof Refusal) || first === undefined) throw error
    }
  }

  /** The parts of a job; none where nobody asked for it. */
  parts(id: string): Promise<readonly JobPart[]> {
    return readParts(this.stores, id)
  }

  /** @returns the parts as they are now; undefined where the job is done. */
  async change(
    id: string,
    change: JobChange,
    asker: Asker & { readonly reason?: string | undefined },
  ): Promise<readonly JobPart[] | undefined> {
    let isChanged = false
    for (const store of this.stores) {
      if (await changeJob({ ...this.#options, store }, { id, change }, asker)) isChanged = true
    }
    if (!isChanged) return undefined
    await this.#news()
    return this.parts(id)
  }

  /** A job was asked for or resumed: whoever works on it begins. */
  async #news(): Promise<void> {
    for (const database of this.#options.databases) {
      database.membership.announce([REDRIVE_NEWS])
      await this.#resume(database)
    }
  }

  #hear(database: RedriveDatabase, sources: readonly string[] | 'all'): void {
    const now = this.#options.clock.now()
    const isDue = now - (this.#refreshedAt.get(database) ?? 0) >= REFRESH_MS
    if (sources === 'all' ? isDue : sources.includes(REDRIVE_NEWS)) this.#look(database)
  }

  /** Tried again by the next beat where the database is away. */
  #look(database: RedriveDatabase): void {
    this.#refreshedAt.set(database, this.#options.clock.now())
    void this.#resume(database).catch(() => this.#refreshedAt.delete(database))
  }

  /** Goes on with unfinished jobs, where this is the process that works on them. */
  async #resume(database: RedriveDatabase): Promise<void> {
    if (!this.#isOurs(database)) return
    const { store } = database
    const rows = await store.query<{ readonly id: string }>(
      `SELECT id FROM ${jobsName(store)} AS j WHERE status = 'running' OR (status = 'stopped' AND EXISTS (
         SELECT 1 FROM ${jobLettersName(store)} AS l WHERE l.job = j.id AND l.state = 'under-way'))
       ORDER BY asked_at, id LIMIT ${MAX_JOBS}`,
    )
    for (const { id } of rows) this.#launch(database, id)
    await sweepJobs({ ...this.#options, store })
  }

  #launch(database: RedriveDatabase, id: string): void {
    const runs = this.#running.get(database)
    if (runs === undefined || runs.has(id) || runs.size >= MAX_JOBS || !this.#isOurs(database)) return
    const { store } = database
    const others = this.stores.filter((other) => other !== store)
    const runner = new RedriveRunner(
      {
        ...this.#options,
        store,
        failuresElsewhere: (job) => countFailures(others, job),
        isOurs: () => this.#isOurs(database),
        sent: () => this.#options.sent(database),
        broke: (error) => this.#options.broke(id, error),
      },
      id,
    )
    const ended = this.#work(database, id, runner)
    runs.set(id, { runner, ended })
  }

  async #work(database: RedriveDatabase, id: string, runner: RedriveRunner): Promise<void> {
    await runner.run()
    this.#running.get(database)?.delete(id)
    // Resumed or asked for in between, or one that waited for its turn.
    this.#look(database)
  }

  /** One process of a database works on its jobs: the one that works on the first partition. */
  #isOurs({ membership, services }: RedriveDatabase): boolean {
    const { works, chosen, registry } = this.#options
    if (!works || this.#isStopped || !services.some((service) => chosen.includes(service))) return false
    const [topic] = registry.schemas.flatMap(({ topics }) => topics)
    return topic !== undefined && membership.holds(topic.partitions, 0)
  }
}
