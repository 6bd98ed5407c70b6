// A database that is away, loses answers or lets others write first: callers are told, and no order is half done.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import type { CommitFault } from '../../src/testing/faulty-store.ts'
import { faultyStore } from '../../src/testing/faulty-store.ts'
import { pausableStore } from '../../src/testing/pausable-store.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Flow, Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const keyed = { headers: { 'idempotency-key': 'one' } }

function whileAway(body: (shop: Shop, store: ReturnType<typeof pausableStore>) => Promise<void>, options: Flow = {}) {
  return async (): Promise<void> => {
    const store = pausableStore(openSqlite({ path: ':memory:' }))
    const story = async (shop: Shop) => {
      await shop.product()
      await shop.client()
      await body(shop, store)
    }
    try {
      await inShop(story, { ...options, store, mayComplain: true })()
    } finally {
      await store.close()
    }
  }
}

suite('while the database is away', () => {
  test(
    'an order is refused with 503, and the same request places it once the database is back',
    whileAway(async (shop, store) => {
      store.goAway()
      const refused = await shop.place({}, keyed)
      expectRefusal(refused, 503, 'STORE_UNAVAILABLE')
      assert.match(refused.headers['retry-after'] ?? '', /^\d+$/)
      assert.equal((await shop.as(undefined).get('/health')).status, 503)
      store.resume()
      await shop.advance(1000)
      expectStatus(await shop.place({}, keyed), 201)
      await shop.idle()
      assert.equal((await shop.orders('?status=CONFIRMED')).items.length, 1)
      assert.equal((await shop.as(undefined).get('/health')).status, 200)
    }),
  )

  test(
    'the answer of the gateway is kept, and its order goes on when the database is back',
    whileAway(async (shop, store) => {
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.idle()
      store.pause()
      const before = store.refusals()
      await shop.advance(60_000)
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      const looks = store.refusals() - before
      assert.ok(looks > 100 && looks < 300, `a database that is away was looked for ${looks} times in a minute`)
      store.resume()
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.worked().captures, 1)
    }),
  )

  test(
    'limits that are over are kept as well, and what they end is undone when it is back',
    whileAway(
      async (shop, store) => {
        const { orderId } = await shop.placeOrder({ payments: [{ method: 'manual' }] })
        await shop.idle()
        store.goAway()
        await shop.advance(30_000)
        store.resume()
        await shop.advance(1000)
        assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
      },
      { limits: { manualPay: '20 s' } },
    ),
  )
})

suite('while the database of one service is away', () => {
  test('orders are taken all the same, and confirmed when it is back', async () => {
    const inventory = pausableStore(openSqlite({ path: ':memory:' }))
    const story = async (shop: Shop) => {
      await shop.product()
      await shop.client()
      inventory.goAway()
      const { orderId } = await shop.placeOrder({ quantity: 2 })
      await shop.advance(20_000)
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      const health = await shop.as('reader').get<{ readonly parts: readonly { readonly status: string }[] }>('/health')
      assert.equal(expectStatus(health, 503).parts.filter(({ status }) => status === 'unhealthy').length, 1)
      assert.equal((await shop.as('reader').get('/v1/stock/LAMP')).status, 503)
      inventory.resume()
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal((await shop.stockOf('LAMP')).onHand, 8)
    }
    try {
      await inShop(story, { stores: { inventory }, mayComplain: true })()
    } finally {
      await inventory.close()
    }
  })
})

/** Every commit of an order's road fails once in this way. */
function withFault(fault: CommitFault) {
  return async (): Promise<void> => {
    const inner = openSqlite({ path: ':memory:' })
    const store = faultyStore(inner)
    const story = async (shop: Shop) => {
      await shop.product()
      await shop.client()
      await shop.idle()
      for (let commit = 0; commit < 5; commit += 1) {
        const before = store.commits()
        const placing = { reference: `A-${commit}` }
        const headers = { 'idempotency-key': `key-${commit}` }
        // So many commits go well, then one fails; the road of an order has four or five.
        store.failNext(...Array.from({ length: commit }, () => undefined), fault)
        const answer = await shop.during(2000, shop.place(placing, { headers }))
        // Whoever is told that nothing was done sends it again; whatever is in doubt is the shop's own business.
        const mayRefuse = fault === 'unavailable' && answer.status === 503
        assert.equal(mayRefuse, fault === 'unavailable' && commit === 0)
        expectStatus(mayRefuse ? await shop.place(placing, { headers }) : answer, 201)
        await shop.advance(10_000)
        assert.ok(store.commits() > before + 2, 'the fault fell on the road')
      }
      const { items } = await shop.orders('?status=CONFIRMED')
      assert.equal(items.length, 5)
      assert.deepEqual([shop.gateway.worked().captures, shop.carrier.worked().bookings], [5, 5])
      assert.equal((await shop.stockOf('LAMP')).onHand, 5)
      assert.equal(shop.mails().length, 6)
    }
    try {
      await inShop(story, { store, mayComplain: true })()
    } finally {
      await inner.close()
    }
  }
}

suite('each transaction of an order', () => {
  const faults: Readonly<Record<CommitFault, string>> = {
    conflict: 'meets a conflict, and runs again',
    unavailable: 'finds the database away, and is done later or sent again',
    'lost before': 'is lost before it happened, and is run again by its keys',
    'lost after': 'loses its answer after it happened, and is not done twice',
  }
  for (const [fault, what] of Object.entries(faults)) test(what, withFault(fault as CommitFault))
})
