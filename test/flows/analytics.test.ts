// A mixed day, and what the windows and days say of it afterwards: each order once, each cent once.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { WindowView } from '../../src/services/analytics/read-windows.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Page } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** From noon on: sales, refusals of every kind, a return, a payment by hand that never comes. */
async function mixedDay(shop: Shop): Promise<void> {
  await shop.product({ sku: 'LAMP', price: '10.00', quantity: 20 })
  await shop.product({ sku: 'MUG', price: '8.00', quantity: 20, currency: 'GBP' })
  const { orderId } = await shop.placeOrder({ quantity: 3 })
  await shop.placeOrder({ sku: 'MUG', quantity: 2 })
  await shop.placeOrder({ quantity: 50 })
  await shop.advance(5 * MINUTE_MS)
  await shop.placeOrder({ quantity: 2, reference: 'DECLINE-LIMIT' })
  await shop.placeOrder({ reference: 'REFUSE-SHIPMENT' })
  await shop.placeOrder({ quantity: 4, payments: [{ method: 'manual' }] })
  const cancelled = await shop.placeOrder({ payments: [{ method: 'manual' }] })
  await shop.idle()
  await shop.patch(cancelled.orderId, 'CANCELLED', { role: 'operator' })
  await shop.advance(5 * MINUTE_MS)
  await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
  await shop.advance(25 * HOUR_MS)
}

const euros = ({ revenue }: WindowView) => revenue.find(({ currency }) => currency === 'EUR')
const at = (windows: readonly WindowView[], start: string) => {
  const found = windows.find((window) => window.start === `2026-02-0${start}:00.000Z`)
  assert.ok(found !== undefined, `no window begins at ${start}: ${windows.map((window) => window.start).join(', ')}`)
  return found
}

suite('the windows of a mixed day', () => {
  test(
    'count what happened in each, by how it ended and why',
    inShop(async (shop) => {
      await mixedDay(shop)
      const windows = await shop.windows()
      const noon = at(windows, '1T12:00').orders
      assert.deepEqual([noon.created, noon.confirmed, noon.cancelled, noon.conversion], [3, 2, 1, 0.6667])
      assert.equal(noon.cancelledBy.OUT_OF_STOCK, 1)
      const second = at(windows, '1T12:05').orders
      assert.deepEqual([second.created, second.confirmed, second.cancelled, second.conversion], [4, 0, 3, 0])
      assert.deepEqual(
        [second.cancelledBy.PAYMENT_DECLINED, second.cancelledBy.SHIPMENT_REFUSED, second.cancelledBy.OPERATOR],
        [1, 1, 1],
      )
      assert.equal(at(windows, '1T12:10').orders.returned, 1)
      const nextDay = at(windows, '2T12:05').orders
      assert.deepEqual([nextDay.created, nextDay.cancelledBy.PAYMENT_TIMEOUT], [0, 1])
      assert.equal(windows.length, 4)
    }),
  )

  test(
    'tell the revenue that was confirmed, lost, returned and is pending, in each currency',
    inShop(async (shop) => {
      await mixedDay(shop)
      const windows = await shop.windows()
      const noon = at(windows, '1T12:00')
      assert.deepEqual(euros(noon), {
        currency: 'EUR',
        placed: '530.00',
        confirmed: '30.00',
        lost: '500.00',
        returned: '0.00',
        pending: '0.00',
      })
      assert.equal(noon.revenue.find(({ currency }) => currency === 'GBP')?.confirmed, '16.00')
      assert.deepEqual(
        [euros(at(windows, '1T12:05'))?.lost, euros(at(windows, '1T12:05'))?.pending],
        ['40.00', '40.00'],
      )
      assert.deepEqual(
        [euros(at(windows, '1T12:10'))?.returned, euros(at(windows, '1T12:10'))?.pending],
        ['10.00', '40.00'],
      )
      assert.deepEqual([euros(at(windows, '2T12:05'))?.lost, euros(at(windows, '2T12:05'))?.pending], ['40.00', '0.00'])
    }),
  )

  test(
    'tell the stock as it stood at the end of each',
    inShop(async (shop) => {
      await mixedDay(shop)
      const windows = await shop.windows()
      const levels = ['1T12:00', '1T12:05', '1T12:10', '2T12:05'].map((start) => at(windows, start).stock)
      assert.deepEqual(levels, [
        { onHand: 35, held: 0, available: 35 },
        { onHand: 35, held: 4, available: 31 },
        { onHand: 36, held: 4, available: 32 },
        { onHand: 36, held: 0, available: 36 },
      ])
    }),
  )

  test(
    'count mails and events, and can be asked for by time',
    inShop(async (shop) => {
      await mixedDay(shop)
      const [newest, ...older] = await shop.windows()
      assert.equal(newest?.start, '2026-02-02T12:05:00.000Z')
      const sent = [newest, ...older].reduce((sum, { notifications }) => sum + notifications.sent, 0)
      assert.equal(sent, shop.mails().length)
      for (const { events, eventsPerHour, late } of older) assert.deepEqual([eventsPerHour, late], [events * 12, 0])
      const query = '?from=2026-02-01T12:05:00Z&to=2026-02-01T12:15:00Z'
      const reader = shop.as('reader')
      const { items } = expectStatus(await reader.get<Page<WindowView>>(`/v1/analytics/windows${query}`), 200)
      assert.deepEqual(
        items.map(({ start }) => start.slice(11, 16)),
        ['12:10', '12:05'],
      )
      expectRefusal(await reader.get('/v1/analytics/windows?limit=1000'), 400, 'QUERY_INVALID')
    }),
  )
})

suite('the days', () => {
  test(
    'count sales on the business date of the order, and imports of old ones as late',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      const dated = async (orderedAt: string, quantity: number) => {
        const order = await shop.placeOrder({ quantity, orderedAt }, { role: 'importer' })
        await shop.idle()
        return order
      }
      await dated('2010-12-01T08:26:00Z', 6)
      const second = await dated('2010-12-01T23:59:59.999Z', 2)
      await dated('2010-12-02T00:00:00Z', 1)
      await dated('2010-12-02', 99)
      await shop.placeOrder()
      await shop.giveBack(second.orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
      await shop.idle()
      const days = await shop.days()
      assert.deepEqual(
        days.map(({ day, orders, units, revenue, refunds, late }) => {
          return [day, orders.placed, orders.confirmed, orders.cancelled, units, revenue, refunds, late]
        }),
        [
          ['2010-12-01', 2, 2, 0, 8, '80.00', '10.00', 2],
          ['2010-12-02', 2, 1, 1, 1, '10.00', '0.00', 2],
          ['2026-02-01', 1, 1, 0, 1, '10.00', '0.00', 0],
        ],
      )
    }),
  )

  test(
    'are told page by page and between two dates',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      for (const day of ['03', '01', '02', '05', '04']) await shop.placeOrder({ orderedAt: `2026-01-${day}` })
      await shop.idle()
      const reader = shop.as('reader')
      const read = async (query: string) =>
        expectStatus(await reader.get<Page<{ readonly day: string }>>(`/v1/analytics/days?${query}`), 200)
      const first = await read('limit=2')
      const second = await read(`limit=2&after=${first.next}`)
      assert.deepEqual(
        [...first.items, ...second.items].map(({ day }) => day.slice(-2)),
        ['01', '02', '03', '04'],
      )
      const some = await read('from=2026-01-02&to=2026-01-04')
      assert.deepEqual(
        some.items.map(({ day }) => day.slice(-2)),
        ['02', '03', '04'],
      )
    }),
  )
})
