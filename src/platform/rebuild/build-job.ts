// One rebuild: fills a new table from the log, compares it with the live one, and takes its place in one commit.
import type { Row } from '../ports.ts'
import { CommitUnknown, Conflict, StoreUnavailable } from '../ports.ts'
import { releaseParked } from '../parking/after-rebuild.ts'
import type { BuildTarget } from './build-table.ts'
import { BuildTable } from './build-table.ts'
import type { Difference, Side } from './compare-tables.ts'
import { comparePages, differencesOf, loadRows } from './compare-tables.ts'
import { foldChunk } from './fold-chunk.ts'
import type { Build } from './live-tables.ts'
import { buildWrite, readBuild } from './live-tables.ts'
import type { Bounds } from './log-reader.ts'
import { readSettledRows } from './settled-rows.ts'
import type { StoredPlaces } from './stored-places.ts'
import { boundsOf, placed, placesOfRows, readPlaces } from './stored-places.ts'

/** What may be left for the swap, which holds the live cursors meanwhile: over one batch of the loop, below 200 ms. */
const SWAP_RECORDS = 10_000
/** Keys that are confirmed together: few, so that the live table does not move while they are read. */
const CONFIRMED_TOGETHER = 100
/** Differences that are named; the others are counted. */
const NAMED_DIFFERENCES = 20
/** Conflicts and outages in a row before the job gives up; it can be resumed where it stands. */
const MAX_FAILURES = 60
const RETRY_BASE_MS = 20
const RETRY_MAX_MS = 1000

export type BuildPhase = 'filling' | 'comparing' | 'swapping'

export interface BuildProgress {
  readonly phase: BuildPhase
  /** Records folded, of those that the live table has folded. */
  readonly done: number
  readonly total: number
  readonly perSecond: number
  readonly comparedRows: number
}

export interface BuildReport {
  readonly comparedRows: number
  /** Rows in which the old table was not what the log says. */
  readonly differences: number
  /** The first of them. */
  readonly named: readonly Difference[]
}

export interface BuildJobOptions extends BuildTarget {
  /** Whether this process is the one that builds. */
  readonly isOurs: () => boolean
  readonly onProgress: (progress: BuildProgress) => void
}

/** The build was aborted, or another process goes on with it. */
export class BuildStopped extends Error {
  override readonly name = 'BuildStopped'
}

export class BuildJob {
  readonly #options: BuildJobOptions
  readonly #table: BuildTable
  readonly #startedAt: number
  #isStopped = false
  #failures = 0
  #phase: BuildPhase = 'filling'
  #comparedRows = 0
  #differences = 0
  #named: Difference[] = []

  constructor(options: BuildJobOptions) {
    this.#options = options
    this.#table = new BuildTable(options)
    this.#startedAt = options.clock.now()
  }

  /** Ends after the chunk in hand. What is committed stays. */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Goes on from where the build's cursors stand until its table is live.
   *
   * @throws {BuildStopped}
   * @throws when a fold throws, a record is missing, or the store stays away.
   */
  async run(): Promise<BuildReport> {
    for (;;) {
      try {
        const pointer = await this.#recall()
        if (pointer !== undefined) await this.#build(pointer)
        return { comparedRows: this.#comparedRows, differences: this.#differences, named: this.#named }
      } catch (error) {
        if (!isPassing(error) || this.#failures >= MAX_FAILURES) throw await this.#endOf(error)
        this.#failures += 1
        await this.#pause(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** this.#failures))
      }
    }
  }

  /** @returns undefined when the table is live: the answer to a swap had been lost. */
  async #recall(): Promise<Build | undefined> {
    const { store, group, build, tables } = this.#options
    const pointer = await readBuild(store, group.service, group.projection.name)
    if (pointer.live === build) {
      tables.point(pointer)
      return undefined
    }
    if (pointer.building !== build) throw new BuildStopped(`The build ${build} of ${group.name} was aborted.`)
    await this.#table.recall()
    return pointer
  }

  /** The table of a build that was aborted elsewhere may be gone already, which is no failure. */
  async #endOf(error: unknown): Promise<unknown> {
    const { store, group, build } = this.#options
    const pointer = await readBuild(store, group.service, group.projection.name).catch(() => undefined)
    const isAborted = pointer !== undefined && pointer.building !== build
    return isAborted ? new BuildStopped(`The build ${build} of ${group.name} was aborted.`) : error
  }

  async #build(pointer: Build): Promise<void> {
    await this.#fill()
    await this.#compare()
    this.#phase = 'swapping'
    while (!(await this.#swapped(pointer))) await this.#advance(await this.#liveBounds())
  }

  #checkStopped(): void {
    const { isOurs, group } = this.#options
    if (this.#isStopped) throw new BuildStopped(`The rebuild of ${group.name} was stopped.`)
    if (!isOurs()) throw new BuildStopped(`Another process goes on with the rebuild of ${group.name}.`)
  }

  #pause(delayMs = 0): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(delayMs, resolve))
  }

  async #liveBounds(): Promise<Bounds> {
    const { store, group } = this.#options
    return boundsOf(await readPlaces(store, group.service, group.name))
  }

  #live(): Side {
    const { store, tables, group } = this.#options
    return { store, table: tables.live(group.service, group.projection.name) }
  }

  #rebuilt(): Side {
    return { store: this.#options.store, table: this.#table.table }
  }

  /** Follows the live table until it is close behind it; never ahead, so that both can be brought to the same place. */
  async #fill(): Promise<void> {
    this.#phase = 'filling'
    do await this.#advance(await this.#liveBounds())
    while (this.#table.remaining(await this.#liveBounds()) > SWAP_RECORDS)
  }

  /** Brings the build exactly to the bounds, chunk by chunk; the live loop runs in between. */
  async #advance(bounds: Bounds): Promise<void> {
    this.#report(bounds)
    while (this.#table.remaining(bounds) > 0) {
      this.#checkStopped()
      await this.#table.foldNext(bounds)
      this.#failures = 0
      this.#report(bounds)
      await this.#pause()
    }
  }

  #report(bounds: Bounds): void {
    const total = [...bounds.values()].reduce((sum, next) => sum + next, 0)
    const seconds = Math.max(1, this.#options.clock.now() - this.#startedAt) / 1000
    this.#options.onProgress({
      phase: this.#phase,
      done: total - this.#table.remaining(bounds),
      total,
      perSecond: Math.round(this.#table.passed / seconds),
      comparedRows: this.#comparedRows,
    })
  }

  async #compare(): Promise<void> {
    this.#phase = 'comparing'
    this.#differences = 0
    this.#named = []
    for await (const { differences, rows } of comparePages(this.#live(), this.#rebuilt())) {
      this.#comparedRows = rows
      const suspects = differences.map(({ key }) => key)
      for (let from = 0; from < suspects.length; from += CONFIRMED_TOGETHER) {
        await this.#confirm(suspects.slice(from, from + CONFIRMED_TOGETHER))
      }
      this.#checkStopped()
      this.#report(await this.#liveBounds())
      await this.#pause()
    }
  }

  /** Looks again at rows that differ, with both tables at exactly the same place: only then it is a difference. */
  async #confirm(keys: readonly Row[]): Promise<void> {
    const { store, group } = this.#options
    const { rows, places } = await readSettledRows(
      { store, service: group.service, group: group.name },
      this.#live(),
      keys,
    )
    if (await this.#table.hasGrown()) throw new Conflict('a topic of the build was scaled')
    await this.#advance(boundsOf(places))
    const lasting = differencesOf(this.#table.table, rows, await loadRows(this.#rebuilt(), keys))
    this.#differences += lasting.length
    this.#named.push(...lasting.slice(0, NAMED_DIFFERENCES - this.#named.length))
  }

  /**
   * Applies the rest up to exactly the live cursors and flips the pointer in the same commit. The versions of the live
   * cursors rise with it: whoever still folds into the old table meets a conflict, reads afresh and learns the new one.
   *
   * @returns false when too much was left for one transaction.
   */
  async #swapped(pointer: Build): Promise<boolean> {
    const { store, tables, group, build } = this.#options
    // A turn of its own: on SQLite, which locks no rows, nothing comes between the reads and the commit.
    await this.#pause()
    this.#checkStopped()
    const { name, beginnings, table } = this.#table
    const locks = this.#table.locks([group.name, name])
    const transaction = await store.begin([locks])
    try {
      const stored = placesOfRows(await transaction.load(locks.table, locks.keys))
      const own: StoredPlaces = stored.get(name) ?? new Map()
      const live: StoredPlaces = stored.get(group.name) ?? new Map()
      const bounds = boundsOf(live)
      if (!this.#table.stands(own)) throw new Conflict('another process goes on with the build')
      if (this.#table.remaining(bounds) > SWAP_RECORDS) return false
      // Under the locks no barrier is passed: what is scaled from here on is read by the new table.
      if (await this.#table.hasGrown()) throw new Conflict('a topic of the build was scaled')
      const rows = await foldChunk(transaction, { group, table }, await this.#table.rest(bounds))
      const cursors = [this.#table.cursorsWrite(group.name, placed(beginnings, live)), this.#table.cursorsDelete(own)]
      const flip = buildWrite({ ...pointer, live: build, building: null })
      const released = await releaseParked({ ...this.#options, group })
      await transaction.commit(this.#table.plan([...cursors, ...released, flip, ...rows]))
    } finally {
      await transaction.release()
    }
    tables.point({ ...pointer, live: build })
    return true
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Conflict || error instanceof CommitUnknown || error instanceof StoreUnavailable
}
