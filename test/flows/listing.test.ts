// Lists of orders: by client, status and time, page by page, each order once even while new ones come in.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Listed } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const idsOf = (items: readonly Listed[]): string[] => items.map(({ orderId }) => orderId)

/** Reads page by page; `between` happens before each further page. */
async function allPages(shop: Shop, query: string, between: () => Promise<unknown> = async () => undefined) {
  const found: Listed[] = []
  const sizes: number[] = []
  for (let after = ''; ;) {
    const { items, next } = await shop.orders(`?${query}${after}`)
    found.push(...items)
    sizes.push(items.length)
    if (next === null) return { ids: idsOf(found), sizes }
    after = `&after=${encodeURIComponent(next)}`
    await between()
  }
}

async function placeMany(shop: Shop, count: number): Promise<string[]> {
  const placed = await Promise.all(Array.from({ length: count }, () => shop.placeOrder()))
  await shop.idle()
  return placed.map(({ orderId }) => orderId)
}

suite('the list of orders', () => {
  test(
    'shows each order once over all pages, the newest first, while new ones come in',
    inShop(async (shop) => {
      await shop.product({ quantity: 1000 })
      await shop.client()
      const old: string[] = []
      for (const _ of [1, 2, 3]) {
        old.push(...(await placeMany(shop, 9)))
        await shop.advance(1000)
      }
      let isNewPlaced = 0
      const { ids, sizes } = await allPages(shop, 'limit=5', async () => {
        isNewPlaced += (await placeMany(shop, 3)).length
        await shop.advance(10)
      })
      assert.deepEqual(ids.toSorted(), old.toSorted())
      assert.equal(new Set(ids).size, 27)
      assert.deepEqual(sizes, [5, 5, 5, 5, 5, 2])
      assert.equal(isNewPlaced, 15)
      const times = (await shop.orders('?limit=500')).items.map((order) =>
        Date.parse(String(Reflect.get(order, 'placedAt'))),
      )
      assert.deepEqual(
        times,
        times.toSorted((one, other) => other - one),
      )
    }),
  )

  test(
    'has pages of fifty unless told, of five hundred at most',
    inShop(async (shop) => {
      await shop.product({ quantity: 1000 })
      await shop.client()
      await placeMany(shop, 60)
      assert.equal((await shop.orders()).items.length, 50)
      assert.equal((await shop.orders('?limit=500')).items.length, 60)
      const { sizes } = await allPages(shop, 'limit=60')
      assert.deepEqual(sizes, [60])
      const reader = shop.as('reader')
      for (const limit of ['0', '501', 'all']) {
        expectRefusal(await reader.get(`/v1/orders?limit=${limit}`), 400, 'QUERY_INVALID')
      }
      expectRefusal(await reader.get('/v1/orders?after=garbage'), 400, 'PAGE_CURSOR_INVALID')
    }),
  )

  test(
    'tells the orders of one client from those of others',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      const [ana, rui] = [await shop.client(), await shop.client()]
      const mine = [await shop.placeOrder({ clientId: ana }), await shop.placeOrder({ clientId: ana })]
      await shop.placeOrder({ clientId: rui })
      await shop.idle()
      const { items } = await shop.orders(`?clientId=${ana}`)
      assert.deepEqual(idsOf(items), mine.map(({ orderId }) => orderId).toReversed())
      assert.equal((await shop.orders(`?clientId=${rui}&status=CANCELLED`)).items.length, 0)
      expectRefusal(await shop.as('reader').get('/v1/orders?clientid=x'), 400, 'QUERY_INVALID')
    }),
  )

  test(
    'tells orders by status, by either name of it, page by page',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      await shop.client()
      await placeMany(shop, 12)
      await shop.placeOrder({ quantity: 1, payments: [{ method: 'manual' }] })
      await shop.idle()
      const { ids: confirmed } = await allPages(shop, 'status=CONFIRMED&limit=2')
      const { ids: cancelled } = await allPages(shop, 'status=CANCELADO&limit=3')
      assert.deepEqual([confirmed.length, cancelled.length], [5, 8])
      for (const [name, portuguese] of [
        ['CONFIRMED', 'CONFIRMADO'],
        ['PENDING', 'PENDENTE'],
        ['FAILED', 'FALHA'],
        ['PAID', 'PAGO'],
      ]) {
        assert.deepEqual(await shop.orders(`?status=${name}`), await shop.orders(`?status=${portuguese}`), name)
      }
    }),
  )

  test(
    'tells orders by when they were placed: from a moment on, before another',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      await shop.client()
      const hours: string[][] = []
      for (const _ of [12, 13, 14]) {
        hours.push(await placeMany(shop, 2))
        await shop.advance(3_600_000)
      }
      const within = await shop.orders('?from=2026-02-01T13:00:00Z&to=2026-02-01T14:00:00Z')
      assert.deepEqual(idsOf(within.items).toSorted(), hours[1]?.toSorted())
      const offset = await shop.orders(`?from=${encodeURIComponent('2026-02-01T15:00:00+01:00')}`)
      assert.deepEqual(idsOf(offset.items).toSorted(), hours[2]?.toSorted())
      assert.equal((await shop.orders('?from=2026-02-02')).items.length, 0)
      expectRefusal(await shop.as('reader').get('/v1/orders?from=yesterday'), 400, 'QUERY_INVALID')
    }),
  )

  test(
    'is open to readers, who may place nothing',
    inShop(async (shop) => {
      await shop.product()
      await shop.placeOrder()
      await shop.idle()
      expectStatus(await shop.as('reader').get('/v1/orders'), 200)
      expectRefusal(await shop.place({}, { role: 'reader' }), 403, 'ROLE_MISSING')
    }),
  )
})
