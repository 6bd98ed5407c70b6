// The databases of a worker process: in memory, opened once, and put back to the same beginning for each history.
import { createHash } from 'node:crypto'
import type { Cell, SchemaDeclaration, Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { registry } from './wiring.ts'

type Rows = readonly (readonly Cell[])[]

/** All rows of all tables. */
export type Copy = ReadonlyMap<string, Rows>

export class Database {
  readonly store: Store
  readonly #schemas: readonly SchemaDeclaration[]
  #tables: readonly string[] = []
  readonly #columns = new Map<string, readonly string[]>()
  #beginning: Copy = new Map()

  private constructor(store: Store, schemas: readonly SchemaDeclaration[]) {
    this.store = store
    this.#schemas = schemas
  }

  /** @param services whose state lies here */
  static async open(services: readonly string[]): Promise<Database> {
    const store = openSqlite({ path: ':memory:' })
    const schemas = registry.schemas.filter(({ schema }) => schema === 'lonja' || services.includes(schema))
    const database = new Database(store, schemas)
    await store.migrate(schemas)
    // A log's identity is drawn at random; keys of effects are made of it, so each seed would differ from run to run.
    await store.query(`UPDATE lonja_schemas SET log_id = 'log-of-' || name`)
    database.#tables = await database.#tableNames()
    for (const table of database.#tables) {
      const columns = await store.query<{ readonly name: string }>(`SELECT name FROM pragma_table_info('${table}')`)
      database.#columns.set(
        table,
        columns.map(({ name }) => name),
      )
    }
    await database.keepBeginning()
    return database
  }

  get beginning(): Copy {
    return this.#beginning
  }

  async #tableNames(): Promise<readonly string[]> {
    const sql = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`
    return (await this.store.query<{ readonly name: string }>(sql)).map(({ name }) => name)
  }

  /** From now on `reset` comes back to the rows of this moment. */
  async keepBeginning(): Promise<void> {
    this.#beginning = await this.copy()
  }

  /** Every row as it is now, of the tables that were there from the start. */
  async copy(): Promise<Copy> {
    const copy = new Map<string, Rows>()
    for (const table of this.#tables) {
      const columns = this.#columns.get(table) ?? []
      const rows = await this.store.query<Readonly<Record<string, Cell>>>(`SELECT * FROM ${table}`)
      const cells = rows.map((row) => columns.map((column) => row[column] ?? null))
      copy.set(table, cells)
    }
    return copy
  }

  /** Makes everything as it was at the beginning. */
  async reset(): Promise<void> {
    await this.putBack(this.#beginning)
  }

  async putBack(copy: Copy): Promise<void> {
    const known = new Set(this.#tables)
    const found = await this.#tableNames()
    for (const table of found) if (!known.has(table)) await this.store.query(`DROP TABLE ${table}`)
    // A rebuild drops the table that it takes the place of.
    if (!this.#tables.every((table) => found.includes(table))) await this.store.migrate(this.#schemas)
    for (const table of this.#tables) await this.#putTableBack(table, copy.get(table) ?? [])
  }

  async #putTableBack(table: string, rows: Rows): Promise<void> {
    await this.store.query(`DELETE FROM ${table}`)
    if (rows.length === 0) return
    const cells = (this.#columns.get(table) ?? []).map((_, index) => `value ->> ${index}`)
    await this.store.query(`INSERT INTO ${table} SELECT ${cells.join(', ')} FROM json_each(?)`, [JSON.stringify(rows)])
  }

  /** Equal for equal contents, whatever order they were written in. */
  async hash(): Promise<string> {
    const hash = createHash('sha256')
    for (const table of await this.#tableNames()) {
      const rows = await this.store.query(`SELECT * FROM ${table}`)
      const lines = rows.map((row) => JSON.stringify(row)).toSorted()
      hash.update(`${table} ${lines.length}\n${lines.join('\n')}\n`)
    }
    return hash.digest('hex')
  }

  close(): Promise<void> {
    return this.store.close()
  }
}
