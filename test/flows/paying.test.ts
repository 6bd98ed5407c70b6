// Money: declined, split into parts that count as one, and answers that are lost or slow but in time.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inShop } from '../../src/testing/shop.ts'

suite('a payment that is declined', () => {
  test(
    'cancels the order, gives the stock back and says why',
    inShop(async (shop) => {
      await shop.product({ quantity: 4 })
      const { orderId } = await shop.placeOrder({ quantity: 4, reference: 'DECLINE-INSUFFICIENT_FUNDS' })
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'PAYMENT_DECLINED'])
      const payment = await shop.payment(orderId)
      assert.deepEqual([payment.status, payment.declineReason], ['declined', 'INSUFFICIENT_FUNDS'])
      assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [4, 0])
      assert.equal(await shop.statusAt('reservations', orderId), 'released')
      assert.match(shop.mails().at(-1)?.text ?? '', /your payment was declined/)
      assert.equal(shop.compensations(), 1)
    }),
  )

  test(
    'in its second part gives the first part back, and nothing is kept',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'card', amount: '4.00' },
        { method: 'pix', amount: '6.00' },
      ]
      const { orderId } = await shop.placeOrder({ payments, reference: 'DECLINE2-LIMIT' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).reason, 'PAYMENT_DECLINED')
      const { parts } = await shop.payment(orderId)
      assert.deepEqual(
        parts.map(({ status }) => status),
        ['refunded', 'declined'],
      )
      assert.deepEqual(shop.gateway.worked(), { captures: 2, refunds: 1 })
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      assert.deepEqual(shop.gateway.ledger()[0]?.capturedMinor, 400n)
    }),
  )

  test(
    'in its first part never asks for the second',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'card', amount: '4.00' },
        { method: 'card', amount: '6.00' },
      ]
      const { orderId } = await shop.placeOrder({ payments, reference: 'DECLINE1-LIMIT' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).reason, 'PAYMENT_DECLINED')
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 0 })
    }),
  )
})

suite('payments in parts', () => {
  test(
    'are one capture: each part is taken once, and the order is paid when all are',
    inShop(async (shop) => {
      await shop.product()
      const amounts = ['3.33', '3.33', '3.34']
      const payments = amounts.map((amount) => ({ method: 'card', amount }))
      const { orderId } = await shop.placeOrder({ payments })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      assert.equal(shop.gateway.worked().captures, 3)
      assert.deepEqual(await shop.eventsOf(orderId, 'payments'), ['PaymentCaptured'])
    }),
  )

  test(
    'may be paid in part by hand: the rest is taken when the person has the money',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'manual', amount: '2.50' },
        { method: 'card', amount: '7.50' },
      ]
      const { orderId } = await shop.placeOrder({ payments })
      await shop.idle()
      assert.equal(await shop.statusAt('payments', orderId), 'awaiting-manual')
      assert.equal(shop.gateway.worked().captures, 0)
      await shop.patch(orderId, 'PAID')
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.balanceOf(orderId), 750n)
    }),
  )

  test(
    'of which a later one is declined leave a part paid by hand to be given back by hand',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'manual', amount: '2.50' },
        { method: 'card', amount: '7.50' },
      ]
      const { orderId } = await shop.placeOrder({ payments, reference: 'DECLINE2-STOLEN' })
      await shop.idle()
      await shop.patch(orderId, 'PAGO')
      await shop.idle()
      assert.equal((await shop.order(orderId)).reason, 'PAYMENT_DECLINED')
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 0 })
    }),
  )
})

suite('a payment whose answer is lost', () => {
  test(
    'is asked for and not taken twice',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'LOSE-ANSWER' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.worked().captures, 1)
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
    }),
  )

  test(
    'shows in the story as a failed try and an answer at the second',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'LOSE-ANSWER' })
      await shop.idle()
      await shop.advance(1000)
      const tries = (await shop.story(orderId)).filter(({ name }) => name === 'captureAtGateway')
      assert.match(tries[0]?.cause ?? '', /^try 1 failed: The connection broke/)
      assert.match(tries[1]?.cause ?? '', /^answered at try 2/)
    }),
  )

  test(
    'in one of its parts is asked for before the next part is taken',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'card', amount: '4.00' },
        { method: 'card', amount: '6.00' },
      ]
      const { orderId } = await shop.placeOrder({ payments, reference: 'LOSE-ANSWER' })
      await shop.idle()
      assert.equal(shop.gateway.worked().captures, 1)
      await shop.advance(2000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.deepEqual([shop.gateway.worked().captures, shop.gateway.balanceOf(orderId)], [2, 1000n])
    }),
  )

  test(
    'when it is given back is asked for, and the money is given back once',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT LOSE-REFUND' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'PAID')
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).reason, 'SHIPMENT_REFUSED')
      assert.equal(shop.gateway.worked().refunds, 1)
    }),
  )
})

suite('a slow payment', () => {
  test(
    'within the limit of its order confirms it, however often it was asked for',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-120000' })
      await shop.advance(110_000)
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.equal((await shop.stockOf('LAMP')).held, 1)
      await shop.advance(60_000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.worked().captures, 1)
    }),
  )

  test(
    'holds up nobody else',
    inShop(async (shop) => {
      await shop.product()
      const slow = await shop.placeOrder({ reference: 'SLOW-60000' })
      const quick = await shop.placeOrder()
      await shop.idle()
      assert.equal((await shop.order(quick.orderId)).status, 'CONFIRMED')
      assert.equal((await shop.order(slow.orderId)).status, 'PENDING')
      await shop.advance(200_000)
      assert.equal((await shop.order(slow.orderId)).status, 'CONFIRMED')
    }),
  )
})
