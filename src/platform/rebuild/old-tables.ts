// Finds the tables of builds that are neither live nor being made, and drops them a minute after they fell out of use.
import type { Clock, Store, Table } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { FIRST_BUILD, readBuilds } from './live-tables.ts'
import type { LiveTables } from './live-tables.ts'

/** Reads that began before a swap, and processes that have not heard of it, go on with the old table this long. */
export const OLD_TABLE_LIFE_MS = 60_000

export interface OldTablesOptions {
  readonly registry: Registry
  readonly store: Store
  /** Services whose tables lie in this store. */
  readonly services: readonly string[]
  readonly tables: LiveTables
  readonly clock: Clock
}

export class OldTables {
  readonly #options: OldTablesOptions
  readonly #cancels = new Set<() => void>()
  #isStopped = false

  constructor(options: OldTablesOptions) {
    this.#options = options
  }

  /** Drops what is unused now and still unused a minute later, when nobody reads it any more. */
  async sweep(): Promise<void> {
    const unused = await this.#unused()
    if (unused.length === 0 || this.#isStopped) return
    const cancel = this.#options.clock.after(OLD_TABLE_LIFE_MS, () => {
      this.#cancels.delete(cancel)
      // What fails here is found again at the next start.
      void this.#drop(unused).catch(() => undefined)
    })
    this.#cancels.add(cancel)
  }

  stop(): void {
    this.#isStopped = true
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
  }

  async #drop(tables: readonly Table[]): Promise<void> {
    const still = new Set((await this.#unused()).map(nameOf))
    const obsolete = tables.filter((table) => still.has(nameOf(table)))
    await dropTables(this.#options, obsolete)
  }

  async #unused(): Promise<Table[]> {
    const { registry, store, services, tables } = this.#options
    const unused: Table[] = []
    for (const { name: service, projections } of registry.services) {
      if (projections.length === 0 || !services.includes(service)) continue
      // The tables first, the pointers afterwards: a build's pointer is written before its table is made.
      const names = await tableNames(store, service)
      const builds = await readBuilds(store, [service])
      for (const { name } of projections) {
        const { live = FIRST_BUILD, building } = builds.find((build) => build.projection === name) ?? {}
        const old = buildsAmong(names, name).filter((build) => build !== live && build !== building)
        unused.push(...old.map((build) => tables.build(service, name, build)))
      }
    }
    return unused
  }
}

/** Which builds of the projection have a table. */
function buildsAmong(names: readonly string[], projection: string): number[] {
  return names.flatMap((name) => {
    if (name === projection) return [FIRST_BUILD]
    const [, base, build] = /^(.+)_(\d+)$/.exec(name) ?? []
    return base === projection ? [Number(build)] : []
  })
}

/** Drops tables of this store; those that are gone already are no error. */
export async function dropTables(
  { registry, store }: Pick<OldTablesOptions, 'registry' | 'store'>,
  tables: readonly Table[],
): Promise<void> {
  for (const [schema, obsolete] of Map.groupBy(tables, (table) => table.schema)) {
    const version = registry.schemas.find((declared) => declared.schema === schema)?.version ?? 1
    await store.migrate([{ schema, version, tables: [], topics: [], obsolete }])
  }
}

/** The names of a service's tables, without the schema or prefix. */
async function tableNames(store: Store, service: string): Promise<string[]> {
  if (store.dialect === 'postgres') {
    const sql = 'SELECT tablename AS name FROM pg_tables WHERE schemaname = ?'
    return (await store.query<{ readonly name: string }>(sql, [service])).map(({ name }) => name)
  }
  const prefix = store.tableName(service, '')
  const rows = await store.query<{ readonly name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
  return rows.flatMap(({ name }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
}

function nameOf({ schema, name }: Table): string {
  return `${schema}.${name}`
}
