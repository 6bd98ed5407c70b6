// The rebuild of one projection: started, resumed, aborted, and how it is doing, here or in another process.
import type { AuditEntry } from '../audit/audit.ts'
import { auditWrites } from '../audit/audit.ts'
import type { Clock, Membership, Store, Table } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { topicNamed } from '../../kernel/message.ts'
import type { Registry } from '../runtime/registry.ts'
import type { BuildProgress, BuildReport } from './build-job.ts'
import { BuildJob, BuildStopped } from './build-job.ts'
import type { BuildTarget } from './build-table.ts'
import { BuildTable, buildGroup } from './build-table.ts'
import type { ProjectionGroup } from './fold-chunk.ts'
import type { Build, LiveTables } from './live-tables.ts'
import { buildWrite, nextBuild, readBuild } from './live-tables.ts'
import { dropTables } from './old-tables.ts'
import { readPlaces } from './stored-places.ts'

/** Others may start or end a build at the same moment. */
const MAX_CONFLICTS = 10

export interface RebuildOptions {
  readonly registry: Registry
  readonly store: Store
  readonly storeOf: (source: string) => Store
  readonly membership: Membership
  readonly tables: LiveTables
  readonly clock: Clock
  /** Whether this process builds, or only asks others to. */
  readonly works: boolean
  readonly group: ProjectionGroup
  /** Told after a pointer was changed here. */
  readonly changed: () => void
}

/**
 * - none: nothing is being built, and nothing was since this process started.
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

/** A build that ran in this process, or runs. */
interface Run {
  readonly build: number
  readonly job: BuildJob
  isRunning: boolean
  phase: RebuildPhase
  progress: BuildProgress
  report: BuildReport | null
  problem: string | null
  ended: Promise<void>
}

const NO_PROGRESS: BuildProgress = { phase: 'filling', done: 0, total: 0, perSecond: 0, comparedRows: 0 }

/** Whoever asked for something, and the id of its audit entry. */
export type AskedBy = Pick<AuditEntry, 'id' | 'principal' | 'role'>

export class Rebuild {
  readonly #options: RebuildOptions
  #run: Run | undefined
  #isAborting = false
  #isStopped = false

  constructor(options: RebuildOptions) {
    this.#options = options
  }

  /** Starts a build, or goes on with the one that is under way. @param by who asked: told in the audit */
  async start(by?: AskedBy): Promise<RebuildStatus> {
    await this.#change(
      (build) => (build.building === null ? { ...build, building: nextBuild(build) } : undefined),
      this.#audited('projection.rebuild', by),
    )
    await this.resume()
    this.#options.changed()
    return this.status()
  }

  /** Goes on with an unfinished build, where this is the process that builds. */
  async resume(): Promise<void> {
    if (!this.#isOurs()) return
    const { building } = await this.#read()
    if (building === null || this.#run?.isRunning === true || !this.#isOurs()) return
    this.#launch(building)
  }

  /**
   * Ends a build and drops what it had made; the live table stays as it is.
   *
   * @param by who asked: told in the audit
   * @returns false when none was under way.
   */
  async abort(by?: AskedBy): Promise<boolean> {
    this.#isAborting = true
    try {
      await this.#endRun()
      const before = await this.#change(
        (build) => (build.building === null ? undefined : { ...build, building: null }),
        this.#audited('projection.abort', by),
      )
      if (before === undefined || before.building === null) return false
      if (this.#run !== undefined) this.#run.phase = 'aborted'
      this.#options.changed()
      await dropTables(this.#options, [this.#table(before.building)])
      return true
    } finally {
      this.#isAborting = false
    }
  }

  /** Ends after the chunk in hand; the next process goes on from there. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#endRun()
  }

  async #endRun(): Promise<void> {
    this.#run?.job.stop()
    await this.#run?.ended
  }

  async status(): Promise<RebuildStatus> {
    const { service, projection } = this.#options.group
    const { live, building } = await this.#read()
    // What ran here is told until another build begins, which may run elsewhere.
    const run = building === null || building === this.#run?.build ? this.#run : undefined
    const isElsewhere = building !== null && run?.isRunning !== true
    const { done, total, perSecond } = isElsewhere ? await this.#stored(building) : (run?.progress ?? NO_PROGRESS)
    return {
      service,
      projection: projection.name,
      phase: run?.phase ?? (building === null ? 'none' : 'waiting'),
      live,
      building,
      done,
      total,
      percent: total === 0 ? 100 : Math.floor((100 * done) / total),
      perSecond,
      leftMs: perSecond === 0 ? null : Math.round((1000 * (total - done)) / perSecond),
      report: run?.report ?? null,
      problem: run?.problem ?? null,
    }
  }

  #table(build: number): Table {
    const { tables, group } = this.#options
    return tables.build(group.service, group.projection.name, build)
  }

  #target(build: number): BuildTarget {
    return { ...this.#options, build }
  }

  #read(): Promise<Build> {
    const { store, group } = this.#options
    return readBuild(store, group.service, group.projection.name)
  }

  #audited(action: string, by: AskedBy | undefined): readonly AuditEntry[] {
    const { clock, group } = this.#options
    return by === undefined ? [] : [{ ...by, at: clock.now(), action, target: group.name }]
  }

  /** Saves the pointer as it becomes. @returns the pointer before; undefined where it stays as it is. */
  async #change(change: (build: Build) => Build | undefined, audit: readonly AuditEntry[]): Promise<Build | undefined> {
    for (let conflicts = 0; ; conflicts += 1) {
      const before = await this.#read()
      const after = change(before)
      if (after === undefined) return undefined
      try {
        await this.#save(before, after, audit)
        return before
      } catch (error) {
        if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
      }
    }
  }

  /** The cursors of a build that ends go with it. */
  async #save(before: Build, after: Build, audit: readonly AuditEntry[]): Promise<void> {
    const { store, group } = this.#options
    const table = new BuildTable(this.#target(before.building ?? after.live))
    const stored = await readPlaces(store, group.service, table.name)
    const cursors = before.building === null ? [] : [table.cursorsDelete(stored)]
    const transaction = await store.begin()
    try {
      await transaction.commit(table.plan([...cursors, buildWrite(after), ...auditWrites(audit)]))
    } finally {
      await transaction.release()
    }
  }

  /** What a build that does not run here has come to. */
  async #stored(building: number): Promise<BuildProgress> {
    const { store, group } = this.#options
    const sum = async (name: string) => {
      const places = await readPlaces(store, group.service, name)
      return [...places.values()].reduce((all, { next }) => all + next, 0)
    }
    const [done, total] = [await sum(buildGroup(group.name, building)), await sum(group.name)]
    return { ...NO_PROGRESS, done, total }
  }

  /** One process of a database builds: the one that works on the first partition. */
  #isOurs(): boolean {
    const { works, membership, group } = this.#options
    const [topic] = group.topics
    if (topic === undefined || !works || this.#isStopped || this.#isAborting) return false
    return membership.holds(topicNamed(topic).partitions, 0)
  }

  #launch(build: number): void {
    const job = new BuildJob({
      ...this.#target(build),
      isOurs: () => this.#isOurs(),
      onProgress: (progress) => {
        run.progress = progress
        run.phase = progress.phase
      },
    })
    const started = { phase: NO_PROGRESS.phase, progress: NO_PROGRESS, report: null, problem: null }
    const run: Run = { build, job, isRunning: true, ...started, ended: Promise.resolve() }
    this.#run = run
    run.ended = this.#work(run)
  }

  async #work(run: Run): Promise<void> {
    const { registry, store, group, changed } = this.#options
    try {
      const version = registry.schemas.find(({ schema }) => schema === group.service)?.version ?? 1
      await store.migrate([{ schema: group.service, version, tables: [this.#table(run.build)], topics: [] }])
      run.report = await run.job.run()
      run.phase = 'done'
    } catch (error) {
      run.phase = error instanceof BuildStopped ? 'waiting' : 'failed'
      if (run.phase === 'failed') run.problem = (error as Error).message
    }
    run.isRunning = false
    if (run.phase === 'done') changed()
  }
}
