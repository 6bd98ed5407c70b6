// The store that writes to SQLite later keeps the contract of every store, and what it wrote is what SQLite then has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { storeContract } from '../adapters/store-contract.ts'
import { append, commit, declaration, documents, load, log, write } from '../adapters/store-fixture.ts'
import { writeBehindStore } from './write-behind.ts'

storeContract('store that writes behind', { refusesNul: false }, async () => {
  const sqlite = openSqlite({ path: ':memory:' })
  const store = writeBehindStore(sqlite)
  // All processes of a simulated database share one handle.
  return { open: async () => store, remove: () => store.close() }
})

test('SQLite has what memory has once it is told, and not before', async () => {
  const sqlite = openSqlite({ path: ':memory:' })
  const store = writeBehindStore(sqlite)
  await store.migrate([declaration])
  await commit(store, { writes: [write(documents, 'versioned', ['a', 1, 'one'], ['b', 1, 'one'])] })
  await commit(store, { writes: [write(documents, 'delete', ['b'])], appends: [append(1, { count: 2 })] })
  assert.deepEqual([await load(sqlite, documents, ['a']), await log(sqlite, 1)], [[], []])
  store.flush()
  assert.deepEqual(await load(sqlite, documents, ['a'], ['b']), [['a', 1, 'one']])
  const [told, remembered] = [await log(sqlite, 1), await log(store, 1)]
  assert.equal(told.length, remembered.length)
  // Memory knows of each row which commit wrote it, too.
  assert.partialDeepStrictEqual(remembered, told)
  assert.deepEqual(await sqlite.heads('shop'), await store.heads('shop'))
  await store.close()
})
