// Compares two tables of the same shape page by page, in the order of their keys; either may be in another database.
import type { Cell, Row, Store, Table } from '../ports.ts'

const PAGE_ROWS = 1000

export interface Side {
  readonly store: Store
  readonly table: Table
}

/** Rows that are not the same on both sides, or are on one only. */
export interface Difference {
  readonly key: Row
  /** The columns whose cells differ; all of them where one side has no such row. Never values: they may be personal. */
  readonly columns: readonly string[]
}

export interface ComparedPage {
  readonly differences: readonly Difference[]
  /** Rows seen so far, on the side that has more of them. */
  readonly rows: number
}

/** Pages until both tables are read to their ends. */
export async function* comparePages(one: Side, other: Side): AsyncGenerator<ComparedPage> {
  const { keyWidth } = one.table
  let after: Row | undefined
  let rows = 0
  for (;;) {
    const pages = [await readPage(one, after), await readPage(other, after)] as const
    // Beyond the end of a full page there may be more rows, so only what lies up to it can be compared.
    const ends = pages.filter((page) => page.length === PAGE_ROWS).map((page) => keyOf(page.at(-1) ?? [], keyWidth))
    const end = ends.toSorted(compareKeys)[0]
    const [left, right] = pages.map((page) => page.filter((row) => isUpTo(keyOf(row, keyWidth), end))) as [Row[], Row[]]
    rows += Math.max(left.length, right.length)
    yield { differences: differencesOf(one.table, left, right), rows }
    if (end === undefined) return
    after = end
  }
}

/** What differs between rows of the same table, whatever their order. */
export function differencesOf(table: Table, one: readonly Row[], other: readonly Row[]): Difference[] {
  const { keyWidth, columns } = table
  const rest = new Map(other.map((row) => [JSON.stringify(keyOf(row, keyWidth)), row]))
  const names = columns.slice(keyWidth).map(({ name }) => name)
  const differences: Difference[] = []
  for (const row of one) {
    const key = keyOf(row, keyWidth)
    const name = JSON.stringify(key)
    const twin = rest.get(name)
    rest.delete(name)
    const unlike = names.filter((_, index) => twin === undefined || twin[keyWidth + index] !== row[keyWidth + index])
    if (twin === undefined || unlike.length > 0) differences.push({ key, columns: unlike })
  }
  for (const row of rest.values()) differences.push({ key: keyOf(row, keyWidth), columns: names })
  return differences
}

/** The rows of these keys that exist. */
export async function loadRows({ store, table }: Side, keys: readonly Row[]): Promise<readonly Row[]> {
  const transaction = await store.begin()
  try {
    return await transaction.load(table, keys)
  } finally {
    await transaction.release()
  }
}

async function readPage({ store, table }: Side, after: Row | undefined): Promise<readonly Row[]> {
  const columns = table.columns.map(({ name }) => quoted(name)).join(', ')
  const key = table.columns
    .slice(0, table.keyWidth)
    .map(({ name }) => quoted(name))
    .join(', ')
  const from = after === undefined ? '' : `WHERE (${key}) > (${after.map(() => '?').join(', ')})`
  const rows = await store.query<Readonly<Record<string, Cell>>>(
    `SELECT ${columns} FROM ${store.tableName(table.schema, table.name)} ${from} ORDER BY ${key} LIMIT ${PAGE_ROWS}`,
    after,
  )
  return rows.map((row) => table.columns.map(({ name }) => row[name] ?? null))
}

function quoted(name: string): string {
  return `"${name}"`
}

function keyOf(row: Row, keyWidth: number): Row {
  return row.slice(0, keyWidth)
}

function isUpTo(key: Row, end: Row | undefined): boolean {
  return end === undefined || compareKeys(key, end) <= 0
}

/** In the order of the stores: integers by value, text by its bytes. */
export function compareKeys(one: Row, other: Row): number {
  for (const [index, cell] of one.entries()) {
    const order = compareCells(cell, other[index] ?? null)
    if (order !== 0) return order
  }
  return 0
}

const SURROGATE = /[\ud800-\udfff]/

function compareCells(one: Cell, other: Cell): number {
  if (one === other) return 0
  if (typeof one === 'number' && typeof other === 'number') return one - other
  const [left, right] = [String(one), String(other)]
  // UTF-16 sorts a surrogate pair below U+E000, its bytes in UTF-8 sort above.
  if (SURROGATE.test(left) || SURROGATE.test(right)) return Buffer.compare(Buffer.from(left), Buffer.from(right))
  return left < right ? -1 : 1
}
