// What must be true of a shop whenever it is quiet: its books add up, from each part to the whole.
import assert from 'node:assert/strict'
import type { SagaState } from '../kernel/saga-decider.ts'
import { isLive, needsPerson } from '../kernel/saga-decider.ts'
import type { Snapshot } from '../kernel/aggregate.ts'
import { sumMinor, toMinor } from '../kernel/money.ts'
import type { Lonja } from '../platform/runtime/lonja.ts'
import { kindsOf } from '../platform/runtime/registry.ts'
import { stateOfCells } from '../platform/runtime/stored-documents.ts'
import { ALL_TIME } from '../services/analytics/windows.projection.ts'
import type { Adjustment } from '../services/inventory/adjust-stock.ts'
import type { Reservation } from '../services/inventory/reservation.ts'
import type { ReturnedStock } from '../services/inventory/returned-stock.ts'
import type { Stock } from '../services/inventory/stock.ts'
import { heldOf, onHandOf } from '../services/inventory/stock.ts'
import type { Notification } from '../services/notifications/notification.ts'
import type { Order } from '../services/orders/order.ts'
import type { SimulatedGateway } from '../services/payments/adapters/simulator.ts'
import type { Payment } from '../services/payments/payment.ts'
import type { ReturnRefund } from '../services/payments/refund-return.ts'
import type { Shipment } from '../services/shipping/shipment.ts'

type Documents<State> = ReadonlyMap<string, State>

interface Books {
  readonly orders: Documents<Order>
  readonly checkouts: Documents<SagaState>
  readonly returnSagas: Documents<SagaState>
  readonly stocks: Documents<Stock>
  readonly reservations: Documents<Reservation>
  readonly returnedStocks: Documents<ReturnedStock>
  readonly adjustments: Documents<Adjustment>
  readonly payments: Documents<Payment>
  readonly returnRefunds: Documents<ReturnRefund>
  readonly shipments: Documents<Shipment>
  readonly notifications: Documents<Notification>
}

/** Reads everything and throws at the first sum that is off. Orders may be under way; nothing may move meanwhile. */
export async function assertSound({
  lonja,
  gateway,
}: {
  readonly lonja: Lonja
  readonly gateway: Pick<SimulatedGateway, 'ledger' | 'balanceOf'>
}): Promise<void> {
  const books = await readBooks(lonja)
  assertAllRead(lonja)
  assertStockLedger(books)
  assertHolds(books)
  for (const [orderId, order] of books.orders) {
    assertSaga(books, orderId, order)
    assertEnd(books, orderId, order)
    const balanceMinor = gateway.balanceOf(orderId)
    if (!isSkipped(books, orderId, 'pay')) assertMoney(books, { orderId, order, balanceMinor })
    assertReturns(books, orderId, order)
  }
  for (const { orderId } of gateway.ledger()) {
    assert.ok(books.orders.has(orderId), `the gateway took money for ${orderId}, which no order is`)
  }
  await assertRequestsAnswered(lonja, books)
  await assertList(lonja, books)
  await assertWindows(lonja, books)
}

interface StoredDocument {
  readonly key: string
  readonly state: string
  readonly constant?: string | null
}

async function readBooks(lonja: Lonja): Promise<Books> {
  const documents = async <State>(service: string, table: string): Promise<Documents<State>> => {
    const rows = await lonja.reader(service).rows<StoredDocument>(`SELECT * FROM {${table}}`)
    const kind = lonja.registry.services
      .filter(({ name }) => name === service)
      .flatMap(kindsOf)
      .find(({ name }) => name === table)
    assert.ok(kind !== undefined, `${service} has no documents named ${table}`)
    return new Map(rows.map(({ key, state, constant }) => [key, stateOfCells(kind, state, constant) as State]))
  }
  const snapshots = await documents<Snapshot<Order>>('orders', 'order')
  return {
    orders: new Map([...snapshots].map(([orderId, { state }]) => [orderId, state])),
    checkouts: await documents('orders', 'checkout'),
    returnSagas: await documents('orders', 'order_returns'),
    stocks: await documents('inventory', 'stock'),
    reservations: await documents('inventory', 'reservation'),
    returnedStocks: await documents('inventory', 'returned_stock'),
    adjustments: await documents('inventory', 'adjustment'),
    payments: await documents('payments', 'payment'),
    returnRefunds: await documents('payments', 'return_refund'),
    shipments: await documents('shipping', 'shipment'),
    notifications: await documents('notifications', 'notification'),
  }
}

/** Every group has read to its end whatever this process works on. */
function assertAllRead(lonja: Lonja): void {
  const behind = lonja.runtimes.flatMap(({ channels, options: { membership } }) => {
    const ours = channels.all.filter(({ partitions, partition }) => membership.holds(partitions, partition))
    return ours.flatMap(({ topic, partition, next: head, cursors }) =>
      cursors.flatMap(({ group: { name }, next, stopped }) =>
        next === head && stopped === undefined ? [] : [{ group: name, topic, partition, next, head, stopped }],
      ),
    )
  })
  assert.deepEqual(behind, [], 'groups are behind or stand still')
}

/** Not only do the counts of a SKU explain its level: what orders, returns and adjustments say explains the counts. */
function assertStockLedger({ stocks, reservations, returnedStocks, adjustments }: Books): void {
  const moved = new Map<string, { held: number; committed: number; restocked: number; adjusted: number }>()
  const of = (sku: string) => {
    const known = moved.get(sku) ?? { held: 0, committed: 0, restocked: 0, adjusted: 0 }
    moved.set(sku, known)
    return known
  }
  for (const { status, allocations } of reservations.values()) {
    for (const { sku, quantity } of allocations) {
      if (status === 'held') of(sku).held += quantity
      if (status === 'committed' || status === 'restocked') of(sku).committed += quantity
      if (status === 'restocked') of(sku).restocked += quantity
    }
  }
  for (const { status, items } of returnedStocks.values()) {
    const isBack = status === 'restocked' || status === 'taking-back'
    if (isBack) for (const { sku, quantity } of items) of(sku).restocked += quantity
  }
  for (const { sku, quantity } of adjustments.values()) of(sku).adjusted += quantity
  for (const [sku, stock] of stocks) {
    const { opening, adjusted, committed, restocked } = stock
    assert.deepEqual({ held: heldOf(stock), committed, restocked, adjusted }, of(sku), `what moved ${sku}`)
    assert.equal(onHandOf(stock), opening + adjusted + restocked - committed, `the stock of ${sku} does not add up`)
    for (const { name, onHand, held } of stock.locations) {
      assert.ok(held >= 0 && onHand >= held, `${sku} at ${name} is oversold: ${onHand} on hand, ${held} held`)
    }
  }
}

/** Held for live orders only, and for each of them from the reserve to the commit. */
function assertHolds({ orders, reservations, checkouts }: Books): void {
  for (const [orderId, { status }] of reservations) {
    if (status !== 'held') continue
    const order = orders.get(orderId)
    assert.ok(order?.status === 'PENDING' || order?.status === 'PAID', `${orderId} is ${order?.status} and holds stock`)
  }
  for (const [orderId, { status, step }] of checkouts) {
    const isPaying = status === 'running' && step === PAY_STEP
    if (isPaying) assert.equal(reservations.get(orderId)?.status, 'held', `${orderId} awaits money and holds nothing`)
  }
}

const PAY_STEP = 1

const SAGA_ENDS: Readonly<Record<string, SagaState['status']>> = {
  CONFIRMED: 'succeeded',
  CANCELLED: 'failed',
  FAILED: 'given-up',
}

/** Every saga has ended with its order, waits for its time, or has called a person. */
function assertSaga({ checkouts }: Books, orderId: string, order: Order): void {
  const saga = checkouts.get(orderId)
  assert.ok(saga !== undefined, `${orderId} has no saga`)
  const end = SAGA_ENDS[order.status]
  if (end !== undefined) {
    assert.equal(saga.status, end, `the order ${orderId} is ${order.status}`)
    return
  }
  assert.ok(isLive(saga), `the saga of ${orderId} is ${saga.status}, and the order ${order.status}`)
  assert.equal(order.flagged.length > 0, needsPerson(saga), `${orderId} is flagged if and only if its saga is`)
  if (!needsPerson(saga)) assert.ok(saga.due > 0, `nothing limits the wait of ${orderId}, which is ${saga.status}`)
}

const EXPECTED = {
  CONFIRMED: { reservation: ['committed'], payment: ['captured'], shipment: ['booked'], notice: 'order-confirmed' },
  CANCELLED: {
    reservation: ['none', 'refused', 'released', 'expired', 'restocked'],
    payment: ['none', 'withdrawn', 'declined', 'refunded'],
    shipment: ['none', 'withdrawn', 'refused', 'cancelled'],
    notice: 'order-cancelled',
  },
} as const

/** Whether a person took the answer of this step, or of its undo, on himself: then it may stand as it likes. */
function isSkipped({ checkouts }: Books, orderId: string, step: string): boolean {
  return checkouts.get(orderId)?.skipped?.some((one) => one === step || one === `undo of ${step}`) === true
}

/** What is left of an ended order at each service, and that its client was told. */
function assertEnd(books: Books, orderId: string, { status }: Order): void {
  if (status !== 'CONFIRMED' && status !== 'CANCELLED') return
  const { reservation, payment, shipment, notice } = EXPECTED[status]
  const check = (allowed: readonly string[], found: { readonly status: string } | undefined, what: string) => {
    const now = found?.status ?? 'none'
    assert.ok(allowed.includes(now), `${orderId} is ${status}, and its ${what} ${now}`)
  }
  const isStockSkipped = isSkipped(books, orderId, 'reserve') || isSkipped(books, orderId, 'commit')
  if (!isStockSkipped) check(reservation, books.reservations.get(orderId), 'reservation')
  if (!isSkipped(books, orderId, 'pay')) check(payment, books.payments.get(orderId), 'payment')
  if (!isSkipped(books, orderId, 'ship')) check(shipment, books.shipments.get(orderId), 'shipment')
  assert.ok(books.notifications.has(`${orderId}.${notice}`), `nobody was told that ${orderId} is ${status}`)
}

interface Account {
  readonly orderId: string
  readonly order: Order
  readonly balanceMinor: bigint
}

/** The gateway holds what the parts of the payment say, and the parts what the order and its returns say. */
function assertMoney({ payments }: Books, { orderId, order, balanceMinor }: Account): void {
  const paid = payments.get(orderId)
  const { placed, status, returns } = order
  assert.ok(placed !== undefined, `${orderId} was never placed`)
  const minor = (amount: string) => toMinor(amount, placed.currency)
  const parts = paid?.parts ?? []
  const isUnclear = parts.some((part) => ['unknown', 'capturing', 'refunding'].includes(part.status))
  if (isUnclear) {
    assert.ok(status !== 'CONFIRMED' && status !== 'CANCELLED', `${orderId} has ended with its money under way`)
    return
  }
  const kept = parts.filter((part) => part.status === 'captured')
  const atGateway = kept.filter(({ method }) => method !== 'manual')
  const rest = sumMinor(atGateway.map(({ amount, returned }) => minor(amount) - minor(returned)))
  assert.equal(balanceMinor, rest, `the gateway's balance of ${orderId}`)
  if (status === 'CANCELLED') assert.equal(kept.length, 0, `${orderId} is cancelled and its money kept`)
  if (status !== 'CONFIRMED') return
  assert.equal(sumMinor(parts.map(({ amount }) => minor(amount))), minor(placed.total), `what ${orderId} paid`)
  const completed = Object.values(returns).filter((one) => one.status === 'COMPLETED')
  const returned = sumMinor(parts.map(({ returned }) => minor(returned)))
  assert.equal(returned, sumMinor(completed.map(({ amount }) => minor(amount))), `what ${orderId} got back`)
}

const RETURN_ENDS: Readonly<Record<string, SagaState['status']>> = { COMPLETED: 'succeeded', REJECTED: 'failed' }

/** Of a completed return both happened, of a rejected one neither. */
function assertReturns({ returnSagas, returnedStocks, returnRefunds }: Books, orderId: string, order: Order): void {
  for (const [returnId, { status, reason }] of Object.entries(order.returns)) {
    const saga = returnSagas.get(returnId)
    assert.ok(saga !== undefined, `the return ${returnId} has no saga`)
    const goods = returnedStocks.get(`${orderId}.${returnId}`)?.status ?? 'none'
    const money = returnRefunds.get(`${orderId}.${returnId}`)?.status ?? 'none'
    if (status === 'REQUESTED') assert.ok(needsPerson(saga) || saga.due > 0, `${returnId} waits for nothing`)
    else assert.equal(saga.status, RETURN_ENDS[status], `the return ${returnId} is ${status}`)
    if (status === 'COMPLETED') assert.deepEqual([goods, money], ['restocked', 'refunded'], returnId)
    // Goods that did not come back in time are taken back before anybody asked for money.
    const unpaid = reason === 'RESTOCK_TIMEOUT' ? 'none' : 'refused'
    if (status === 'REJECTED') assert.deepEqual([goods, money], ['taken-back', unpaid], returnId)
  }
}

/** Nobody who has ended waits for the outside; mails may still be tried. */
async function assertRequestsAnswered(lonja: Lonja, { orders, checkouts }: Books): Promise<void> {
  for (const service of ['payments', 'shipping']) {
    const open = await lonja
      .reader(service)
      .rows<{ readonly id: string; readonly correlation: string }>('SELECT id, correlation FROM {effects}')
    for (const { id, correlation } of open) {
      const saga = checkouts.get(correlation)
      const mayWait = orders.get(correlation)?.status === 'FAILED' || (saga !== undefined && isLive(saga))
      assert.ok(mayWait, `${id} is open, and the saga of ${correlation} has ended`)
    }
  }
}

/** The list of orders shows each as its document has it. */
async function assertList(lonja: Lonja, { orders }: Books): Promise<void> {
  const rows = await lonja
    .reader('orders')
    .rows<{ readonly order_id: string; readonly status: string; readonly flagged: number }>(
      'SELECT order_id, status, flagged FROM {order_list}',
    )
  const listed = new Map(rows.map(({ order_id, status, flagged }) => [order_id, { status, flagged: flagged === 1 }]))
  const known = [...orders].map(
    ([orderId, { status, flagged }]) => [orderId, { status, flagged: flagged.length > 0 }] as const,
  )
  assert.deepEqual(listed, new Map(known))
}

/** All windows together count every order once and show the stock as it is. */
async function assertWindows(lonja: Lonja, { orders, stocks }: Books): Promise<void> {
  const sums = ['created', 'confirmed', 'cancelled', 'failed', 'returned', 'on_hand_change', 'held_change']
  const [row] = await lonja
    .reader('analytics')
    .rows<Readonly<Record<string, number | string | null>>>(
      `SELECT ${sums.map((sum) => `SUM(${sum}) AS ${sum}`).join(', ')} FROM {windows} WHERE window_start = ${ALL_TIME}`,
    )
  const all = [...orders.values()]
  const ended = (status: Order['status']) => all.filter((order) => order.status === status).length
  const levels = (of: (stock: Stock) => number) => [...stocks.values()].reduce((sum, stock) => sum + of(stock), 0)
  const returns = all.flatMap((order) => Object.values(order.returns))
  const expected: Readonly<Record<string, number>> = {
    created: all.length,
    confirmed: ended('CONFIRMED'),
    cancelled: ended('CANCELLED'),
    failed: ended('FAILED'),
    returned: returns.filter(({ status }) => status === 'COMPLETED').length,
    on_hand_change: levels(onHandOf),
    held_change: levels(heldOf),
  }
  assert.deepEqual(Object.fromEntries(sums.map((sum) => [sum, Number(row?.[sum] ?? 0)])), expected, 'the windows')
}
