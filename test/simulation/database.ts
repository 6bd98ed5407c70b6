// The databases of a worker process: in memory, opened once, and put back to the same beginning for each history.
import { createHash } from 'node:crypto'
import type { Cell, SchemaDeclaration, Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import type { RememberingStore } from './remembered-reads.ts'
import { rememberingStore } from './remembered-reads.ts'
import type { WriteBehindStore } from './write-behind.ts'
import { writeBehindStore } from './write-behind.ts'
import { registry } from './wiring.ts'

type Rows = readonly (readonly Cell[])[]

/** All rows of all tables. */
export type Copy = ReadonlyMap<string, Rows>

export class Database {
  readonly store: RememberingStore
  /** The adapter itself. */
  readonly #base: Store
  readonly #behind: WriteBehindStore
  readonly #schemas: readonly SchemaDeclaration[]
  #tables: readonly string[] = []
  readonly #columns = new Map<string, readonly string[]>()
  #beginning: Copy = new Map()

  private constructor(store: Store, schemas: readonly SchemaDeclaration[]) {
    this.#base = store
    this.#behind = writeBehindStore(store)
    this.store = rememberingStore(this.#behind)
    this.#schemas = schemas
  }

  /**
   * @param services whose state lies here
   * @param path of a database in memory that other handles have to reach, too: a name of SQLite's shared cache
   */
  static async open(services: readonly string[], path = ':memory:'): Promise<Database> {
    const store = openSqlite({ path })
    const schemas = registry.schemas.filter(({ schema }) => schema === 'lonja' || services.includes(schema))
    const database = new Database(store, schemas)
    await database.#behind.migrate(schemas)
    // A log's identity is drawn at random; keys of effects are made of it, so each seed would differ from run to run.
    await database.store.query(`UPDATE lonja_schemas SET log_id = 'log-of-' || name`)
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
    return (await this.#base.query<{ readonly name: string }>(sql)).map(({ name }) => name)
  }

  /** From now on `reset` comes back to the rows of this moment. */
  async keepBeginning(): Promise<void> {
    this.#beginning = await this.copy()
  }

  /** Every row as it is now, of the tables that were there from the start. */
  async copy(): Promise<Copy> {
    this.#behind.flush()
    const copy = new Map<string, Rows>()
    for (const table of this.#tables) {
      const columns = this.#columns.get(table) ?? []
      const rows = await this.#base.query<Readonly<Record<string, Cell>>>(`SELECT * FROM ${table}`)
      const cells = rows.map((row) => columns.map((column) => row[column] ?? null))
      copy.set(table, cells)
    }
    return copy
  }

  /**
   * Makes everything as it was at the beginning.
   *
   * @param isDirect whether every commit and read goes to SQLite at once
   */
  async reset(isDirect = false): Promise<void> {
    await this.putBack(this.#beginning, isDirect)
    this.#behind.written.clear()
  }

  /** What another handle wrote is what memory knows from now on. */
  async readAgain(): Promise<Copy> {
    const copy = await this.copy()
    this.#behind.restart(copy, false)
    for (const table of this.#tables) this.#behind.written.add(table)
    this.store.forget()
    return copy
  }

  /** Only tables that were written since have anything to be put back. */
  async putBack(copy: Copy, isDirect = false): Promise<void> {
    const known = new Set(this.#tables)
    const found = new Set(await this.#tableNames())
    for (const table of found) if (!known.has(table)) await this.#base.query(`DROP TABLE ${table}`)
    // A rebuild drops the table that it takes the place of.
    const areDropped = !this.#tables.every((table) => found.has(table))
    if (areDropped) await this.#base.migrate(this.#schemas)
    for (const table of this.#tables) {
      const rows = copy.get(table) ?? []
      if (areDropped || this.#behind.written.has(table)) await this.#putTableBack(table, rows)
    }
    this.#behind.restart(copy, isDirect)
    this.store.forget()
  }

  async #putTableBack(table: string, rows: Rows): Promise<void> {
    await this.#base.query(`DELETE FROM ${table}`)
    if (rows.length === 0) return
    const cells = (this.#columns.get(table) ?? []).map((_, index) => `value ->> ${index}`)
    await this.#base.query(`INSERT INTO ${table} SELECT ${cells.join(', ')} FROM json_each(?)`, [JSON.stringify(rows)])
  }

  /** Equal for equal contents, whatever order they were written in. */
  async hash(): Promise<string> {
    this.#behind.flush()
    const hash = createHash('sha256')
    for (const table of await this.#tableNames()) {
      const rows = await this.#base.query(`SELECT * FROM ${table}`)
      const lines = rows.map((row) => JSON.stringify(row)).toSorted()
      hash.update(`${table} ${lines.length}\n${lines.join('\n')}\n`)
    }
    return hash.digest('hex')
  }

  close(): Promise<void> {
    return this.store.close()
  }
}
