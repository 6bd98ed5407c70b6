// Answers that come after their limit: whatever they say, the order has gone on, and what they did is undone.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

suite('a payment that is not answered within five minutes', () => {
  test(
    'stops its order, and money that lands later is given back before the order is cancelled',
    inShop(async (shop) => {
      await shop.product({ quantity: 3 })
      const { orderId } = await shop.placeOrder({ quantity: 3, reference: 'SLOW-400000' })
      await shop.advance(401_000)
      assert.equal(shop.gateway.balanceOf(orderId), 3000n)
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      await shop.advance(5 * MINUTE_MS)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'PAYMENT_TIMEOUT'])
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 1 })
      assert.equal((await shop.stockOf('LAMP')).available, 3)
      assert.match(shop.mails().at(-2)?.text ?? '', /did not arrive in time/)
      assert.match(shop.mails().at(-1)?.text ?? '', /given back 30.00 EUR/)
    }),
  )

  test(
    'and of which the gateway says at last that it took nothing leaves nothing to give back',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'TIMEOUT' })
      await shop.advance(12 * MINUTE_MS)
      assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 0 })
      assert.deepEqual(shop.gateway.ledger(), [])
      assert.deepEqual(
        (await shop.notificationsOf(orderId)).map(({ template }) => template),
        ['order-cancelled'],
      )
    }),
  )

  test(
    'holds its stock no longer than the hold lasts, even while the gateway still works on it',
    inShop(async (shop) => {
      await shop.product({ quantity: 1 })
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-2000000' })
      await shop.advance(10 * MINUTE_MS)
      assert.equal((await shop.stockOf('LAMP')).available, 0)
      await shop.advance(2 * MINUTE_MS)
      assert.equal(await shop.statusAt('reservations', orderId), 'expired')
      assert.equal((await shop.order(orderId)).needsPerson, undefined)
      const next = await shop.placeOrder()
      await shop.idle()
      assert.equal((await shop.order(next.orderId)).status, 'CONFIRMED')
      await shop.advance(HOUR_MS)
      assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
    }),
  )

  test(
    'nor for an hour after that calls a person, and its late answer still ends the order',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000000' })
      await shop.advance(70 * MINUTE_MS)
      const flagged = await shop.order(orderId)
      assert.deepEqual([flagged.status, flagged.needsPerson], ['PENDING', ['pay']])
      assert.equal((await shop.orders()).items[0]?.needsPerson, true)
      await shop.advance(3 * HOUR_MS)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason, order.needsPerson], ['CANCELLED', 'PAYMENT_TIMEOUT', undefined])
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 1 })
    }),
  )

  test(
    'may have longer where the shop sets another limit',
    inShop(
      async (shop) => {
        await shop.product()
        const { orderId } = await shop.placeOrder({ reference: 'SLOW-400000' })
        await shop.advance(12 * MINUTE_MS)
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      },
      { limits: { pay: '30 min' } },
    ),
  )
})

suite('a shipment that is not answered within an hour', () => {
  test(
    'but within the limit confirms its order',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-SHIPMENT-1000000' })
      await shop.advance(29 * MINUTE_MS)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.carrier.worked().bookings, 1)
    }),
  )

  test(
    'is undone: money and goods come back, a person is called, and the late booking is cancelled',
    inShop(async (shop) => {
      await shop.product({ quantity: 2 })
      const { orderId } = await shop.placeOrder({ quantity: 2, reference: 'SLOW-SHIPMENT-4000000' })
      await shop.advance(HOUR_MS + MINUTE_MS)
      assert.equal((await shop.stockOf('LAMP')).onHand, 0)
      await shop.advance(HOUR_MS)
      assert.deepEqual((await shop.order(orderId)).needsPerson, ['ship'])
      assert.equal((await shop.stockOf('LAMP')).onHand, 2)
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      await shop.advance(HOUR_MS)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'SHIPMENT_REFUSED'])
      assert.deepEqual(shop.carrier.worked(), { bookings: 1, cancellations: 1 })
    }),
  )
})
