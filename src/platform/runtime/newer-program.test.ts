// What a newer program beside this one has left in the database: it is let alone, and holds up nobody.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { services } from '../../services.ts'
import { startShop } from '../../testing/shop.ts'
import type { Row, Table } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'
import { effectsTable, parkedKeysTable, parkingLotsTable, timersTable } from '../store/tables.ts'
import { buildRegistry } from './registry.ts'

const HOUR_MS = 3_600_000

const command = JSON.stringify({ type: 'ThankForPraise', data: { orderId: 'a' } })

/** One of each in each partition, as the newer program wrote them. */
function leftBy(at: number, partition: number): readonly (readonly [Table, Row])[] {
  const name = `next-${partition}`
  const place = [6, partition]
  return [
    [timersTable('orders'), [at, partition, 'ThankForPraise', name, command, name]],
    [timersTable('orders'), [at, partition, 'saga loyalty', name, null, name]],
    [effectsTable('payments'), [name, 1, 'Insure', name, partition, '{}', name, name, 0, at, 1, 0, at, null, null]],
    [parkingLotsTable, [`orders ${place.join('/')}`, 1]],
    [parkedKeysTable('orders'), ['orders.praises', 'orderId', name, 1, ...place, 'retrying', at, 1, 1, 1, at, at]],
  ]
}

test('timers, requests and parked keys that only a newer program knows stay where they are', async () => {
  const store = openSqlite({ path: ':memory:' })
  await store.migrate(buildRegistry(services).schemas)
  const at = Date.UTC(2026, 0, 31)
  const transaction = await store.begin()
  const rows = [0, 1, 2, 3, 4, 5].flatMap((partition) => leftBy(at, partition))
  const writes = rows.map(([table, row]) => ({ table, mode: 'insert', rows: [row] }) as const)
  await transaction.commit({ writes, appends: [], appendedAt: at, transaction: 1 })

  const shop = await startShop({ store })
  await shop.client()
  await shop.product()
  const { orderId } = await shop.placeOrder()
  await shop.advance(HOUR_MS)
  assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
  const count = async (table: string, where: string) => {
    const [found] = await store.query<{ readonly rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE ${where}`)
    return found?.rows
  }
  assert.equal(await count('orders_timers', `key LIKE 'next-%'`), 12)
  assert.equal(await count('payments_effects', `key LIKE 'next-%'`), 6)
  assert.equal(await count('orders_parked_keys', `key LIKE 'next-%' AND due = ${at}`), 6)
  // The timers are told each time, since somebody may have taken a program back for good.
  const told = shop.complaints.splice(0)
  assert.ok(told.length > 0 && told.every((line) => line.includes('"UnknownMessage"') && line.includes('"timer"')))
  await shop.stop()
  await store.close()
})
