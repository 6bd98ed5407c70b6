// Streams whole tables of a SQLite file in the order of their keys: whatever their size, a row is in memory at a time.
import { DatabaseSync } from 'node:sqlite'
import type { Row, Table } from '../ports.ts'
import { sqliteName } from './sqlite-statements.ts'

const BUSY_TIMEOUT_MS = 5000

/** A second handle on the file, for reading alone. */
export class SqliteRows {
  readonly #database: DatabaseSync

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  }

  /** All rows by key; a text compares by its bytes, as it does on PostgreSQL. */
  rowsOf(table: Table): Iterable<Row> {
    return this.#rows(`${select(table)} ORDER BY ${keyOf(table).join(', ')}`)
  }

  /**
   * The rows of several tables of one shape as one stream, by their keys over all of them; the first cell is the number
   * of the table. Each is read along its own index, and the streams are merged.
   */
  merged(tables: readonly Table[]): Iterable<Row> {
    const [first] = tables
    if (first === undefined) return []
    const parts = tables.map((table, number) => select(table, `${number} AS number, `))
    return this.#rows(`${parts.join(' UNION ALL ')} ORDER BY ${keyOf(first).join(', ')}, number`)
  }

  count(table: Table): number {
    return Number(this.#database.prepare(`SELECT count(*) AS rows FROM ${nameOf(table)}`).get()?.['rows'])
  }

  /** The names of all tables, as they are in the file. */
  names(): readonly string[] {
    const rows = this.#database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
    return rows.map(({ name }) => String(name))
  }

  /** The first column that holds something and that the declaration does not know. */
  strangeColumn(table: Table): string | undefined {
    const there = this.#database.prepare('SELECT name FROM pragma_table_info(?)').all(nameOf(table))
    const strange = there
      .map(({ name }) => String(name))
      .filter((name) => !table.columns.some((own) => own.name === name))
    return strange.find((name) => {
      const sql = `SELECT 1 FROM ${nameOf(table)} WHERE "${name.replaceAll('"', '""')}" IS NOT NULL LIMIT 1`
      return this.#database.prepare(sql).get() !== undefined
    })
  }

  /** Of any table of the file, whoever made it. */
  isEmpty(name: string): boolean {
    return this.#database.prepare(`SELECT 1 FROM "${name.replaceAll('"', '""')}" LIMIT 1`).get() === undefined
  }

  close(): void {
    this.#database.close()
  }

  #rows(sql: string): Iterable<Row> {
    const statement = this.#database.prepare(sql)
    statement.setReturnArrays(true)
    return statement.iterate() as unknown as Iterable<Row>
  }
}

function select(table: Table, before = ''): string {
  return `SELECT ${before}${table.columns.map(({ name }) => name).join(', ')} FROM ${nameOf(table)}`
}

function nameOf({ schema, name }: Table): string {
  return sqliteName(schema, name)
}

function keyOf({ columns, keyWidth }: Table): string[] {
  return columns.slice(0, keyWidth).map(({ name }) => name)
}
