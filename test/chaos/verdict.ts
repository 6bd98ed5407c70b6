// What must be true when it is over: everything has come to rest, nothing acknowledged is lost or doubled, sums add up.
import assert from 'node:assert/strict'
import { readDatabase } from '../../src/cli/read-database.ts'
import type { Snapshot } from '../../src/kernel/aggregate.ts'
import { sumMinor, toMinor } from '../../src/kernel/money.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { stateOfCells } from '../../src/platform/runtime/stored-documents.ts'
import { order, type Order } from '../../src/services/orders/order.ts'
import type { Payment } from '../../src/services/payments/payment.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Load } from './load.ts'
import type { Stage } from './shop-process.ts'

const ENDED: ReadonlySet<Order['status']> = new Set(['CONFIRMED', 'CANCELLED'])

/** Enough to ask of at once. */
const ASKED_AT_ONCE = 500
/** Leases, a payment's retries and clocks that were ahead. */
const ENDED_WITHIN_MS = 60_000

/** Every group has read all, no request to the outside is open, and no order or return is under way. */
export async function untilAtRest(store: string, withinMs: number): Promise<void> {
  let moving = ''
  try {
    await waitFor(async () => (moving = await inMotion(store)) === '', { withinMs, what: 'everything at rest' })
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${moving}`, { cause: error })
  }
}

function inMotion(store: string): Promise<string> {
  return reading(store, async (lonja) => {
    const behind = (await lonja.lags()).filter(({ next, head, stopped }) => next !== head || stopped !== undefined)
    if (behind.length > 0) return `behind: ${JSON.stringify(behind[0])}`
    for (const service of ['payments', 'shipping', 'notifications']) {
      const open = await lonja.reader(service).rows<{ id: string }>('SELECT id FROM {effects} LIMIT 1')
      if (open.length > 0) return `open effect: ${service} ${open[0]?.id}`
    }
    const orders = await ordersOf(lonja)
    for (const [orderId, { status, returns }] of orders) {
      if (!ENDED.has(status)) return `order ${orderId} is ${status}`
      if (Object.values(returns).some((one) => one.status === 'REQUESTED')) return `a return of ${orderId} is under way`
    }
    return ''
  })
}

/** Reads the database beside the shop. */
export function reading<Result>(store: string, work: (lonja: Lonja) => Promise<Result>): Promise<Result> {
  return readDatabase(resolveSettings(['--store', store], {}).settings, work)
}

async function ordersOf(lonja: Lonja): Promise<ReadonlyMap<string, Order>> {
  const rows = await lonja
    .reader('orders')
    .rows<{ key: string; state: string; constant: string }>('SELECT * FROM {order}')
  const stateIn = (state: string, constant: string) => stateOfCells(order.kind, state, constant) as Snapshot<Order>
  return new Map(rows.map(({ key, state, constant }) => [key, stateIn(state, constant).state]))
}

/** Waits until each of these orders has ended. @param mustGoOn throws what went wrong meanwhile. */
export function untilEnded(store: string, orderIds: Iterable<string>, mustGoOn: () => unknown): Promise<void> {
  let open = [...orderIds]
  return reading(store, async (lonja) => {
    const look = async (): Promise<boolean> => {
      mustGoOn()
      const ended = await endedAmong(lonja, open.slice(0, ASKED_AT_ONCE))
      open = open.filter((orderId) => !ended.has(orderId))
      return open.length === 0
    }
    await waitFor(look, { withinMs: ENDED_WITHIN_MS, what: 'the end of every order from before' }).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}: ${open.length} are open, such as ${open[0]}`, { cause: error })
      },
    )
  })
}

async function endedAmong(lonja: Lonja, orderIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (orderIds.length === 0) return new Set()
  const rows = await lonja
    .reader('orders')
    .rows<{ order_id: string; status: string }>(
      `SELECT order_id, status FROM {order_list} WHERE order_id IN (${orderIds.map(() => '?').join(', ')})`,
      orderIds,
    )
  return new Set(rows.filter(({ status }) => ENDED.has(status as Order['status'])).map(({ order_id }) => order_id))
}

/** The simulated gateway forgets at each kill what it holds, so it is taken to hold what payments says. */
async function gatewayOf(lonja: Lonja) {
  const rows = await lonja.reader('payments').rows<{ key: string; state: string }>('SELECT key, state FROM {payment}')
  const balances = new Map(
    rows.map(({ key, state }) => {
      const { parts, currency } = JSON.parse(state) as Payment & { readonly currency: string }
      const kept = parts.filter(({ status, method }) => status === 'captured' && method !== 'manual')
      const minor = (amount: string) => toMinor(amount, currency)
      return [key, sumMinor(kept.map(({ amount, returned }) => minor(amount) - minor(returned)))] as const
    }),
  )
  return { ledger: () => [], balanceOf: (orderId: string) => balances.get(orderId) ?? 0n }
}

/** One order that is not as its buyer was told. */
export interface Loss {
  readonly what: 'lost' | 'doubled' | 'refused and there' | 'not as told'
  readonly key: string
  readonly message: string
}

export interface Reckoning {
  readonly orders: number
  readonly losses: readonly Loss[]
}

type Told = Pick<Load, 'acknowledged' | 'refused' | 'sent'>

/** Compares what buyers were told with the orders that there are. */
export function reckon(store: string, told: Told): Promise<Reckoning> {
  return reading(store, async (lonja) => {
    const orders = await ordersOf(lonja)
    return { orders: orders.size, losses: [...strangersOf(orders, told), ...lossesOf(orders, told)] }
  })
}

/** Every order carries its key as the first line of its address. */
function keyOf({ placed }: Order): string {
  return placed?.shippingAddress?.line1 ?? ''
}

/** Orders that no buyer was told of: a second one under the same key, or one that was refused. */
function* strangersOf(orders: ReadonlyMap<string, Order>, { acknowledged, refused, sent }: Told): Iterable<Loss> {
  for (const [orderId, order] of orders) {
    const key = keyOf(order)
    if (refused.has(key) || refused.has(order.placed?.reference ?? '')) {
      yield { what: 'refused and there', key, message: `the refused ${key} is the order ${orderId}` }
    } else if (acknowledged.get(key)?.orderId !== orderId) {
      const why = sent.has(key) ? `not ${acknowledged.get(key)?.orderId}` : 'which nobody sent'
      yield { what: 'doubled', key, message: `the key ${key} has the order ${orderId}, ${why}` }
    }
  }
}

function* lossesOf(orders: ReadonlyMap<string, Order>, { acknowledged, sent }: Told): Iterable<Loss> {
  for (const key of sent) {
    if (!acknowledged.has(key)) yield { what: 'lost', key, message: `nobody answered the request ${key}` }
  }
  for (const [key, { orderId, cancelled, returns }] of acknowledged) {
    const order = orders.get(orderId)
    const untrue = (message: string): Loss => ({ what: 'not as told', key, message: `${orderId} (${key}): ${message}` })
    if (order === undefined) {
      yield { what: 'lost', key, message: `the order ${orderId} of ${key} was acknowledged and is not there` }
      continue
    }
    if (!ENDED.has(order.status)) yield untrue(`is ${order.status}, which is no end`)
    if (cancelled && order.status !== 'CANCELLED') yield untrue(`is ${order.status} and was to be cancelled`)
    for (const returnId of returns) {
      const status = order.returns[returnId]?.status
      if (status !== 'COMPLETED') yield untrue(`its return ${returnId} is ${status}`)
    }
  }
}

/** What the services say of each other: stock, money, sagas, lists and windows add up. @throws at the first sum. */
export function assertBooksSound(store: string): Promise<void> {
  return reading(store, async (lonja) => assertSound({ lonja, gateway: await gatewayOf(lonja) }))
}

/** @returns how many orders there are. */
export async function assertNothingLost(store: string, told: Told): Promise<number> {
  const { orders, losses } = await reckon(store, told)
  assert.deepEqual(losses, [])
  assert.equal(orders, told.acknowledged.size, 'as many orders as acknowledgements')
  await assertBooksSound(store)
  return orders
}

interface Verdict {
  readonly ok: boolean
  readonly problems: readonly unknown[]
}

/** What `lonja check` says of the database. */
export async function assertCheckClean(stage: Stage, store: string): Promise<void> {
  const { code, out, err } = await stage.run('check', '--json', '--store', store)
  assert.notEqual(out.trim(), '', `lonja check ended with ${code} and said nothing: ${err}`)
  const verdict = JSON.parse(out.trim().split('\n').at(-1) ?? '') as Verdict
  assert.deepEqual({ code, problems: verdict.problems }, { code: 0, problems: [] }, `lonja check: ${err}`)
}
