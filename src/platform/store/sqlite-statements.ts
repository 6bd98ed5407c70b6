// The SQL that SQLite runs for a plan: multi-row statements in a few fixed sizes, each prepared once.
import type { Table, WriteMode } from '../ports.ts'

/** Few sizes mean few statements to prepare; these made 40 % fewer with 64 callers than 128, 32, 8 and 2. */
export const CHUNK_SIZES = [128, 64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1] as const

/** `schema_table`: SQLite has no schemas inside one file. */
export function sqliteName(schema: string, table: string): string {
  return `${schema}_${table}`
}

/**
 * CREATE TABLE and its indexes. Rows lie in the order in which they came, with the keys in a tree of their own: what is
 * written together lies together. Where a row is little more than its key, one tree is enough.
 */
export function createTable(table: Table): string[] {
  const name = sqliteName(table.schema, table.name)
  const columns = table.columns.map((column) => {
    return `${column.name} ${column.type.toUpperCase()}${column.nullable ? '' : ' NOT NULL'}`
  })
  const key = table.columns.slice(0, table.keyWidth).map((column) => column.name)
  const storage = table.clustered === true ? ' WITHOUT ROWID' : ''
  return [
    `CREATE TABLE IF NOT EXISTS ${name} (${columns.join(', ')}, PRIMARY KEY (${key.join(', ')}))${storage}`,
    ...table.indexes.map((index) => {
      return `CREATE INDEX IF NOT EXISTS ${name}_${index.join('_')} ON ${name} (${index.join(', ')})`
    }),
  ]
}

/** `create` is a save whose rows are all new. */
export type SqliteMode = WriteMode | 'create'

/** What decides a write's statement, besides the number of its rows. */
export interface WriteShape {
  readonly table: Table
  readonly mode: SqliteMode
  readonly sets?: readonly string[] | undefined
}

/** The statement that writes `count` rows in this mode. */
export function writeStatement({ table, mode, sets: given }: WriteShape, count: number): string {
  const name = sqliteName(table.schema, table.name)
  const columns = table.columns.map((column) => column.name)
  const key = columns.slice(0, table.keyWidth)
  const tuple = `(${(mode === 'delete' ? key : columns).map(() => '?').join(', ')})`
  const values = `VALUES ${Array(count).fill(tuple).join(', ')}`
  if (mode === 'delete') return `DELETE FROM ${name} WHERE (${key.join(', ')}) IN (${values})`
  const insert = `INSERT INTO ${name} AS t (${columns.join(', ')})`
  if (mode === 'insert') return `${insert} ${values}`
  if (mode === 'create') return `${insert} ${values} ON CONFLICT DO NOTHING`
  // A table of keys alone sets its key to itself, so that the row counts as written.
  const set = given ?? (columns.length > key.length ? columns.slice(key.length) : key)
  const sets = set.map((column) => `${column} = excluded.${column}`).join(', ')
  const update = `ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${sets}`
  if (mode === 'upsert') return `${insert} ${values} ${update}`
  const guard = 'WHERE t.version = excluded.version - 1'
  if (table.rowsGo !== true) return `${insert} ${values} ${update} ${guard}`
  return `${insert} SELECT * FROM (${values}) AS n WHERE ${isKnown(table)}
    ${update} ${guard}`
}

/** Saving version 5 of a row that somebody deleted meanwhile must not bring it back. It costs 0.7 µs a row. */
function isKnown({ schema, name, columns, keyWidth }: Table): string {
  const version = columns.findIndex((column) => column.name === 'version') + 1
  const match = columns.slice(0, keyWidth).map((column, at) => `k.${column.name} = n.column${at + 1}`)
  const known = `SELECT 1 FROM ${sqliteName(schema, name)} AS k WHERE ${match.join(' AND ')}`
  return `n.column${version} = 1 OR EXISTS (${known})`
}

/** Loads rows by key; the keys come as one JSON array, so one statement serves every count. */
export function loadStatement(table: Table): string {
  const name = sqliteName(table.schema, table.name)
  const columns = table.columns.map((column) => column.name)
  if (table.keyWidth === 1) {
    return `SELECT ${columns.join(', ')} FROM ${name} WHERE ${columns[0]} IN (SELECT value FROM json_each(?))`
  }
  const match = columns.slice(0, table.keyWidth).map((column, at) => `t.${column} = wanted.value ->> ${at}`)
  const list = columns.map((column) => `t.${column}`).join(', ')
  return `SELECT ${list} FROM json_each(?) AS wanted JOIN ${name} AS t ON ${match.join(' AND ')}`
}
