// What the loop makes of a store that fails: nothing lost, nothing twice, and one bad value costs only itself.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { faultyStore } from '../../testing/faulty-store.ts'
import { startToyShop } from '../../testing/toy-shop.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { Observer } from './observer.ts'

async function start(observer: Partial<Observer> = {}) {
  const store = faultyStore(openSqlite({ path: ':memory:' }))
  const shop = await startToyShop({ store, observer })
  return { ...shop, store }
}

test('a conflict runs the whole batch again', async () => {
  const shop = await start()
  shop.store.failNext('conflict', 'conflict', 'conflict')
  await shop.place('a', 4)
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  assert.equal(await shop.stockLeft(), 6)
  await shop.stop()
})

for (const fault of ['lost before', 'lost after'] as const) {
  test(`a commit whose answer is ${fault} it happened is run again, and happens once`, async () => {
    const shop = await start()
    shop.store.failNext(fault)
    assert.equal((await shop.place('a', 4)).status, 201)
    await shop.lonja.settled()
    assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
    assert.equal(await shop.stockLeft(), 6)
    await shop.stop()
  })

  test(`an effect's answer whose commit is ${fault} it happened is taken once`, async () => {
    const shop = await start()
    const placed = shop.place('a', 4)
    await placed
    shop.store.failNext(fault)
    await shop.lonja.settled()
    assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
    assert.equal(await shop.stockLeft(), 6)
    const paid = (await shop.lonja.story('a')).filter(({ name }) => name === 'Paid')
    assert.equal(paid.length, 1)
    await shop.stop()
  })
}

test('an outage refuses what comes in, shows in health, and is over by itself', async () => {
  const shop = await start()
  shop.store.failNext('unavailable')
  await assert.rejects(shop.place('a', 4), { name: 'StoreUnavailable' })
  assert.ok((await shop.lonja.health()).some(({ part, status }) => part.startsWith('store') && status === 'unhealthy'))
  await shop.place('a', 4)
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  assert.ok((await shop.lonja.health()).every(({ status }) => status === 'healthy'))
  await shop.stop()
})

test('a value that the store refuses costs its own command only', async () => {
  const shop = await start()
  shop.store.refuseText('bad-order')
  const results = await Promise.allSettled([shop.place('a', 1), shop.place('bad-order', 1), shop.place('b', 1)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed', b: 'confirmed' })
  await shop.stop()
})

test('a record whose value the store refuses is parked with its key, and goes on once it is taken', async () => {
  const { promise: parked, resolve } = Promise.withResolvers<string>()
  const shop = await start({ parked: ({ key }) => resolve(key) })
  await Promise.all(Array.from({ length: 8 }, (_, index) => shop.place(`order-${index}`, 1)))
  await shop.lonja.settled()
  shop.store.refuseText('"reason"')
  await shop.place('too-many', 50)
  assert.equal(await parked, 'too-many')
  await shop.place('another', 1)
  assert.equal((await shop.statuses())['too-many'], 'placed')
  shop.store.refuseText(undefined)
  await shop.lonja.settled()
  assert.equal((await shop.statuses())['too-many'], 'cancelled')
  assert.equal((await shop.statuses())['another'], 'confirmed')
  await shop.stop()
})
