// What the comparison of a copied table finds, wherever it lies.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row, Table } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'
import { CHUNK_LIMITS } from './chunks.ts'
import { compareTable } from './compare.ts'

const table: Table = {
  schema: 'shop',
  name: 'things',
  columns: [
    { name: 'shelf', type: 'text', nullable: false },
    { name: 'place', type: 'integer', nullable: false },
    { name: 'thing', type: 'text', nullable: true },
  ],
  keyWidth: 2,
  indexes: [],
}

/** More than one piece, with keys that sort by the first of their columns first. */
const ROWS: readonly Row[] = Array.from({ length: 2 * CHUNK_LIMITS.rows + 1 }, (_, index) => {
  return [`shelf ${Math.floor(index / 100) + 100}`, index % 100, index % 3 === 0 ? null : `thing ${index}`]
})
const LAST = ROWS.length - 1

async function compared(copied: readonly Row[]): Promise<number> {
  const store = openSqlite({ path: ':memory:' })
  await store.migrate([{ schema: 'shop', version: 1, tables: [table], topics: [] }])
  const transaction = await store.begin()
  await transaction.commit({
    writes: [{ table, mode: 'insert', rows: copied }],
    appends: [],
    appendedAt: 0,
    transaction: 0,
  })
  try {
    return await compareTable(ROWS, { store, table }, () => undefined)
  } finally {
    await store.close()
  }
}

test('a table that is the same has all its rows', async () => {
  assert.equal(await compared(ROWS), ROWS.length)
})

test('a row that is missing is named, also the last of a piece and the last of all', async () => {
  for (const missing of [0, 700, CHUNK_LIMITS.rows - 1, CHUNK_LIMITS.rows, LAST]) {
    const [shelf, place] = ROWS[missing] as [string, number]
    const expected = new RegExp(`row ${shelf}/${place} of shop.things is not in the copy`)
    await assert.rejects(compared(ROWS.toSpliced(missing, 1)), expected)
  }
})

test('a row that is only in the copy is named, before, between and behind the others', async () => {
  for (const more of ['a shelf', 'shelf 105 b', 'shelf 999']) {
    await assert.rejects(
      compared([...ROWS, [more, 1, null]]),
      new RegExp(`${more}/1 of shop.things is only in the copy`),
    )
  }
})

test('another cell is named, and nothing is not the empty text', async () => {
  const [shelf, place, thing] = ROWS[1] as [string, number, string]
  await assert.rejects(compared(ROWS.with(1, [shelf, place, `${thing} `])), /has another thing in the copy/)
  await assert.rejects(compared(ROWS.with(0, [shelf, 0, ''])), /has another thing in the copy/)
})
