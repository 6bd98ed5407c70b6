// The rebuilds of one process: starts, resumes and aborts them, and says how each is doing.
import type { Clock, Membership, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { topicNamed } from '../../kernel/message.ts'
import type { Registry } from '../runtime/registry.ts'
import type { BuildProgress, BuildReport } from './build-job.ts'
import { BuildJob, BuildStopped } from './build-job.ts'
import type { BuildTarget } from './build-table.ts'
import { BuildTable, buildGroup } from './build-table.ts'
import type { ProjectionGroup } from './fold-chunk.ts'
import { asProjectionGroup } from './fold-chunk.ts'
import type { Build, LiveTables } from './live-tables.ts'
import { buildWrite, nextBuild, readBuild } from './live-tables.ts'
import { OldTables, dropTables } from './old-tables.ts'
import { boundsOf, readPlaces } from './stored-places.ts'

/** Others may start or end a build at the same moment. */
const MAX_CONFLICTS = 10
/** A process that missed a swap's announcement reads the pointers again after this long: well within the old table's life. */
const REFRESH_MS = 10_000

/** A database whose services' projections may be rebuilt. */
export interface RebuildDatabase {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface RebuildsOptions {
  readonly registry: Registry
  readonly databases: readonly RebuildDatabase[]
  readonly tables: LiveTables
  readonly clock: Clock
  /** Whether this process builds, or only asks others to. */
  readonly works: boolean
}

/**
 * - none: nothing is being built here or elsewhere, and nothing was since this process started.
 * - waiting: a build is under way, in another process or in none at present.
 */
export type RebuildPhase = BuildProgress['phase'] | 'none' | 'waiting' | 'done' | 'aborted' | 'failed'

export interface RebuildStatus {
  readonly service: string
  readonly projection: string
  readonly phase: RebuildPhase
  /** The number of the live table. */
  readonly live: number
  readonly building: number | null
  /** Records of the log that the build has folded, of those that the live table has. */
  readonly done: number
  readonly total: number
  readonly percent: number
  readonly perSecond: number
  /** Milliseconds that are left at this rate; null where nobody knows. */
  readonly leftMs: number | null
  readonly report: BuildReport | null
  /** Why it failed. */
  readonly problem: string | null
}

interface Run {
  readonly build: number
  readonly job: BuildJob
  phase: RebuildPhase
  progress: BuildProgress
  report: BuildReport | null
  problem: string | null
  ended: Promise<void>
}

interface Place {
  readonly database: RebuildDatabase
  readonly group: ProjectionGroup
}

const NO_PROGRESS: BuildProgress = { phase: 'filling', done: 0, total: 0, perSecond: 0, comparedRows: 0 }

export class Rebuilds {
  readonly #options: RebuildsOptions
  readonly #places = new Map<string, Place>()
  readonly #runs = new Map<string, Run>()
  readonly #old: readonly OldTables[]
  readonly #refreshedAt = new Map<Store, number>()
  #isStopped = false

  constructor(options: RebuildsOptions) {
    this.#options = options
    const { registry, databases } = options
    for (const group of registry.groups) {
      const owned = asProjectionGroup(group)
      const database = databases.find(({ services }) => services.includes(group.service))
      if (owned !== undefined && database !== undefined) this.#places.set(group.name, { database, group: owned })
    }
    this.#old = databases.map((database) => new OldTables({ ...options, ...database }))
  }

  /** Every projection that can be rebuilt here, as `service.projection`. */
  get names(): readonly string[] {
    return [...this.#places.keys()]
  }

  /** Goes on with what an earlier process left unfinished; call it when the loop runs. */
  async begin(): Promise<void> {
    for (const { membership, store } of this.#options.databases) {
      membership.onAnnounced((sources) => this.#hear(store, sources))
      membership.onChange(() => void this.#resume().catch(() => undefined))
    }
    await this.#resume()
    for (const old of this.#old) await old.sweep()
  }

  /** Ends after the chunks in hand; what is committed is gone on with by the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const { job } of this.#runs.values()) job.stop()
    for (const old of this.#old) old.stop()
    await Promise.all([...this.#runs.values()].map(({ ended }) => ended))
  }

  /**
   * Starts a rebuild, or goes on with the one that is under way.
   *
   * @param name `service.projection`
   * @throws when there is no such projection.
   */
  async start(name: string): Promise<RebuildStatus> {
    const { database, group } = this.#find(name)
    await this.#change(name, (build) => {
      return build.building === null ? { ...build, building: nextBuild(build) } : undefined
    })
    await this.#resumeOne(name)
    database.membership.announce([announced(group)])
    return this.status(name)
  }

  /** @throws when there is no such projection. */
  async status(name: string): Promise<RebuildStatus> {
    const { database, group } = this.#find(name)
    const { live, building } = await this.#read(name)
    const run = this.#runs.get(name)
    // What ran here is told until another build begins, which may run elsewhere.
    const own = run !== undefined && (building === null || building === run.build) ? run : undefined
    const isRunning = own !== undefined && own.phase === own.progress.phase
    const counts = isRunning || building === null ? (own?.progress ?? NO_PROGRESS) : await this.#stored(name, building)
    const { done, total, perSecond } = counts
    return {
      service: group.service,
      projection: group.projection.name,
      phase: own?.phase ?? (building === null ? 'none' : 'waiting'),
      live,
      building,
      done,
      total,
      percent: total === 0 ? 100 : Math.floor((100 * done) / total),
      perSecond,
      leftMs: perSecond === 0 ? null : Math.round((1000 * (total - done)) / perSecond),
      report: own?.report ?? null,
      problem: own?.problem ?? null,
    }
  }

  async all(): Promise<readonly RebuildStatus[]> {
    return Promise.all(this.names.map((name) => this.status(name)))
  }

  /**
   * Ends a rebuild and drops what it had made; the live table stays as it is.
   *
   * @returns false when none was under way.
   * @throws when there is no such projection.
   */
  async abort(name: string): Promise<boolean> {
    const { database, group } = this.#find(name)
    const run = this.#runs.get(name)
    run?.job.stop()
    await run?.ended
    let building: number | null = null
    await this.#change(name, (build) => {
      building = build.building
      return building === null ? undefined : { ...build, building: null }
    })
    if (building === null) return false
    if (run !== undefined) run.phase = 'aborted'
    database.membership.announce([announced(group)])
    await dropTables({ ...this.#options, ...database }, [this.#table(group, building)])
    return true
  }

  #find(name: string): Place {
    const place = this.#places.get(name)
    if (place === undefined) throw new Error(`There is no projection ${name}: name it as service.projection.`)
    return place
  }

  #table({ service, projection }: ProjectionGroup, build: number) {
    return this.#options.tables.build(service, projection.name, build)
  }

  #read(name: string): Promise<Build> {
    const { database, group } = this.#find(name)
    return readBuild(database.store, group.service, group.projection.name)
  }

  /** Saves the pointer as it becomes, and takes away the cursors of a build that ends; nothing where it stays. */
  async #change(name: string, change: (build: Build) => Build | undefined): Promise<void> {
    for (let conflicts = 0; ; conflicts += 1) {
      const before = await this.#read(name)
      const after = change(before)
      if (after === undefined) return
      try {
        await this.#save(name, before, after)
        return
      } catch (error) {
        if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
      }
    }
  }

  async #save(name: string, before: Build, after: Build): Promise<void> {
    const { database, group } = this.#find(name)
    const { store } = database
    const table = new BuildTable(this.#target(name, before.building ?? after.building ?? after.live))
    const stored = await readPlaces(store, group.service, table.name)
    const cursors = before.building === null ? [] : [table.cursorsDelete(stored)]
    const transaction = await store.begin()
    try {
      await transaction.commit(table.plan([...cursors, buildWrite(after)]))
    } finally {
      await transaction.release()
    }
  }

  #target(name: string, build: number): BuildTarget {
    const { registry, tables, clock, databases } = this.#options
    const { database, group } = this.#find(name)
    const storeOf = (source: string): Store => {
      return databases.find(({ services }) => services.includes(source))?.store ?? database.store
    }
    return { registry, store: database.store, storeOf, clock, tables, group, build }
  }

  /** What a build that does not run here has come to. */
  async #stored(name: string, building: number): Promise<BuildProgress> {
    const { database, group } = this.#find(name)
    const own = await readPlaces(database.store, group.service, buildGroup(group.name, building))
    const live = await readPlaces(database.store, group.service, group.name)
    const sum = (bounds: ReadonlyMap<string, number>) => [...bounds.values()].reduce((all, next) => all + next, 0)
    return { ...NO_PROGRESS, done: sum(boundsOf(own)), total: sum(boundsOf(live)) }
  }

  /** Another process swapped, or may have and was not heard. */
  #hear(store: Store, sources: readonly string[] | 'all'): void {
    const { clock, tables, databases } = this.#options
    const isBuild = sources !== 'all' && sources.some((source) => source.endsWith(BUILDS))
    const isDue = clock.now() - (this.#refreshedAt.get(store) ?? 0) >= REFRESH_MS
    if (this.#isStopped || (!isBuild && !isDue)) return
    this.#refreshedAt.set(store, clock.now())
    const { services = [] } = databases.find((database) => database.store === store) ?? {}
    // What fails here is tried again by the next beat.
    void tables
      .refresh(store, services)
      .then(() => this.#resume())
      .catch(() => this.#refreshedAt.delete(store))
  }

  async #resume(): Promise<void> {
    for (const name of this.names) await this.#resumeOne(name)
  }

  /** One process of a database builds: the one that works on the first partition. */
  #isOurs(name: string): boolean {
    const { database, group } = this.#find(name)
    const [topic] = group.topics
    const partitions = topic === undefined ? 1 : topicNamed(topic).partitions
    return this.#options.works && !this.#isStopped && database.membership.holds(partitions, 0)
  }

  async #resumeOne(name: string): Promise<void> {
    if (!this.#isOurs(name)) return
    const { building } = await this.#read(name)
    const run = this.#runs.get(name)
    const isRunning = run !== undefined && run.build === building && run.phase === run.progress.phase
    if (building === null || isRunning || this.#isStopped) return
    this.#launch(name, building)
  }

  #launch(name: string, build: number): void {
    const job = new BuildJob({
      ...this.#target(name, build),
      isOurs: () => this.#isOurs(name),
      onProgress: (progress) => {
        run.progress = progress
        run.phase = progress.phase
      },
    })
    const run: Run = {
      build,
      job,
      phase: 'filling',
      progress: NO_PROGRESS,
      report: null,
      problem: null,
      ended: Promise.resolve(),
    }
    this.#runs.set(name, run)
    run.ended = this.#run(name, run)
  }

  async #run(name: string, run: Run): Promise<void> {
    const { registry, databases } = this.#options
    const { database, group } = this.#find(name)
    try {
      const version = registry.schemas.find(({ schema }) => schema === group.service)?.version ?? 1
      const tables = [this.#table(group, run.build)]
      await database.store.migrate([{ schema: group.service, version, tables, topics: [] }])
      run.report = await run.job.run()
      run.phase = 'done'
      database.membership.announce([announced(group)])
      await this.#old[databases.indexOf(database)]?.sweep()
    } catch (error) {
      if (run.phase !== 'done') run.phase = error instanceof BuildStopped ? 'waiting' : 'failed'
      if (run.phase === 'failed') run.problem = (error as Error).message
    }
  }
}

const BUILDS = '.builds'

/** What other processes hear when a pointer changed. */
function announced({ service }: ProjectionGroup): string {
  return `${service}${BUILDS}`
}
