// Windows and days: what is counted where, what is late, and what readers get on both databases.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Message } from '../../kernel/message.ts'
import { calling } from '../../testing/calling.ts'
import { orderCancelled, orderConfirmed, orderPaid, orderPlaced, summary } from '../../testing/example-order.ts'
import { rowsOf } from '../../testing/folding.ts'
import type { Recorded } from '../../testing/folding.ts'
import { onBothStores } from '../../testing/projected.ts'
import * as inventory from '../inventory/contract.ts'
import { NotificationFailed, NotificationSent } from '../notifications/contract.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, ReturnCompleted } from '../orders/contract.ts'
import { GRACE_MS, WINDOW_MS } from './contract.ts'
import { dayOf, days, isLateForDay } from './days.projection.ts'
import type { WindowView } from './read-windows.ts'
import { readWindow, readWindows } from './read-windows.ts'
import { analytics } from './service.ts'
import { COUNTS, allEvents, reasonCount } from './window-counts.ts'
import { windowReport } from './window-report.ts'
import { isLate, windows } from './windows.projection.ts'

const START = Date.UTC(2026, 10, 21, 9)
const NEXT = START + WINDOW_MS
const ids = { orderId: orderPlaced().data.orderId }
const sent = {
  about: ids.orderId,
  notificationId: 'n',
  template: 'order-confirmed',
  channel: 'email',
  attempts: 1,
} as const

/** An event in a window, of one of the partitions. */
function inWindow(start: number, event: Message, partition = 0): Recorded {
  return { event, facts: { appendedAt: start + 1, partition } }
}

const stock = (quantity: number) =>
  inventory.StockAdjusted({ sku: 'LAMP', location: 'main', quantity, onHand: quantity, reason: 'opening' })
const units = { ...ids, units: 3 }

/** Two windows of a shop: what was opened, sold, cancelled, returned. */
const records: Recorded[] = [
  inWindow(START, stock(100)),
  inWindow(START, stock(50), 1),
  inWindow(START, orderPlaced({ placedAt: START })),
  inWindow(START, orderPlaced({ placedAt: START }), 1),
  inWindow(START, orderPlaced({ placedAt: START, total: '500', currency: 'JPY' }), 1),
  inWindow(START, inventory.StockReserved(units)),
  inWindow(START, inventory.StockReserved(units), 1),
  inWindow(NEXT, orderPaid),
  inWindow(NEXT, inventory.StockCommitted(units)),
  inWindow(NEXT, inventory.StockReleased(units), 1),
  inWindow(NEXT, OrderConfirmed(summary(NEXT))),
  inWindow(NEXT, OrderCancelled({ ...summary(NEXT), reason: 'OUT_OF_STOCK' }), 1),
  inWindow(NEXT, NotificationSent(sent)),
  inWindow(NEXT, NotificationSent(sent)),
  inWindow(NEXT, NotificationFailed({ ...sent, reason: 'SMTP' })),
]

const window = (views: readonly WindowView[], at: number): WindowView => {
  const view = views[at]
  assert.ok(view !== undefined)
  return view
}

suite('windows', () => {
  test('partial rows are summed, and levels are those at the end of each window', async () => {
    await onBothStores('analytics', new Map([[windows, records]]), async (rows) => {
      const { call } = calling(analytics, { rows: ({ sql, values }) => rows(sql, values) })
      const { items } = (await call('GET', '/v1/analytics/windows')).body as { items: WindowView[] }
      const [second, first] = [window(items, 0), window(items, 1)]
      assert.equal(items.length, 2)
      assert.deepEqual([first.start, first.end], ['2026-11-21T09:00:00.000Z', '2026-11-21T09:05:00.000Z'])
      assert.deepEqual(first.stock, { onHand: 150, held: 6, available: 144 })
      assert.deepEqual(second.stock, { onHand: 147, held: 0, available: 147 })
      assert.deepEqual([first.orders.created, first.orders.conversion, second.orders.conversion], [3, null, 0.5])
      assert.equal(second.orders.cancelledBy.OUT_OF_STOCK, 1)
      const revenue = (view: WindowView) =>
        view.revenue.toSorted((a, b) => (a.currency < b.currency ? -1 : 1)).map((one) => Object.values(one))
      assert.deepEqual(revenue(first), [
        ['EUR', '239.98', '0.00', '0.00', '0.00', '239.98'],
        ['JPY', '500', '0', '0', '0', '500'],
      ])
      assert.deepEqual(revenue(second), [
        ['EUR', '0.00', '119.99', '119.99', '0.00', '0.00'],
        ['JPY', '0', '0', '0', '0', '500'],
      ])
      assert.deepEqual(second.notifications, { sent: 2, failed: 1, successRate: 0.6667 })
      assert.deepEqual([second.events, second.eventsPerHour], [8, 96])
    })
  })

  test('a window that is read alone has the levels that it had, and one without events only levels', async () => {
    await onBothStores('analytics', new Map([[windows, records]]), async (rows) => {
      const read = { rows }
      const all = await readWindows(read, { limit: 9 })
      assert.deepEqual(await readWindows(read, { toMs: NEXT, limit: 9 }), [all[1]])
      assert.deepEqual(await readWindows(read, { fromMs: NEXT, limit: 9 }), [all[0]])
      assert.deepEqual(await readWindows(read, { limit: 1 }), [all[0]])
      assert.deepEqual(await readWindow(read, START), all[1])
      const empty = await readWindow(read, NEXT + WINDOW_MS)
      assert.deepEqual([empty.events, empty.stock.onHand, empty.orders.created], [0, 147, 0])
      assert.deepEqual(await readWindows(read, { toMs: START, limit: 9 }), [])
    })
  })

  test('without a single event there is no window, and an asked one is empty', async () => {
    await onBothStores('analytics', new Map([[windows, []]]), async (rows) => {
      const read = { rows }
      assert.deepEqual(await readWindows(read, { limit: 9 }), [])
      assert.equal((await readWindow(read, START)).events, 0)
    })
  })

  test('every row belongs to one topic and partition, and a replay folds the same rows', () => {
    const rows = rowsOf(windows, records)
    const keys = rows.map((row) => [row['window_start'], row['topic'], row['partition'], row['currency']].join())
    assert.equal(new Set(keys).size, rows.length)
    assert.deepEqual(rowsOf(windows, records), rows)
    const created = rows.filter((row) => Number(row['created']) > 0)
    assert.ok(created.every((row) => row['topic'] === 'orders.events'))
  })

  test('late counts what happened in a window that was over for longer than the grace', () => {
    const end = START + WINDOW_MS
    assert.equal(isLate(START, end + GRACE_MS), false)
    assert.equal(isLate(START, end + GRACE_MS + 1), true)
    const late = { event: orderPlaced({ placedAt: START }), facts: { appendedAt: end + GRACE_MS + 1 } }
    const [row] = rowsOf(windows, [late])
    assert.deepEqual([row?.['late'], row?.['window_start']], [1, NEXT])
  })

  test('every event of every service is counted, and every reason has its column', () => {
    const types = allEvents.map(({ type }) => type)
    for (const type of ['ClientRegistered', 'ProductAdded', 'PaymentCaptured', 'ShipmentBooked', 'StockLow']) {
      assert.ok(types.includes(type), type)
    }
    assert.equal(new Set(types).size, types.length)
    assert.equal(reasonCount('OUT_OF_STOCK'), 'cancelled_out_of_stock')
    assert.equal(reasonCount('GIVEN_UP'), undefined)
    assert.ok(COUNTS.every((count) => count in (rowsOf(windows, records)[0] ?? {})))
  })

  test('on hand and held add up through an order’s whole way back', () => {
    const words = [
      stock(10),
      inventory.StockReserved(units),
      inventory.StockCommitted(units),
      inventory.OrderRestocked(units),
      inventory.StockReleased({ ...units, units: 0 }),
      inventory.StockReserved(units),
      inventory.ReservationExpired(units),
      inventory.ReturnRestocked({ ...units, returnId: ids.orderId }),
      inventory.ReturnTakenBack({ ...units, returnId: ids.orderId }),
    ]
    const rows = rowsOf(windows, words).filter((row) => row['window_start'] === 0)
    assert.deepEqual(
      rows.map((row) => [row['on_hand_change'], row['held_change']]),
      [[10, 0]],
    )
  })
})

suite('the printed report', () => {
  test('says what happened in a dozen lines', async () => {
    await onBothStores('analytics', new Map([[windows, records.slice(0, 4)]]), async (rows) => {
      const read = { rows }
      assert.deepEqual(windowReport(await readWindow(read, START)), [
        'Window 2026-11-21 09:00 to 2026-11-21 09:05 UTC',
        '  orders         2 created, 0 confirmed, 0 cancelled, 0 failed, 0 returned',
        '  conversion     - of 0 that ended',
        '  revenue EUR    239.98 placed, 0.00 confirmed, 0.00 lost, 0.00 returned, 239.98 pending',
        '  stock          150 on hand, 0 held, 150 available',
        '  notifications  0 sent, 0 failed, - sent',
        '  events         4, 48 an hour, 0 late',
      ])
    })
  })
})

suite('days', () => {
  const [first, second] = [Date.UTC(2010, 11, 1, 23, 59), Date.UTC(2010, 11, 2)]
  const on = (orderedAt: number) => ({ ...summary(), orderedAt })
  const sales = [
    orderPlaced({ orderedAt: first }),
    { event: orderPlaced({ orderedAt: second }), facts: { partition: 1 } },
    OrderConfirmed(on(first)),
    { event: OrderConfirmed(on(first)), facts: { partition: 1 } },
    OrderCancelled({ ...on(second), reason: 'CLIENT' }),
    OrderFailed({ ...on(second), reason: 'GIVEN_UP' }),
    OrderConfirmed({ ...on(second), currency: 'JPY', total: '500' }),
    ReturnCompleted({ ...on(first), returnId: ids.orderId, amount: '10.00', units: 1 }),
  ]

  test('sales are counted on their business date, by currency, on both databases', async () => {
    await onBothStores('analytics', new Map([[days, sales]]), async (rows) => {
      const { call } = calling(analytics, { rows: ({ sql, values }) => rows(sql, values) })
      const list = async (query: Record<string, string> = {}) =>
        (await call('GET', '/v1/analytics/days', { query })).body as { items: Record<string, unknown>[]; next: string }
      const { items } = await list()
      assert.deepEqual(items[0], {
        day: '2010-12-01',
        currency: 'EUR',
        orders: { placed: 1, confirmed: 2, cancelled: 0, returned: 1 },
        items: 4,
        units: 6,
        revenue: '239.98',
        refunds: '10.00',
        late: 1,
      })
      assert.deepEqual(items.map(({ day, currency, revenue }) => [day, currency, revenue]).slice(1), [
        ['2010-12-02', 'EUR', '0.00'],
        ['2010-12-02', 'JPY', '500'],
      ])
      const page = await list({ limit: '2' })
      assert.deepEqual((await list({ after: page.next })).items, items.slice(2))
      assert.deepEqual((await list({ from: '2010-12-02', to: '2010-12-02' })).items, items.slice(1))
    })
  })

  test('a day is closed a day after its end; what is placed into it then is late', () => {
    assert.equal(isLateForDay(first, Date.UTC(2010, 11, 3)), false)
    assert.equal(isLateForDay(first, Date.UTC(2010, 11, 3) + 1), true)
    assert.equal(dayOf(first), '2010-12-01')
  })

  test('orders that are only confirmed or cancelled elsewhere leave each row whole', () => {
    for (const event of [orderConfirmed, orderCancelled]) assert.equal(rowsOf(days, [event]).length, 1)
  })
})
