// Orders that want more than there is: refused as a whole, and nothing of them is left anywhere.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inShop } from '../../src/testing/shop.ts'

suite('not enough stock', () => {
  test(
    'of one of two products cancels the whole order and holds nothing of the other',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', quantity: 10 })
      await shop.product({ sku: 'RUG', quantity: 1 })
      const { orderId } = await shop.placeOrder({
        items: [
          { sku: 'LAMP', quantity: 2 },
          { sku: 'RUG', quantity: 2 },
        ],
      })
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'OUT_OF_STOCK'])
      assert.deepEqual((await shop.stockOf('LAMP')).available, 10)
      assert.deepEqual((await shop.stockOf('RUG')).available, 1)
      assert.deepEqual(await shop.eventsOf(orderId), ['OrderPlaced', 'OrderCancelled'])
    }),
  )

  test(
    'is said with what was wanted and what there was, and no money is asked for',
    inShop(async (shop) => {
      await shop.product({ quantity: 3 })
      const { orderId } = await shop.placeOrder({ quantity: 4 })
      await shop.idle()
      const { body } = await shop.as('reader').get<Record<string, unknown>>(`/v1/reservations/${orderId}`)
      assert.deepEqual(body['missing'], [{ sku: 'LAMP', wanted: 4, available: 3 }])
      assert.equal(shop.gateway.worked().captures, 0)
      assert.equal(await shop.statusAt('payments', orderId), undefined)
      assert.match(shop.mails().at(-1)?.text ?? '', /sold out/)
      assert.deepEqual(
        (await shop.notificationsOf(orderId)).map(({ template }) => template),
        ['order-cancelled'],
      )
    }),
  )

  test(
    'shows when a SKU is named twice and only the sum is too much',
    inShop(async (shop) => {
      await shop.product({ quantity: 10 })
      const twice = (first: number, second: number) => ({
        items: [
          { sku: 'LAMP', quantity: first },
          { sku: 'LAMP', quantity: second },
        ],
      })
      const tooMuch = await shop.placeOrder(twice(6, 5))
      await shop.idle()
      assert.equal((await shop.order(tooMuch.orderId)).reason, 'OUT_OF_STOCK')
      const all = await shop.placeOrder(twice(6, 4))
      await shop.idle()
      assert.equal((await shop.order(all.orderId)).status, 'CONFIRMED')
      assert.deepEqual((await shop.stockOf('LAMP')).onHand, 0)
    }),
  )

  test(
    'leaves what it did not get to the next who wants less',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      const [big, small] = [await shop.placeOrder({ quantity: 6 }), await shop.placeOrder({ quantity: 5 })]
      await shop.idle()
      assert.equal((await shop.order(big.orderId)).status, 'CANCELLED')
      assert.equal((await shop.order(small.orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'that a live order holds is not sold again, and is sold once that order is cancelled',
    inShop(async (shop) => {
      await shop.product({ quantity: 2 })
      const holding = await shop.placeOrder({ quantity: 2, payments: [{ method: 'manual' }] })
      await shop.idle()
      const early = await shop.placeOrder({ quantity: 1 })
      await shop.idle()
      assert.equal((await shop.order(early.orderId)).reason, 'OUT_OF_STOCK')
      await shop.patch(holding.orderId, 'CANCELLED')
      await shop.idle()
      const late = await shop.placeOrder({ quantity: 2 })
      await shop.idle()
      assert.equal((await shop.order(late.orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'for all of sixty buyers at once is sold to exactly as many as there are pieces',
    inShop(async (shop) => {
      await shop.product({ quantity: 25 })
      await shop.client()
      await Promise.all(Array.from({ length: 60 }, () => shop.placeOrder()))
      await shop.idle()
      const { items } = await shop.orders('?limit=500')
      const count = (status: string) => items.filter((order) => order.status === status).length
      assert.deepEqual([count('CONFIRMED'), count('CANCELLED'), items.length], [25, 35, 60])
      assert.equal(shop.gateway.ledger().length, 25)
    }),
  )
})
