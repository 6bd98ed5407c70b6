// A shop that is closed in the middle of things and opened again later: everything goes on where it stood.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { openOutside, startShop } from '../../src/testing/shop.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const manual = [{ method: 'manual' }]

interface Acts<Known> {
  readonly before: (shop: Shop) => Promise<Known>
  readonly closedMs: number
  readonly after: (shop: Shop, known: Known) => Promise<void>
}

/** Two shops one after the other, over the same database, the same outside and the same time. */
function acrossRestart<Known>({ before, closedMs, after }: Acts<Known>) {
  return async (): Promise<void> => {
    const clock = createVirtualClock()
    const store = openSqlite({ path: ':memory:' })
    const outside = openOutside(clock)
    const first = await startShop({ clock, store, outside })
    await first.product({ quantity: 5 })
    const known = await before(first)
    await first.stop()
    await clock.advance(closedMs, async () => undefined)
    const second = await startShop({ clock, store, outside })
    try {
      await after(second, known)
      await second.idle()
      await assertSound(second)
    } finally {
      await second.stop()
      outside.gateway.stop()
      outside.carrier.stop()
      await store.close()
    }
  }
}

async function placed(shop: Shop, placing: object): Promise<string> {
  const { orderId } = await shop.placeOrder({ quantity: 2, ...placing })
  await shop.idle()
  return orderId
}

const byHand = (shop: Shop) => placed(shop, { payments: manual })

suite('a shop that was closed for some time', () => {
  test(
    'still waits for a payment by hand, and confirms the order when it is made',
    acrossRestart({
      before: byHand,
      closedMs: 12 * HOUR_MS,
      after: async (shop, orderId) => {
        await shop.idle()
        assert.equal((await shop.order(orderId)).status, 'PENDING')
        assert.equal((await shop.stockOf('LAMP')).held, 2)
        await shop.patch(orderId, 'PAGO')
        await shop.idle()
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      },
    }),
  )

  test(
    'cancels at once what was over meanwhile, and gives the stock back once',
    acrossRestart({
      before: byHand,
      closedMs: 72 * HOUR_MS,
      after: async (shop, orderId) => {
        await shop.advance(1000)
        assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
        assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [5, 0])
      },
    }),
  )

  test(
    'asks what became of a payment that was under way, and takes it once',
    acrossRestart({
      before: (shop) => placed(shop, { reference: 'SLOW-30000' }),
      closedMs: MINUTE_MS,
      after: async (shop, orderId) => {
        await shop.advance(1000)
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        assert.deepEqual([shop.gateway.worked().captures, shop.gateway.balanceOf(orderId)], [1, 2000n])
      },
    }),
  )

  test(
    'confirms an order whose money landed meanwhile: the answer is there, so the limit that is over means nothing',
    acrossRestart({
      before: (shop) => placed(shop, { reference: 'SLOW-600000' }),
      closedMs: HOUR_MS,
      after: async (shop, orderId) => {
        await shop.advance(MINUTE_MS)
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        assert.deepEqual([shop.gateway.worked().captures, shop.gateway.balanceOf(orderId)], [1, 2000n])
        assert.equal((await shop.stockOf('LAMP')).onHand, 3)
      },
    }),
  )

  test(
    'asks what became of a booking that was under way, and goes on with its cancellation',
    acrossRestart({
      before: async (shop) => {
        const orderId = await placed(shop, { reference: 'SLOW-SHIPMENT-30000' })
        expectStatus(await shop.patch(orderId, 'CANCELLED'), 202)
        await shop.idle()
        return orderId
      },
      closedMs: MINUTE_MS,
      after: async (shop, orderId) => {
        await shop.advance(1000)
        assert.equal((await shop.order(orderId)).reason, 'CLIENT')
        assert.deepEqual(shop.carrier.worked(), { bookings: 1, cancellations: 1 })
        assert.equal(shop.gateway.balanceOf(orderId), 0n)
      },
    }),
  )

  test(
    'remembers the keys and references of before',
    acrossRestart({
      before: async (shop) => {
        const headers = { 'idempotency-key': 'one' }
        const clientId = await shop.client()
        return shop.placeOrder({ clientId, reference: 'A-1' }, { headers })
      },
      closedMs: HOUR_MS,
      after: async (shop, { orderId, clientId }) => {
        const placing = { clientId, reference: 'A-1' }
        const again = await shop.place(placing, { headers: { 'idempotency-key': 'one' } })
        assert.equal(expectStatus(again, 201).orderId, orderId)
        assert.equal((await shop.place(placing)).status, 409)
      },
    }),
  )
})
