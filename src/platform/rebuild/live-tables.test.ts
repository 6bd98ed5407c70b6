// What a process knows of the tables that are live, whatever order the news come in.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { faultyStore } from '../../testing/faulty-store.ts'
import { shopService } from '../../testing/toy-shop.ts'
import { openSqlite } from '../store/sqlite.ts'
import { LiveTables } from './live-tables.ts'

test('a pointer that was read before a swap, and comes after it, does not bring the old table back', async () => {
  const { promise: swap, resolve: swapped } = Promise.withResolvers<void>()
  const store = {
    ...faultyStore(openSqlite({ path: ':memory:' })),
    query: async () => {
      await swap
      return [{ projection: 'order_list', version: 1, live: 1, building: 3 }] as never[]
    },
  }
  const tables = new LiveTables([shopService])
  const late = tables.refresh(store, ['shop'])
  tables.point({ service: 'shop', projection: 'order_list', live: 3 })
  swapped()
  await late
  assert.equal(tables.live('shop', 'order_list'), tables.build('shop', 'order_list', 3))
})
