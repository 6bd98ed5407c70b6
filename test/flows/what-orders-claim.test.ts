// What an order claims has to be true: clients, products, prices, sums and currencies are checked before it is placed.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Placing } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const nobody = '00000000-0000-7000-8000-00000000dead'

/** An order that is refused leaves no order, no hold and no money. */
async function assertRefused(shop: Shop, placing: Placing, code: string) {
  const details = expectRefusal(await shop.during(2500, shop.place(placing)), 422, code)
  assert.deepEqual((await shop.orders()).items, [])
  assert.deepEqual(shop.gateway.ledger(), [])
  return details
}

suite('an order', () => {
  test(
    'of a client whom nobody knows is refused once the shop has waited for news of him',
    inShop(async (shop) => {
      await shop.product()
      const startedAt = shop.clock.now()
      let answeredAt = 0
      const answer = shop.place({ clientId: nobody }).finally(() => (answeredAt = shop.clock.now()))
      const details = expectRefusal(await shop.during(5000, answer), 422, 'CLIENT_UNKNOWN')
      assert.equal(details?.['clientId'], nobody)
      assert.ok(answeredAt - startedAt >= 2000 && answeredAt - startedAt < 2200, `${answeredAt - startedAt} ms`)
      assert.deepEqual((await shop.orders()).items, [])
    }),
  )

  test(
    'of a product that nobody knows, by SKU or by id, is refused',
    inShop(async (shop) => {
      const { productId } = await shop.product({ sku: 'LAMP' })
      await shop.product({ sku: 'RUG' })
      assert.equal((await assertRefused(shop, { sku: 'TABLE' }, 'PRODUCT_UNKNOWN'))?.['sku'], 'TABLE')
      await assertRefused(shop, { items: [{ productId: nobody, quantity: 1 }] }, 'PRODUCT_UNKNOWN')
      await assertRefused(shop, { items: [{ productId, sku: 'RUG', quantity: 1 }] }, 'PRODUCT_UNKNOWN')
    }),
  )

  test(
    'of a client and a product that were added a moment ago is placed',
    inShop(async (shop) => {
      for (let round = 0; round < 20; round += 1) {
        const sku = `LAMP-${round}`
        await Promise.all([shop.product({ sku }), shop.client()]).then(([, clientId]) =>
          shop.placeOrder({ sku, clientId }),
        )
      }
      await shop.idle()
      assert.equal((await shop.orders('?status=CONFIRMED')).items.length, 20)
    }),
  )

  test(
    'of a product that is not sold at present is refused until it is sold again',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', active: false })
      assert.equal((await assertRefused(shop, {}, 'PRODUCT_INACTIVE'))?.['sku'], 'LAMP')
      const active = { name: 'Lamp', price: '10.00', active: true }
      expectStatus(await shop.as('clerk').put('/v1/products/LAMP', active), 200)
      await shop.idle()
      await shop.placeOrder()
    }),
  )

  test(
    'without items, or of quantities that are none, is refused',
    inShop(async (shop) => {
      await shop.product()
      await assertRefused(shop, { items: [] }, 'ORDER_EMPTY')
      for (const quantity of [0, -1, 1.5, 2 ** 31]) await assertRefused(shop, { quantity }, 'BODY_INVALID')
      const items = Array.from({ length: 501 }, () => ({ sku: 'LAMP', quantity: 1 }))
      await assertRefused(shop, { items }, 'BODY_INVALID')
    }),
  )

  test(
    'may have five hundred items',
    inShop(async (shop) => {
      await shop.product({ quantity: 1000 })
      const items = Array.from({ length: 500 }, () => ({ sku: 'LAMP', quantity: 2 }))
      const { itemsCount, orderId } = await shop.placeOrder({ items })
      assert.equal(itemsCount, 500)
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal((await shop.stockOf('LAMP')).onHand, 0)
    }),
  )
})

suite('the sums of an order', () => {
  test(
    'are told by the shop where the order says nothing of them',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00' })
      await shop.product({ sku: 'RUG', price: 99.99 })
      const items = [
        { sku: 'LAMP', quantity: 3 },
        { sku: 'RUG', quantity: 2 },
      ]
      const order = await shop.placeOrder({ items, tax: '12.5', shipping: 4 })
      assert.deepEqual([order.subtotal, order.tax, order.shipping, order.total], ['229.98', '12.50', '4.00', '246.48'])
      assert.deepEqual(order.payments, [{ method: 'card', amount: '246.48' }])
      assert.equal(order.priced, 'catalog')
    }),
  )

  test(
    'have to add up to its total, with tax and shipping',
    inShop(async (shop) => {
      await shop.product({ price: '10.00' })
      const details = await assertRefused(shop, { quantity: 2, tax: '1.00', total: '20.00' }, 'TOTAL_MISMATCH')
      assert.deepEqual([details?.['claimed'], details?.['total']], ['20.00', '21.00'])
      await assertRefused(shop, { total: '9.99' }, 'TOTAL_MISMATCH')
      expectStatus(await shop.place({ quantity: 2, tax: '1.00', shipping: '0.50', total: 21.5 }), 201)
    }),
  )

  test(
    'have to be what its payments add up to',
    inShop(async (shop) => {
      await shop.product({ price: '10.00' })
      const paying = (...amounts: readonly string[]) => ({
        payments: amounts.map((amount) => ({ method: 'card', amount })),
      })
      await assertRefused(shop, paying('9.99'), 'PAYMENTS_MISMATCH')
      await assertRefused(shop, paying('5.00', '5.01'), 'PAYMENTS_MISMATCH')
      const unsaid = { payments: [{ method: 'card', amount: '5.00' }, { method: 'pix' }] }
      await assertRefused(shop, unsaid, 'PAYMENTS_MISMATCH')
      expectStatus(await shop.place(paying('5.01', '4.99')), 201)
    }),
  )

  test(
    'fit the decimals of their currency',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00' })
      await shop.product({ sku: 'FAN', price: '500', currency: 'JPY' })
      await assertRefused(shop, { tax: '0.001' }, 'AMOUNT_INVALID')
      await assertRefused(shop, { sku: 'FAN', shipping: '0.5' }, 'AMOUNT_INVALID')
      await assertRefused(shop, { tax: '-1.00' }, 'BODY_INVALID')
      const { total, currency } = await shop.placeOrder({ sku: 'FAN', quantity: 2, shipping: 50 })
      assert.deepEqual([total, currency], ['1050', 'JPY'])
    }),
  )

  test(
    'are of one currency',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00', currency: 'EUR' })
      await shop.product({ sku: 'MUG', price: '8.00', currency: 'GBP' })
      const items = [
        { sku: 'LAMP', quantity: 1 },
        { sku: 'MUG', quantity: 1 },
      ]
      assert.equal((await assertRefused(shop, { items }, 'CURRENCY_MIXED'))?.['sku'], 'MUG')
      await assertRefused(shop, { sku: 'LAMP', currency: 'GBP' }, 'CURRENCY_MIXED')
      const { currency } = await shop.placeOrder({ sku: 'MUG' })
      assert.equal(currency, 'GBP')
    }),
  )
})

suite('the price of an item', () => {
  test(
    "has to be the catalog's, as it is now",
    inShop(async (shop) => {
      await shop.product({ price: '10.00' })
      const at = (price: string) => ({ items: [{ sku: 'LAMP', quantity: 1, price }] })
      assert.equal((await assertRefused(shop, at('9.00'), 'PRICE_MISMATCH'))?.['price'], '10.00')
      expectStatus(await shop.as('clerk').put('/v1/products/LAMP', { name: 'Lamp', price: '9.00' }), 200)
      await shop.idle()
      await assertRefused(shop, at('10.00'), 'PRICE_MISMATCH')
      const { total, priced } = await shop.placeOrder(at('9'))
      assert.deepEqual([total, priced], ['9.00', 'catalog'])
    }),
  )

  test(
    'may be quoted by an importer, in a currency of his own, and by nobody weaker',
    inShop(async (shop) => {
      await shop.product({ price: '10.00' })
      const quoted = { items: [{ sku: 'LAMP', quantity: 3, price: '2.55' }], currency: 'GBP' }
      expectRefusal(await shop.place(quoted, { role: 'clerk' }), 422, 'CURRENCY_MIXED')
      const order = expectStatus(await shop.place(quoted, { role: 'importer' }), 201)
      assert.deepEqual([order.priced, order.total, order.currency], ['quoted', '7.65', 'GBP'])
      await shop.idle()
      assert.equal(shop.gateway.balanceOf(order.orderId), 765n)
      expectRefusal(await shop.place(quoted, { role: 'reader' }), 403, 'ROLE_MISSING')
    }),
  )
})
