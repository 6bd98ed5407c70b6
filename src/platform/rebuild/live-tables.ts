// Which table of each projection is live: a pointer row in the database, and what this process knows of it.
import type { Projection } from '../../kernel/projection.ts'
import type { Service } from '../../kernel/service.ts'
import type { Row, Store, Table, Write } from '../ports.ts'
import { readAlike } from '../store/read-alike.ts'
import { buildsTable, projectionTable } from '../store/tables.ts'

/** The table that a projection has without ever having been rebuilt. */
export const FIRST_BUILD = 1

/** The pointer row of one projection. A number is never used twice, so no table or cursor is taken for an older one. */
export interface Build {
  readonly service: string
  readonly projection: string
  /** 0 as long as there is no row. */
  readonly version: number
  readonly live: number
  /** The build that is being made; null when none is. */
  readonly building: number | null
}

/** The pointer rows of these services; projections that were never rebuilt have none. */
export function readBuilds(store: Store, services: readonly string[]): Promise<readonly Build[]> {
  return readAlike(store, services, { table: 'builds', columns: ['projection', 'version', 'live', 'building'] })
}

export async function readBuild(store: Store, service: string, projection: string): Promise<Build> {
  const builds = await readBuilds(store, [service])
  const build = builds.find((one) => one.projection === projection)
  return build ?? { service, projection, version: 0, live: FIRST_BUILD, building: null }
}

/** The pointer in rows that were loaded by its key. */
export function buildOf(service: string, [row]: readonly Row[]): Build | undefined {
  if (row === undefined) return undefined
  const [projection, version, live, building = null] = row
  return { service, projection, version, live, building } as Build
}

/** Saves the pointer over the version that was read. */
export function buildWrite({ service, projection, version, live, building }: Build): Write {
  const row: Row = [projection, version + 1, live, building]
  return { table: buildsTable(service), mode: 'versioned', rows: [row] }
}

/** The number of a build that is started on this pointer; it rises with every start, end and abort. */
export function nextBuild({ version }: Build): number {
  return version + 1 + FIRST_BUILD
}

interface Known {
  readonly service: string
  readonly projection: Projection
  readonly tables: Map<number, Table>
  live: number
}

/** What this process knows of the pointers. A stale one harms nobody: its batch conflicts, its reads are a bit old. */
export class LiveTables {
  readonly #known = new Map<string, Known>()

  constructor(services: readonly Service[]) {
    for (const { name: service, projections } of services) {
      for (const projection of projections) {
        this.#known.set(nameOf(service, projection.name), { service, projection, tables: new Map(), live: FIRST_BUILD })
      }
    }
  }

  /** @throws when the service has no such projection. */
  live(service: string, projection: string): Table {
    const known = this.#find(service, projection)
    return tableOf(known, known.live)
  }

  /** The live table of a projection, undefined where the name is another table's. */
  named(service: string, name: string): Table | undefined {
    const known = this.#known.get(nameOf(service, name))
    return known === undefined ? undefined : tableOf(known, known.live)
  }

  /** The table of any build, one object each, since stores keep their statements by it. */
  build(service: string, projection: string, build: number): Table {
    return tableOf(this.#find(service, projection), build)
  }

  /** Builds are numbered upwards: what was read before a swap, and comes after it, points at a table that is gone. */
  point({ service, projection, live }: Pick<Build, 'service' | 'projection' | 'live'>): void {
    const known = this.#known.get(nameOf(service, projection))
    // A pointer may be of a projection that a newer program declared.
    if (known !== undefined) known.live = Math.max(known.live, live)
  }

  /** Reads the pointers of these services afresh. @returns them. */
  async refresh(store: Store, services: readonly string[]): Promise<readonly Build[]> {
    const projecting = new Set([...this.#known.values()].map(({ service }) => service))
    const wanted = services.filter((service) => projecting.has(service))
    const builds = await readBuilds(store, wanted)
    for (const build of builds) this.point(build)
    return builds
  }

  #find(service: string, projection: string): Known {
    const known = this.#known.get(nameOf(service, projection))
    if (known === undefined) throw new Error(`${service} has no projection ${projection}.`)
    return known
  }
}

function nameOf(service: string, projection: string): string {
  return `${service}.${projection}`
}

function tableOf({ service, projection, tables }: Known, build: number): Table {
  let table = tables.get(build)
  if (table === undefined) tables.set(build, (table = projectionTable(service, projection, build)))
  return table
}
