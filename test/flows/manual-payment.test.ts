// Payments by hand: somebody sees the money and says so, or nobody does and the stock is free again a day later.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal } from '../../src/testing/shop-calls.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const manual = [{ method: 'manual' }]

suite('an order that is paid by hand', () => {
  test(
    'waits, holds its stock, and is confirmed once somebody says PAGO',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      const { orderId } = await shop.placeOrder({ quantity: 2, payments: manual })
      await shop.advance(23 * HOUR_MS)
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [5, 2])
      const { status } = await shop.patch(orderId, 'PAGO')
      assert.equal(status, 202)
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [3, 0])
      assert.deepEqual(shop.gateway.ledger(), [])
      assert.deepEqual(await shop.eventsOf(orderId), [
        'OrderPlaced',
        'ManualPaymentReceived',
        'OrderPaid',
        'OrderConfirmed',
      ])
    }),
  )

  test(
    'is answered with what came of it where the caller waits for it',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: manual })
      await shop.idle()
      const settled = shop.patch(orderId, 'PAID', { headers: { prefer: 'wait=5' } })
      const { status, body, headers } = await shop.during(5000, settled)
      assert.deepEqual([status, headers['preference-applied']], [200, 'wait=5'])
      assert.match(body.status, /^(PAID|CONFIRMED)$/)
    }),
  )

  test(
    'may be said to be paid twice, and is confirmed once',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: manual })
      await shop.idle()
      await Promise.all([shop.patch(orderId, 'PAID'), shop.patch(orderId, 'PAGO')])
      await shop.idle()
      assert.equal((await shop.patch(orderId, 'PAGO')).status, 200)
      const confirmed = (await shop.eventsOf(orderId)).filter((name) => name === 'OrderConfirmed')
      assert.equal(confirmed.length, 1)
    }),
  )

  test(
    'and is never paid is cancelled a day later, and its stock is free again',
    inShop(async (shop) => {
      await shop.product({ quantity: 2 })
      const { orderId } = await shop.placeOrder({ quantity: 2, payments: manual })
      await shop.advance(24 * HOUR_MS - 1000)
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.equal((await shop.stockOf('LAMP')).available, 0)
      await shop.advance(2000)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'PAYMENT_TIMEOUT'])
      assert.equal((await shop.stockOf('LAMP')).available, 2)
      assert.equal(await shop.statusAt('reservations', orderId), 'released')
      expectRefusal(await shop.patch(orderId, 'PAGO'), 409, 'ORDER_TRANSITION')
      await shop.advance(HOUR_MS)
      assert.equal(await shop.statusAt('reservations', orderId), 'released')
      assert.equal(await shop.orders().then(({ items }) => items[0]?.status), 'CANCELLED')
    }),
  )

  test(
    'waits as long as the shop sets',
    inShop(
      async (shop) => {
        await shop.product()
        const { orderId } = await shop.placeOrder({ payments: manual })
        await shop.advance(9 * MINUTE_MS)
        assert.equal((await shop.order(orderId)).status, 'PENDING')
        await shop.advance(2 * MINUTE_MS)
        assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
      },
      { limits: { manualPay: '10 min' } },
    ),
  )

  test(
    'is not paid by hand when it is to be paid by card, nor when it is being cancelled',
    inShop(async (shop) => {
      await shop.product()
      const card = await shop.placeOrder({ reference: 'SLOW-60000' })
      await shop.idle()
      expectRefusal(await shop.patch(card.orderId, 'PAID'), 409, 'ORDER_TRANSITION')
      await shop.patch(card.orderId, 'CANCELADO')
      expectRefusal(await shop.patch(card.orderId, 'PAGO'), 409, 'ORDER_TRANSITION')
      await shop.advance(4 * MINUTE_MS)
      assert.equal((await shop.order(card.orderId)).reason, 'CLIENT')
    }),
  )
})
