// Returns: goods back on stock, money back at the price paid, never more than was bought, never twice.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as payments from '../../src/services/payments/contract.ts'
import { expectRefusal, expectStatus, statusesOf } from '../../src/testing/shop-calls.ts'
import type { ReturnView } from '../../src/testing/shop-helpers.ts'
import type { Placing } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000

async function confirmed(shop: Shop, placing: Placing): Promise<string> {
  const { orderId } = await shop.placeOrder(placing)
  await shop.idle()
  assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
  return orderId
}

async function returnOf(shop: Shop, orderId: string, returnId: string): Promise<ReturnView> {
  return expectStatus(await shop.as('reader').get<ReturnView>(`/v1/orders/${orderId}/returns/${returnId}`), 200)
}

suite('a return', () => {
  test(
    'of some pieces puts them on stock, gives their price back and tells the client',
    inShop(async (shop) => {
      await shop.product({ price: '10.00', quantity: 10 })
      const orderId = await confirmed(shop, { quantity: 3 })
      const answer = await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 2 }], reason: 'too dark' })
      const { returnId, amount, status } = expectStatus(answer, 201)
      assert.deepEqual([amount, status], ['20.00', 'REQUESTED'])
      assert.equal(answer.headers['location'], `/v1/orders/${orderId}/returns/${returnId}`)
      await shop.idle()
      assert.deepEqual((await returnOf(shop, orderId, returnId)).status, 'COMPLETED')
      assert.equal((await shop.stockOf('LAMP')).onHand, 9)
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      assert.match(shop.mails().at(-1)?.text ?? '', /given back 20.00 EUR/)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.returns.length, order.returns[0]?.reason], ['CONFIRMED', 1, 'too dark'])
    }),
  )

  test(
    'of two products, each at the price that was paid for it, whatever the catalog says today',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00' })
      await shop.product({ sku: 'RUG', price: '99.99' })
      const items = [
        { sku: 'LAMP', quantity: 2 },
        { sku: 'RUG', quantity: 2 },
      ]
      const orderId = await confirmed(shop, { items })
      expectStatus(await shop.as('clerk').put('/v1/products/RUG', { name: 'Rug', price: '1.00' }), 200)
      const back = { items: items.map(({ sku }) => ({ sku, quantity: 1 })) }
      const { amount, returnId } = expectStatus(await shop.giveBack(orderId, back), 201)
      assert.equal(amount, '109.99')
      await shop.idle()
      assert.equal((await returnOf(shop, orderId, returnId)).status, 'COMPLETED')
      assert.deepEqual([(await shop.stockOf('LAMP')).onHand, (await shop.stockOf('RUG')).onHand], [9, 9])
      assert.equal(shop.gateway.balanceOf(orderId), 10_999n)
    }),
  )

  test(
    'after return takes all, and not one piece or cent more',
    inShop(async (shop) => {
      await shop.product({ price: '3.33', quantity: 3 })
      const orderId = await confirmed(shop, { quantity: 3, tax: '0.50', shipping: '4.00', total: '14.49' })
      const amounts: string[] = []
      for (const _ of [1, 2, 3]) {
        const answer = await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
        amounts.push(expectStatus(answer, 201).amount)
        await shop.idle()
      }
      const refunded = amounts.reduce((sum, amount) => sum + Math.round(Number(amount) * 100), 0)
      assert.equal(refunded, 1049, `goods and tax, not the shipping: ${amounts.join(' + ')}`)
      assert.equal(shop.gateway.balanceOf(orderId), 400n)
      const more = await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
      const details = expectRefusal(more, 422, 'RETURN_TOO_MUCH')
      assert.deepEqual([details?.['sku'], details?.['returnable']], ['LAMP', 0])
      assert.equal((await shop.stockOf('LAMP')).onHand, 3)
    }),
  )

  test(
    'of more than was bought is refused, also when a SKU is named twice, and nothing moves',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3 })
      const twice = [
        { sku: 'LAMP', quantity: 2 },
        { sku: 'LAMP', quantity: 2 },
      ]
      expectRefusal(await shop.giveBack(orderId, { items: twice }), 422, 'RETURN_TOO_MUCH')
      expectRefusal(await shop.giveBack(orderId, { items: [{ sku: 'RUG', quantity: 1 }] }), 422, 'RETURN_TOO_MUCH')
      await shop.idle()
      assert.equal((await shop.stockOf('LAMP')).onHand, 7)
      assert.equal(shop.gateway.worked().refunds, 0)
    }),
  )

  test(
    'that is asked for at the same time as another is refused where both together are too much',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3 })
      const back = { items: [{ sku: 'LAMP', quantity: 2 }] }
      const answers = await Promise.all([shop.giveBack(orderId, back), shop.giveBack(orderId, back)])
      assert.deepEqual(statusesOf(answers), [201, 422])
      await shop.idle()
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
    }),
  )

  test(
    'repeated with the same key is one return and one refund',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3 })
      const back = { items: [{ sku: 'LAMP', quantity: 1 }] }
      const ask = () => shop.giveBack(orderId, back, { 'idempotency-key': 'return-1' })
      const [one, other] = await Promise.all([ask(), ask()])
      assert.equal(expectStatus(one, 201).returnId, expectStatus(other, 201).returnId)
      await shop.idle()
      const again = await ask()
      assert.equal(expectStatus(again, 201).returnId, one.body.returnId)
      assert.equal(again.headers['idempotency-replayed'], 'true')
      await shop.idle()
      assert.equal((await shop.order(orderId)).returns.length, 1)
      assert.equal(shop.gateway.worked().refunds, 1)
      const changed = { items: [{ sku: 'LAMP', quantity: 2 }] }
      const reused = await shop.giveBack(orderId, changed, { 'idempotency-key': 'return-1' })
      expectRefusal(reused, 422, 'IDEMPOTENCY_KEY_REUSED')
    }),
  )

  test(
    'with a reference is made once',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3 })
      const back = { items: [{ sku: 'LAMP', quantity: 1 }], reference: 'C536379' }
      const { returnId } = expectStatus(await shop.giveBack(orderId, back), 201)
      const details = expectRefusal(await shop.giveBack(orderId, back), 409, 'RETURN_REFERENCE_TAKEN')
      assert.equal(details?.['returnId'], returnId)
      await shop.idle()
      assert.equal((await shop.order(orderId)).returns[0]?.reference, 'C536379')
    }),
  )

  test(
    'is answered when it is done where the caller waits',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { reference: 'LOSE-REFUND' })
      const back = { items: [{ sku: 'LAMP', quantity: 1 }] }
      const asked = shop.giveBack(orderId, back, { prefer: 'wait=10' })
      const { status } = expectStatus(await shop.during(5000, asked), 201)
      assert.equal(status, 'COMPLETED')
      assert.equal(shop.gateway.worked().refunds, 1)
    }),
  )

  test(
    'of an order that is not confirmed, or of nothing, is refused',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      const back = { items: [{ sku: 'LAMP', quantity: 1 }] }
      expectRefusal(await shop.giveBack(orderId, back), 409, 'RETURN_NOT_POSSIBLE')
      await shop.advance(6000)
      expectRefusal(await shop.giveBack(orderId, { items: [] }), 422, 'BODY_INVALID')
      expectRefusal(await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 0 }] }), 422, 'BODY_INVALID')
      const nobody = '00000000-0000-7000-8000-00000000dead'
      expectRefusal(await shop.giveBack(nobody, back), 404, 'ORDER_NOT_FOUND')
    }),
  )
})

suite('the money of a return', () => {
  test(
    'comes out of the parts that the order was paid in',
    inShop(async (shop) => {
      await shop.product()
      const parts = [
        { method: 'card', amount: '12.00' },
        { method: 'pix', amount: '18.00' },
      ]
      const orderId = await confirmed(shop, { quantity: 3, payments: parts })
      await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 2 }] })
      await shop.idle()
      const { parts: paid } = await shop.payment(orderId)
      assert.deepEqual(
        paid.map(({ returned }) => returned),
        ['12.00', '8.00'],
      )
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
    }),
  )

  test(
    'that was paid by hand is given back by hand, and the return is completed',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.idle()
      await shop.patch(orderId, 'PAGO')
      await shop.idle()
      await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
      await shop.idle()
      assert.equal((await shop.order(orderId)).returns[0]?.status, 'COMPLETED')
      assert.equal(shop.gateway.worked().refunds, 0)
    }),
  )

  test(
    'that the gateway refuses takes the goods off the stock again, and rejects the return',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3, reference: 'REFUSE-REFUND' })
      const back = { items: [{ sku: 'LAMP', quantity: 2 }] }
      const { returnId } = expectStatus(await shop.giveBack(orderId, back), 201)
      await shop.idle()
      const { status, reason } = await returnOf(shop, orderId, returnId)
      assert.deepEqual([status, reason], ['REJECTED', 'REFUSED'])
      assert.equal((await shop.stockOf('LAMP')).onHand, 7)
      assert.equal(shop.gateway.balanceOf(orderId), 3000n)
      expectStatus(await shop.giveBack(orderId, back), 201)
    }),
  )

  test(
    'that is refused waits for goods that somebody else holds by now, and takes them when they are free',
    inShop(async (shop) => {
      await shop.product({ quantity: 1 })
      const orderId = await confirmed(shop, { reference: 'REFUSE-REFUND LOSE-REFUND' })
      const back = { items: [{ sku: 'LAMP', quantity: 1 }] }
      const { returnId } = expectStatus(await shop.giveBack(orderId, back), 201)
      await shop.idle()
      const other = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.advance(3 * MINUTE_MS)
      assert.equal((await returnOf(shop, orderId, returnId)).status, 'REQUESTED')
      assert.equal((await shop.stockOf('LAMP')).held, 1)
      await shop.patch(other.orderId, 'CANCELLED')
      await shop.advance(3 * MINUTE_MS)
      assert.equal((await returnOf(shop, orderId, returnId)).status, 'REJECTED')
      assert.equal((await shop.stockOf('LAMP')).onHand, 0)
    }),
  )

  test(
    'is never more than what is left of the capture, whoever asks for it',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3 })
      await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 2 }] })
      await shop.idle()
      const ask = (amount: string, returnId: string) =>
        shop.lonja.submit({
          service: 'payments',
          command: payments.RefundReturn({ orderId, returnId, amount, currency: 'EUR' }),
          reply: () => ({ status: 202 }),
          principal: 'somebody',
          role: 'admin',
          scope: undefined,
          bodyHash: '',
          traceparent: undefined,
        })
      await ask('10.01', '00000000-0000-7000-8000-000000000001')
      await shop.idle()
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      const refused = (await shop.story(orderId)).find(({ name }) => name === 'ReturnRefundRefused')
      assert.equal((refused?.data as { readonly reason?: string } | undefined)?.reason, 'ABOVE_CAPTURE')
    }),
  )

  test(
    'is counted in the window in which it was paid back, and on the day of its order',
    inShop(async (shop) => {
      await shop.product()
      const orderId = await confirmed(shop, { quantity: 3, orderedAt: '2026-01-15' })
      await shop.advance(10 * MINUTE_MS)
      await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
      await shop.idle()
      const [newest, oldest] = await shop.windows()
      assert.deepEqual([newest?.orders.returned, oldest?.orders.returned], [1, 0])
      assert.deepEqual([newest?.revenue[0]?.returned, oldest?.revenue[0]?.confirmed], ['10.00', '30.00'])
      const [day] = await shop.days()
      assert.deepEqual([day?.day, day?.revenue, day?.refunds], ['2026-01-15', '30.00', '10.00'])
    }),
  )
})
