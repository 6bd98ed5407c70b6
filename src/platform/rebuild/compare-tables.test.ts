// Two tables are compared page by page: every difference is found, whatever side it is on and whatever its key is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, Row, Store, Table } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'
import { compareKeys, comparePages } from './compare-tables.ts'

const column = (name: string, type: Column['type']): Column => ({ name, type, nullable: true })
const columns = [column('sku', 'text'), column('day', 'integer'), column('units', 'integer'), column('note', 'text')]
const tableNamed = (name: string): Table => ({ schema: 'shop', name, columns, keyWidth: 2, indexes: [] })
const one = tableNamed('one')
const other = tableNamed('other')

async function differences(left: readonly Row[], right: readonly Row[]) {
  const store: Store = openSqlite({ path: ':memory:' })
  try {
    await store.migrate([{ schema: 'shop', version: 1, tables: [one, other], topics: [] }])
    const transaction = await store.begin()
    const writes = [
      { table: one, mode: 'insert' as const, rows: left },
      { table: other, mode: 'insert' as const, rows: right },
    ]
    const used = writes.filter(({ rows }) => rows.length > 0)
    await transaction.commit({ writes: used, appends: [], appendedAt: 1, transaction: 1 })
    const found: unknown[] = []
    let seen = 0
    for await (const page of comparePages({ store, table: one }, { store, table: other })) {
      found.push(...page.differences)
      seen = page.rows
    }
    return { found, seen }
  } finally {
    await store.close()
  }
}

const rows = (count: number): Row[] => Array.from({ length: count }, (_, at): Row => [`s${at % 7}`, at, at, null])

test('equal tables of many pages are equal', async () => {
  assert.deepEqual(await differences(rows(3500), rows(3500)), { found: [], seen: 3500 })
  assert.deepEqual(await differences([], []), { found: [], seen: 0 })
})

test('changed cells are named by column, missing rows on either side by key', async () => {
  const right = rows(3500).filter(([, day]) => day !== 2000)
  right[10] = ['s3', 10, 11, null]
  right[2999] = ['s4', 3000, 3000, 'note']
  right.push(['s9', 1, 1, null])
  const { found } = await differences(rows(3500), right)
  const unsorted = found as { readonly key: Row }[]
  assert.deepEqual(
    unsorted.toSorted((left, right) => compareKeys(left.key, right.key)),
    [
      { key: ['s3', 10], columns: ['units'] },
      { key: ['s4', 3000], columns: ['note'] },
      { key: ['s5', 2000], columns: ['units', 'note'] },
      { key: ['s9', 1], columns: ['units', 'note'] },
    ],
  )
})

test('one empty side, or one that is much longer, differs in every row', async () => {
  assert.equal((await differences([], rows(2500))).found.length, 2500)
  assert.equal((await differences(rows(2500), [])).found.length, 2500)
  const far = rows(2500).map(([, day, ...rest]): Row => [`z${day}`, day ?? null, ...rest])
  assert.equal((await differences(rows(1), far)).found.length, 2501)
})

test('text sorts by its bytes, as both stores do', async () => {
  const keys = ['z', 'é', '\ue000', '\u{1f600}', '\uffff', 'Z', '']
  const sorted = keys.toSorted((left, right) => compareKeys([left], [right]))
  assert.deepEqual(
    sorted,
    keys.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
  )
  const many = Array.from({ length: 1500 }, (_, at): Row => [String.fromCodePoint(0xd000 + at * 8), at, 0, null])
  const wide = [...many, ...many.map((_, at): Row => [String.fromCodePoint(0x1f000 + at), at, 0, null])].filter(
    ([sku]) => String(sku).isWellFormed(),
  )
  assert.deepEqual((await differences(wide, wide)).found, [])
})
