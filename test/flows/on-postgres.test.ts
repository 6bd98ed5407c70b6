// The same shop on PostgreSQL: a day with something of everything, which has to end as it does on SQLite.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

function onPostgres(body: (shop: Shop) => Promise<void>) {
  return async (): Promise<void> => inShop(body, { store: await sharedPostgres() })()
}

suite('on PostgreSQL', () => {
  test(
    'orders end as they do on SQLite: confirmed, short of stock, declined, refused, timed out, cancelled',
    onPostgres(async (shop) => {
      await shop.product({ quantity: 10 })
      const fine = await shop.placeOrder({ quantity: 2 })
      const short = await shop.placeOrder({ quantity: 50 })
      const declined = await shop.placeOrder({ reference: 'DECLINE-LIMIT' })
      const refused = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT' })
      const lost = await shop.placeOrder({ reference: 'LOSE-ANSWER LOSE-BOOKING' })
      const slow = await shop.placeOrder({ reference: 'SLOW-400000' })
      const unpaid = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.idle()
      expectStatus(await shop.patch(unpaid.orderId, 'CANCELLED'), 202)
      await shop.advance(12 * MINUTE_MS)
      const ends = await Promise.all(
        [fine, short, declined, refused, lost, slow, unpaid].map(async ({ orderId }) => {
          const { status, reason } = await shop.order(orderId)
          return reason ?? status
        }),
      )
      assert.deepEqual(ends, [
        'CONFIRMED',
        'OUT_OF_STOCK',
        'PAYMENT_DECLINED',
        'SHIPMENT_REFUSED',
        'CONFIRMED',
        'PAYMENT_TIMEOUT',
        'CLIENT',
      ])
      assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [7, 0])
    }),
  )

  test(
    'a payment by hand is waited for a day, one that is made confirms its order, and a return pays back',
    onPostgres(async (shop) => {
      await shop.product({ quantity: 10 })
      const payments = [{ method: 'manual' }]
      const [paid, unpaid] = [await shop.placeOrder({ payments }), await shop.placeOrder({ payments })]
      const card = await shop.placeOrder({ quantity: 3 })
      await shop.idle()
      expectStatus(await shop.patch(paid.orderId, 'PAGO'), 202)
      expectStatus(await shop.giveBack(card.orderId, { items: [{ sku: 'LAMP', quantity: 2 }] }), 201)
      await shop.advance(25 * HOUR_MS)
      assert.equal((await shop.order(paid.orderId)).status, 'CONFIRMED')
      assert.equal((await shop.order(unpaid.orderId)).reason, 'PAYMENT_TIMEOUT')
      assert.equal((await shop.order(card.orderId)).returns[0]?.status, 'COMPLETED')
      assert.equal(shop.gateway.balanceOf(card.orderId), 1000n)
    }),
  )

  test(
    'keys, references, lists, stories and windows are the same',
    onPostgres(async (shop) => {
      await shop.product({ quantity: 100 })
      await shop.client()
      const keyed = { headers: { 'idempotency-key': 'one' } }
      const [one, other] = await Promise.all([
        shop.place({ reference: 'A' }, keyed),
        shop.place({ reference: 'A' }, keyed),
      ])
      assert.equal(expectStatus(one, 201).orderId, expectStatus(other, 201).orderId)
      expectRefusal(await shop.place({ reference: 'A' }), 409, 'REFERENCE_TAKEN')
      await Promise.all(Array.from({ length: 11 }, () => shop.placeOrder()))
      await shop.idle()
      const first = await shop.orders('?limit=7')
      const second = await shop.orders(`?limit=7&after=${first.next}`)
      const ids = new Set([...first.items, ...second.items].map(({ orderId }) => orderId))
      assert.deepEqual([ids.size, second.next], [12, null])
      const [window] = await shop.windows()
      assert.deepEqual([window?.orders.created, window?.orders.confirmed, window?.stock.onHand], [12, 12, 88])
      assert.equal(window?.revenue[0]?.confirmed, '120.00')
      const told = (await shop.story(one.body.orderId)).map(({ name }) => name)
      assert.deepEqual([told[0], told[1], told.at(-1)], ['PlaceOrder', 'OrderPlaced', 'NotificationSent'])
    }),
  )
})
