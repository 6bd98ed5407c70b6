// Reads a copied table back and compares it with its source, cell by cell: what differs is named, and ends the copy.
import type { Row, Store, Table } from '../ports.ts'
import { chunksOf } from './chunks.ts'
import { CopyError } from './moves.ts'

/** What is quoted of a cell that differs: enough to find it, too little to tell much of a person. */
const QUOTED_LENGTH = 40

/**
 * @param source the rows by their keys.
 * @param compared told after each piece how many rows it had.
 * @returns how many rows both sides have.
 * @throws {CopyError} at the first difference.
 */
export async function compareTable(
  source: Iterable<Row>,
  copy: { readonly store: Store; readonly table: Table },
  compared: (rows: number) => void,
): Promise<number> {
  let after: Row | undefined
  let count = 0
  for (const rows of chunksOf(source)) {
    const upTo = keyOf(copy.table, rows.at(-1) ?? [])
    // One more than there should be is enough to see that there are too many.
    const found = await readRange(copy, { after, upTo, limit: rows.length + 1 })
    compareRows(copy.table, rows, found)
    after = upTo
    count += rows.length
    compared(rows.length)
  }
  const [beyond] = await readRange(copy, { after, upTo: undefined, limit: 1 })
  if (beyond !== undefined) throw differs(copy.table, beyond, 'is only in the copy')
  return count
}

interface KeyRange {
  readonly after: Row | undefined
  readonly upTo: Row | undefined
  readonly limit: number
}

async function readRange(
  { store, table }: { readonly store: Store; readonly table: Table },
  { after, upTo, limit }: KeyRange,
): Promise<readonly Row[]> {
  const quoted = table.columns.map(({ name }) => `"${name}"`)
  const key = quoted.slice(0, table.keyWidth).join(', ')
  const marks = Array(table.keyWidth).fill('?').join(', ')
  const bounds = [
    ...(after === undefined ? [] : [{ sql: `(${key}) > (${marks})`, values: after }]),
    ...(upTo === undefined ? [] : [{ sql: `(${key}) <= (${marks})`, values: upTo }]),
  ]
  const where = bounds.length === 0 ? '' : `WHERE ${bounds.map(({ sql }) => sql).join(' AND ')}`
  const from = store.tableName(table.schema, table.name)
  const found = await store.query<Readonly<Record<string, Row[number]>>>(
    `SELECT ${quoted.join(', ')} FROM ${from} ${where} ORDER BY ${key} LIMIT ${limit}`,
    bounds.flatMap(({ values }) => values),
  )
  return found.map((row) => table.columns.map(({ name }) => row[name] ?? null))
}

function compareRows(table: Table, rows: readonly Row[], found: readonly Row[]): void {
  for (const [index, row] of rows.entries()) {
    const copied = found[index]
    if (copied === undefined || !isSame(keyOf(table, row), keyOf(table, copied))) {
      const isMore = copied !== undefined && found.length > rows.length
      throw isMore ? differs(table, copied, 'is only in the copy') : differs(table, row, 'is not in the copy')
    }
    if (isSame(row, copied)) continue
    const at = row.findIndex((cell, column) => cell !== copied[column])
    throw differs(table, row, `has another ${table.columns[at]?.name ?? 'cell'} in the copy`)
  }
  const more = found[rows.length]
  if (more !== undefined) throw differs(table, more, 'is only in the copy')
}

function isSame(one: Row, other: Row): boolean {
  return one.length === other.length && one.every((cell, index) => cell === other[index])
}

function keyOf({ keyWidth }: Table, row: Row): Row {
  return row.slice(0, keyWidth)
}

function differs(table: Table, row: Row, how: string): CopyError {
  const key = keyOf(table, row).map((cell) => String(cell).slice(0, QUOTED_LENGTH))
  return new CopyError(
    `The row ${key.join('/')} of ${table.schema}.${table.name} ${how}, so nothing was moved. Run the copy again; if ` +
      'it says so again, report it.',
  )
}
