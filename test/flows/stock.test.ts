// Stock as people see and correct it: levels, places, adjustments with a reason, and the warning when it runs low.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Page, StockView } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

function adjust(shop: Shop, body: object, sku = 'LAMP') {
  return shop.as('clerk').post<StockView>(`/v1/stock/${sku}/adjustments`, { reason: 'counted', ...body })
}

/** What was said of a SKU; what an order takes belongs to that order's story. */
async function saidOf(shop: Shop, key: string, type: string): Promise<unknown[]> {
  const story = await shop.lonja.story(key)
  return story.filter(({ name }) => name === type).map(({ data }) => data)
}

suite('an adjustment', () => {
  test(
    'adds pieces or takes some away, and keeps its reason and who made it',
    inShop(async (shop) => {
      await shop.product({ quantity: 10 })
      assert.equal(expectStatus(await adjust(shop, { quantity: 5, reason: 'found behind a shelf' }), 201).onHand, 15)
      assert.equal(expectStatus(await adjust(shop, { quantity: -3, reason: 'broken' }), 201).onHand, 12)
      await shop.idle()
      assert.deepEqual(
        (await saidOf(shop, 'LAMP', 'StockAdjusted')).map((said) => [Reflect.get(said as object, 'reason')]),
        [['opening stock'], ['found behind a shelf'], ['broken']],
      )
      const rows = await shop.lonja
        .reader('inventory')
        .rows<{ readonly state: string }>('SELECT state FROM {adjustment}')
      assert.deepEqual(
        rows.map(({ state }) => (JSON.parse(state) as { readonly by: string }).by),
        ['clerk', 'clerk'],
      )
      assert.deepEqual((await shop.windows())[0]?.stock, { onHand: 12, held: 0, available: 12 })
    }),
  )

  test(
    'under an id of its own happens once',
    inShop(async (shop) => {
      await shop.product({ quantity: 10 })
      const adjustmentId = '00000000-0000-7000-8000-000000000001'
      const answers = await Promise.all([1, 2, 3].map(() => adjust(shop, { quantity: 5, adjustmentId })))
      assert.deepEqual(
        answers.map(({ status, body }) => [status, body.onHand]),
        [
          [201, 15],
          [201, 15],
          [201, 15],
        ],
      )
    }),
  )

  test(
    'takes nothing away that an order holds',
    inShop(async (shop) => {
      await shop.product({ quantity: 10 })
      const { orderId } = await shop.placeOrder({ quantity: 7, payments: [{ method: 'manual' }] })
      await shop.idle()
      expectRefusal(await adjust(shop, { quantity: -4 }), 409, 'STOCK_BELOW_HELD')
      expectStatus(await adjust(shop, { quantity: -3 }), 201)
      await shop.patch(orderId, 'PAGO')
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal((await shop.stockOf('LAMP')).onHand, 0)
    }),
  )

  test(
    'of an unknown SKU, of nothing, without a reason or beyond all bounds is refused',
    inShop(async (shop) => {
      await shop.product()
      expectRefusal(await adjust(shop, { quantity: 1 }, 'RUG'), 404, 'STOCK_NOT_FOUND')
      expectRefusal(await adjust(shop, { quantity: 0 }), 422, 'BODY_INVALID')
      expectRefusal(await adjust(shop, { quantity: 1, reason: '' }), 422, 'BODY_INVALID')
      expectRefusal(await adjust(shop, { quantity: 2 ** 31 }), 422, 'BODY_INVALID')
      expectRefusal(await shop.as('reader').post('/v1/stock/LAMP/adjustments', {}), 403, 'ROLE_MISSING')
      assert.equal((await shop.stockOf('LAMP')).onHand, 10)
    }),
  )
})

suite('stock at several places', () => {
  test(
    'is one stock to orders, and goes back to where it came from',
    inShop(async (shop) => {
      await shop.product({ quantity: 3 })
      expectStatus(await adjust(shop, { quantity: 4, location: 'lisbon' }), 201)
      const { orderId } = await shop.placeOrder({ quantity: 6, payments: [{ method: 'manual' }] })
      await shop.idle()
      const places = async () => {
        const { locations } = await shop.stockOf('LAMP')
        return Object.fromEntries(locations.map(({ name, onHand, held }) => [name, [onHand, held]]))
      }
      assert.deepEqual(await places(), { main: [3, 3], lisbon: [4, 3] })
      await shop.patch(orderId, 'CANCELLED')
      await shop.idle()
      assert.deepEqual(await places(), { main: [3, 0], lisbon: [4, 0] })
      const sold = await shop.placeOrder({ quantity: 6 })
      await shop.idle()
      assert.equal((await shop.order(sold.orderId)).status, 'CONFIRMED')
      assert.deepEqual(await places(), { main: [0, 0], lisbon: [1, 0] })
    }),
  )

  test(
    'is listed by SKU, page by page',
    inShop(async (shop) => {
      for (const sku of ['C', 'A', 'E', 'B', 'D']) await shop.product({ sku, quantity: 1 })
      const reader = shop.as('reader')
      const first = expectStatus(await reader.get<Page<StockView>>('/v1/stock?limit=3'), 200)
      const second = expectStatus(await reader.get<Page<StockView>>(`/v1/stock?limit=3&after=${first.next}`), 200)
      const skus = [...first.items, ...second.items].map(({ sku }) => sku)
      assert.deepEqual([skus.join(''), second.next], ['ABCDE', null])
    }),
  )
})

suite('low stock', () => {
  test(
    'is said once when few pieces are free, and again only after there were more',
    inShop(async (shop) => {
      await shop.product({ quantity: 8 })
      const lowSaid = async () => {
        const { items } = await shop.orders('?limit=500')
        const keys = ['LAMP', ...items.map(({ orderId }) => orderId)]
        return (await Promise.all(keys.map((key) => saidOf(shop, key, 'StockLow')))).flat()
      }
      const buy = async (quantity: number) => {
        await shop.placeOrder({ quantity })
        await shop.idle()
      }
      await buy(2)
      assert.deepEqual([await lowSaid(), (await shop.stockOf('LAMP')).low], [[], false])
      await buy(1)
      assert.deepEqual(await lowSaid(), [{ sku: 'LAMP', available: 5, threshold: 5 }])
      assert.equal((await shop.stockOf('LAMP')).low, true)
      await buy(1)
      assert.equal((await lowSaid()).length, 1)
      expectStatus(await adjust(shop, { quantity: 10 }), 201)
      assert.equal((await shop.stockOf('LAMP')).low, false)
      await buy(10)
      assert.equal((await lowSaid()).length, 2)
    }),
  )
})
