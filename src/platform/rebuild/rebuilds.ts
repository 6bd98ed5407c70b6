// The rebuilds of one process: which projections there are, what other processes say, and what is left behind.
import type { Clock, Membership, Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { asProjectionGroup } from './fold-chunk.ts'
import type { ProjectionGroup } from './fold-chunk.ts'
import type { LiveTables } from './live-tables.ts'
import { OldTables } from './old-tables.ts'
import { Rebuild } from './rebuild.ts'
import type { AskedBy, RebuildStatus } from './rebuild.ts'

/** Who missed a swap's announcement reads the pointers again after this long, within the old table's life. */
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
  /** Whether groups run in this process; else it only asks others to build. */
  readonly works: boolean
  /** The services that run here. */
  readonly chosen: readonly string[]
}

/** No projection has this name. */
export class ProjectionUnknown extends Error {
  override readonly name = 'ProjectionUnknown'
}

export class Rebuilds {
  readonly #options: RebuildsOptions
  readonly #rebuilds = new Map<string, Rebuild>()
  readonly #old = new Map<RebuildDatabase, OldTables>()
  readonly #refreshedAt = new Map<RebuildDatabase, number>()
  #isStopped = false

  constructor(options: RebuildsOptions) {
    this.#options = options
    const { registry, databases } = options
    for (const database of databases) this.#old.set(database, new OldTables({ ...options, ...database }))
    for (const group of registry.groups) {
      const owned = asProjectionGroup(group)
      const database = databases.find(({ services }) => services.includes(group.service))
      if (owned !== undefined && database !== undefined)
        this.#rebuilds.set(group.name, this.#rebuildOf(owned, database))
    }
  }

  #rebuildOf(group: ProjectionGroup, database: RebuildDatabase): Rebuild {
    const { store, membership } = database
    return new Rebuild({
      ...this.#options,
      works: this.#options.works && this.#options.chosen.includes(group.service),
      store,
      membership,
      group,
      storeOf: (source) => {
        return this.#options.databases.find(({ services }) => services.includes(source))?.store ?? store
      },
      changed: () => {
        membership.announce([group.service + BUILDS])
        this.#sweep(database)
      },
    })
  }

  /** What is left behind is found again at the next start, should it not be found now. */
  #sweep(database: RebuildDatabase): void {
    if (!this.#isStopped)
      void this.#old
        .get(database)
        ?.sweep()
        .catch(() => undefined)
  }

  /** Every projection that can be rebuilt here, as `service.projection`. */
  get names(): readonly string[] {
    return [...this.#rebuilds.keys()]
  }

  /** Goes on with what an earlier process left unfinished; call it when the loop runs. */
  async begin(): Promise<void> {
    for (const database of this.#options.databases) {
      database.membership.onAnnounced((sources) => this.#hear(database, sources))
      database.membership.onChange(() => void this.#resume().catch(() => undefined))
      this.#sweep(database)
    }
    await this.#resume()
  }

  /** Ends after the chunks in hand; what is committed is gone on with by the next process. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const old of this.#old.values()) old.stop()
    await Promise.all([...this.#rebuilds.values()].map((rebuild) => rebuild.stop()))
  }

  /**
   * Starts a rebuild, or goes on with the one that is under way.
   *
   * @param name `service.projection`, or the projection's name where only one service has it
   * @param by who asked: told in the audit
   * @throws {ProjectionUnknown}
   */
  async start(name: string, by?: AskedBy): Promise<RebuildStatus> {
    return this.#find(name).start(by)
  }

  /** @throws {ProjectionUnknown} */
  async status(name: string): Promise<RebuildStatus> {
    return this.#find(name).status()
  }

  async all(): Promise<readonly RebuildStatus[]> {
    return Promise.all([...this.#rebuilds.values()].map((rebuild) => rebuild.status()))
  }

  /**
   * Ends a rebuild and drops what it had made.
   *
   * @returns false when none was under way.
   * @throws {ProjectionUnknown}
   */
  async abort(name: string, by?: AskedBy): Promise<boolean> {
    return this.#find(name).abort(by)
  }

  #find(name: string): Rebuild {
    const matching = this.names.filter((known) => known === name || known.endsWith(`.${name}`))
    const rebuild = this.#rebuilds.get(matching.length === 1 ? (matching[0] ?? name) : name)
    if (rebuild === undefined) {
      throw new ProjectionUnknown(`There is no projection ${name}. There are: ${this.names.join(', ')}.`)
    }
    return rebuild
  }

  /** Another process changed a pointer, or may have and was not heard. */
  #hear(database: RebuildDatabase, sources: readonly string[] | 'all'): void {
    const { clock, tables } = this.#options
    const isBuild = sources !== 'all' && sources.some((source) => source.endsWith(BUILDS))
    const isDue = clock.now() - (this.#refreshedAt.get(database) ?? 0) >= REFRESH_MS
    if (this.#isStopped || (!isBuild && !isDue)) return
    this.#refreshedAt.set(database, clock.now())
    void tables
      .refresh(database.store, database.services)
      .then((builds) => (builds.some(({ building }) => building !== null) ? this.#resume() : undefined))
      // Tried again by the next beat.
      .catch(() => this.#refreshedAt.delete(database))
  }

  async #resume(): Promise<void> {
    for (const rebuild of this.#rebuilds.values()) await rebuild.resume()
  }
}

/** The ending of what other processes hear when a pointer of a service changed. */
const BUILDS = '.builds'
