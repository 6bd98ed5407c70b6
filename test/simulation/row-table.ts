// The rows of one table as the simulator holds them in memory, under the guards of a plan; SQLite gets them later.
import type { Row, Table, Write } from '../../src/platform/ports.ts'
import { BadData, Conflict } from '../../src/platform/ports.ts'

const PART_OF_KEY = '\u0000'

/** What takes a change back. */
export type Undo = () => void

export interface Flush {
  readonly sql: string
  readonly rows: readonly Row[]
}

export class RowTable {
  readonly name: string
  readonly #table: Table
  readonly #rows: Map<string, Row>
  readonly #versionAt: number
  /** Keys whose row in SQLite is another, in the order in which they came to be so. */
  readonly #dirty = new Set<string>()
  /** Keys that were deleted since SQLite was told: a row that came again is a new one there, too. */
  readonly #gone = new Map<string, Row>()

  constructor(name: string, table: Table, rows: readonly Row[]) {
    this.name = name
    this.#table = table
    this.#versionAt = table.columns.findIndex((column) => column.name === 'version')
    this.#rows = new Map(rows.map((row) => [this.#keyOf(row), row]))
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.#gone.size > 0
  }

  #keyOf(row: Row): string {
    const { keyWidth } = this.#table
    return keyWidth === 1 ? String(row[0]) : row.slice(0, keyWidth).join(PART_OF_KEY)
  }

  load(keys: readonly Row[]): readonly Row[] {
    const found: Row[] = []
    for (const key of keys) {
      const row = this.#rows.get(this.#keyOf(key))
      if (row !== undefined) found.push(row)
    }
    return found
  }

  /** @throws {Conflict} {BadData} what is in `undone` by then has to be taken back. */
  write({ mode, rows, sets }: Write, undone: Undo[]): void {
    let missed = 0
    const isAllNew = mode === 'versioned' && rows.every((row) => row[this.#versionAt] === 1)
    for (const row of rows) {
      const key = this.#keyOf(row)
      const old = this.#rows.get(key)
      if (mode === 'delete') {
        if (old === undefined) missed += 1
        else this.#delete(key, old, undone)
        continue
      }
      if (mode === 'insert' && old !== undefined) throw new Conflict(`UNIQUE constraint failed: ${this.#keyColumns()}`)
      if (mode === 'versioned' && !this.#follows(row, { old, isAllNew })) missed += 1
      else this.#put(key, merged(this.#table, { old, row, sets }), undone)
    }
    if (missed > 0) {
      const { schema, name } = this.#table
      throw new Conflict(`${schema}.${name}: ${missed} of ${rows.length} rows were changed by another`)
    }
  }

  /**
   * Whether the version is the one above what is stored. Several nodes share it, so a row that another deleted
   * meanwhile does not come back, as PostgreSQL has it for every table; SQLite, with one process, only where rows go.
   */
  #follows(row: Row, { old, isAllNew }: { readonly old: Row | undefined; readonly isAllNew: boolean }): boolean {
    const version = row[this.#versionAt]
    if (old === undefined) return version === 1
    return !isAllNew && old[this.#versionAt] === Number(version) - 1
  }

  #keyColumns(): string {
    return this.#table.columns
      .slice(0, this.#table.keyWidth)
      .map((column) => `${this.name}.${column.name}`)
      .join(', ')
  }

  #put(key: string, row: Row, undone: Undo[]): void {
    const { columns } = this.#table
    for (let at = 0; at < columns.length; at += 1) {
      const isMissing = row[at] === null || row[at] === undefined
      if (isMissing && columns[at]?.nullable !== true)
        throw new BadData(`NOT NULL constraint failed: ${this.name}.${columns[at]?.name}`)
    }
    const old = this.#rows.get(key)
    const wasDirty = this.#dirty.has(key)
    this.#rows.set(key, row)
    this.#dirty.add(key)
    undone.push(() => {
      if (old === undefined) this.#rows.delete(key)
      else this.#rows.set(key, old)
      if (!wasDirty) this.#dirty.delete(key)
    })
  }

  #delete(key: string, old: Row, undone: Undo[]): void {
    const wasDirty = this.#dirty.delete(key)
    const wasGone = this.#gone.has(key)
    this.#rows.delete(key)
    this.#gone.set(key, old)
    undone.push(() => {
      this.#rows.set(key, old)
      if (wasDirty) this.#dirty.add(key)
      if (!wasGone) this.#gone.delete(key)
    })
  }

  /** The statements that make SQLite's rows these; each takes its rows as one JSON array. */
  flush(): readonly Flush[] {
    const { keyWidth, columns } = this.#table
    const names = columns.map((column) => column.name)
    const gone = [...this.#gone.values()].map((row) => row.slice(0, keyWidth))
    const rows = [...this.#dirty].flatMap((key): Row[] => {
      const row = this.#rows.get(key)
      return row === undefined ? [] : [row]
    })
    this.#gone.clear()
    this.#dirty.clear()
    const deletes = gone.length === 0 ? [] : [{ sql: deleteSql(this.name, names.slice(0, keyWidth)), rows: gone }]
    return rows.length === 0 ? deletes : [...deletes, { sql: upsertSql(this.name, names, keyWidth), rows }]
  }
}

function deleteSql(name: string, key: readonly string[]): string {
  const cells = key.map((_, at) => `value ->> ${at}`).join(', ')
  return `DELETE FROM ${name} WHERE (${key.join(', ')}) IN (SELECT ${cells} FROM json_each(?))`
}

/** What a row becomes: all of it, or some columns over those that are there. */
function merged(
  { columns }: Table,
  {
    old,
    row,
    sets,
  }: { readonly old: Row | undefined; readonly row: Row; readonly sets: readonly string[] | undefined },
): Row {
  if (sets === undefined || old === undefined) return row
  return columns.map(({ name }, at) => (sets.includes(name) ? row[at] : old[at]) ?? null)
}

/** An update keeps a row where it lies, as the statements of the adapter do: unsorted reads go by that. */
export function upsertSql(name: string, columns: readonly string[], keyWidth: number): string {
  const cells = columns.map((_, at) => `value ->> ${at}`)
  const [key, rest] = [columns.slice(0, keyWidth), columns.slice(keyWidth)]
  const sets = (rest.length > 0 ? rest : key).map((column) => `${column} = excluded.${column}`)
  return `INSERT INTO ${name} (${columns.join(', ')}) SELECT ${cells.join(', ')} FROM json_each(?) WHERE true
    ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${sets.join(', ')}`
}
