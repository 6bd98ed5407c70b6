// Cancelling: at each step of the road, at the last moment, too late, and in one batch with the confirmation.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import type { BookingResult } from '../../src/services/shipping/adapters/carrier.ts'
import { pausableStore } from '../../src/testing/pausable-store.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop, startShop } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const MINUTE_MS = 60_000

async function assertUndone(shop: Shop, orderId: string, reason: string): Promise<void> {
  const order = await shop.order(orderId)
  assert.deepEqual([order.status, order.reason, order.cancelling], ['CANCELLED', reason, undefined])
  assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [10, 0])
  assert.equal(shop.gateway.balanceOf(orderId), 0n)
}

/** A shop whose inventory lies in a database of its own, on which nobody may work for a while. */
async function withPausableInventory(body: (shop: Shop, inventory: ReturnType<typeof pausableStore>) => Promise<void>) {
  const inventory = pausableStore(openSqlite({ path: ':memory:' }))
  const shop = await startShop({ stores: { inventory } })
  try {
    await shop.product()
    await shop.client()
    await body(shop, inventory)
    await assertSound(shop)
    // The pause is a database that is away: that may be complained about.
    shop.complaints.splice(0)
  } finally {
    inventory.resume()
    await shop.stop()
    await inventory.close()
  }
}

suite('an order that is cancelled', () => {
  test('while its stock is asked for never holds any', () =>
    withPausableInventory(async (shop, inventory) => {
      inventory.pause()
      const { orderId } = await shop.placeOrder()
      await shop.advance(1000)
      assert.equal((await shop.patch(orderId, 'CANCELLED')).status, 202)
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).cancelling, 'CLIENT')
      inventory.resume()
      await shop.advance(1000)
      await assertUndone(shop, orderId, 'CLIENT')
      assert.equal(shop.gateway.worked().captures, 0)
    }))

  test(
    'while its money is taken gets it back when it has landed, and its stock is free',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-30000' })
      await shop.advance(5000)
      const { status, body } = await shop.patch(orderId, 'CANCELADO')
      assert.deepEqual([status, body.status, body.cancelling], [202, 'PENDING', 'CLIENT'])
      await shop.advance(2 * MINUTE_MS)
      await assertUndone(shop, orderId, 'CLIENT')
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 1 })
    }),
  )

  test(
    'while it waits to be paid by hand is cancelled at once',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.idle()
      await shop.patch(orderId, 'CANCELLED')
      await shop.idle()
      await assertUndone(shop, orderId, 'CLIENT')
    }),
  )

  test('while its goods are taken off the stock gets them put back', () =>
    withPausableInventory(async (shop, inventory) => {
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.advance(1000)
      inventory.pause()
      await shop.advance(5000)
      assert.equal((await shop.order(orderId)).status, 'PAID')
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      await shop.patch(orderId, 'CANCELLED')
      await shop.advance(5000)
      inventory.resume()
      await shop.advance(2000)
      await assertUndone(shop, orderId, 'CLIENT')
      assert.equal(await shop.statusAt('reservations', orderId), 'restocked')
    }))

  test('while its goods can not be taken off the stock in time ends as out of stock', () =>
    withPausableInventory(async (shop, inventory) => {
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.advance(1000)
      inventory.pause()
      await shop.advance(MINUTE_MS)
      inventory.resume()
      await shop.advance(2000)
      await assertUndone(shop, orderId, 'OUT_OF_STOCK')
    }))

  test(
    'while its shipment is booked gets the booking cancelled, the goods and the money back',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ quantity: 4, reference: 'SLOW-SHIPMENT-8000' })
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'PAID')
      assert.equal((await shop.stockOf('LAMP')).onHand, 6)
      await shop.patch(orderId, 'CANCELLED')
      await shop.advance(10_000)
      await assertUndone(shop, orderId, 'CLIENT')
      assert.deepEqual(shop.carrier.worked(), { bookings: 1, cancellations: 1 })
    }),
  )

  test(
    'by an operator says so',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.idle()
      await shop.patch(orderId, 'CANCELLED', { role: 'operator' })
      await shop.idle()
      await assertUndone(shop, orderId, 'OPERATOR')
    }),
  )

  test(
    'twice is cancelled once, for the first reason',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.idle()
      assert.equal((await shop.patch(orderId, 'CANCELLED')).status, 202)
      assert.equal((await shop.patch(orderId, 'CANCELLED', { role: 'operator' })).status, 202)
      await shop.advance(6000)
      assert.equal((await shop.patch(orderId, 'CANCELLED')).status, 200)
      await assertUndone(shop, orderId, 'CLIENT')
      const told = await shop.notificationsOf(orderId)
      assert.deepEqual(told.map(({ template }) => template).toSorted(), ['order-cancelled', 'order-refunded'])
    }),
  )

  test(
    'is answered when all is undone where the caller waits',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.idle()
      const cancelling = shop.patch(orderId, 'CANCELLED', { headers: { prefer: 'wait=30' } })
      const answer = await shop.during(8000, cancelling)
      assert.equal(expectStatus(answer, 200).status, 'CANCELLED')
    }),
  )

  test(
    'after it was confirmed is not: that is what returns are for',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder()
      await shop.idle()
      const details = expectRefusal(await shop.patch(orderId, 'CANCELLED'), 409, 'ORDER_TRANSITION')
      assert.deepEqual([details?.['from'], details?.['to']], ['CONFIRMED', 'CANCELLED'])
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    }),
  )
})

type Gate = PromiseWithResolvers<BookingResult>

/** A shop whose order has everything but the carrier's word. */
function atTheLastMoment(body: (shop: Shop, orderId: string, gate: Gate) => Promise<void>) {
  const gate = Promise.withResolvers<BookingResult>()
  const story = async (shop: Shop) => {
    await shop.product()
    const { orderId } = await shop.placeOrder()
    await shop.idle()
    assert.equal((await shop.order(orderId)).status, 'PAID')
    await body(shop, orderId, gate)
  }
  return inShop(story, { adapters: ({ carrier }) => ({ carrier: { ...carrier, book: () => gate.promise } }) })
}

const booked = { outcome: 'booked', carrier: 'a test', trackingNumber: 'T-1' } as const

/** Sends the cancellation and returns when it waits for its batch. */
async function cancelLater(shop: Shop, orderId: string) {
  const before = shop.submissions()
  const answer = shop.patch(orderId, 'CANCELLED')
  await waitFor(() => shop.submissions() > before, { withinMs: 5000, what: 'the cancellation came in' })
  return { answer }
}

/** The two messages were written by one transaction. */
async function assertOneBatch({ lonja }: Shop, said: Readonly<Record<string, string>>): Promise<void> {
  const transactions = await Promise.all(
    Object.entries(said).map(async ([service, type]) => {
      const sql = 'SELECT transaction_id FROM {log} WHERE body LIKE ?'
      return lonja.reader(service).rows<{ readonly transaction_id: number }>(sql, [`%"${type}"%`])
    }),
  )
  const [one, other] = transactions.map(([row]) => row?.transaction_id)
  assert.ok(one !== undefined && one === other, `written by ${one} and ${other}`)
}

/** Lets promises that are settled be heard. */
function heard(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

suite('confirming and cancelling in one batch', () => {
  test(
    'ends cancelled where the carrier answered just before',
    atTheLastMoment(async (shop, orderId, gate) => {
      const cancelling = await shop.inOneBatch(async () => {
        gate.resolve(booked)
        await heard()
        return cancelLater(shop, orderId)
      })
      assert.equal((await cancelling.answer).status, 202)
      await shop.idle()
      await assertOneBatch(shop, { orders: 'CancellationRequested', shipping: 'ShipmentBooked' })
      await assertUndone(shop, orderId, 'CLIENT')
      assert.equal(shop.carrier.worked().cancellations, 1)
      assert.ok(!(await shop.eventsOf(orderId)).includes('OrderConfirmed'))
    }),
  )

  test(
    'ends cancelled where the carrier answered just after',
    atTheLastMoment(async (shop, orderId, gate) => {
      const cancelling = await shop.inOneBatch(async () => {
        const sent = await cancelLater(shop, orderId)
        gate.resolve(booked)
        await heard()
        return sent
      })
      assert.equal((await cancelling.answer).status, 202)
      await shop.idle()
      await assertOneBatch(shop, { orders: 'CancellationRequested', shipping: 'ShipmentBooked' })
      await assertUndone(shop, orderId, 'CLIENT')
      assert.equal(shop.carrier.worked().cancellations, 1)
    }),
  )

  test(
    'is not what happens where the confirmation is committed one batch before: the cancellation is refused',
    atTheLastMoment(async (shop, orderId, gate) => {
      await shop.inOneBatch(async () => {
        gate.resolve(booked)
        await heard()
      })
      expectRefusal(await shop.patch(orderId, 'CANCELLED'), 409, 'ORDER_TRANSITION')
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.carrier.worked().cancellations, 0)
    }),
  )

  test(
    'and a carrier that refuses end as one cancellation, for the reason that came first',
    atTheLastMoment(async (shop, orderId, gate) => {
      const cancelling = await shop.inOneBatch(async () => {
        gate.resolve({ outcome: 'refused', reason: 'TOO_HEAVY' })
        await heard()
        return cancelLater(shop, orderId)
      })
      assert.equal((await cancelling.answer).status, 202)
      await shop.idle()
      await assertOneBatch(shop, { orders: 'CancellationRequested', shipping: 'ShipmentRefused' })
      const { status, reason } = await shop.order(orderId)
      assert.equal(status, 'CANCELLED')
      assert.match(reason ?? '', /^(CLIENT|SHIPMENT_REFUSED)$/)
      assert.equal((await shop.eventsOf(orderId)).filter((name) => name === 'OrderCancelled').length, 1)
    }),
  )
})
