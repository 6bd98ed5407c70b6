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

function reading<Result>(store: string, work: (lonja: Lonja) => Promise<Result>): Promise<Result> {
  return readDatabase(resolveSettings(['--store', store], {}).settings, work)
}

async function ordersOf(lonja: Lonja): Promise<ReadonlyMap<string, Order>> {
  const rows = await lonja
    .reader('orders')
    .rows<{ key: string; state: string; constant: string }>('SELECT * FROM {order}')
  const stateIn = (state: string, constant: string) => stateOfCells(order.kind, state, constant) as Snapshot<Order>
  return new Map(rows.map(({ key, state, constant }) => [key, stateIn(state, constant).state]))
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

/** @returns how many orders there are. */
export async function assertNothingLost(store: string, { acknowledged, sent }: Load): Promise<number> {
  assert.deepEqual(
    [...sent].filter((key) => !acknowledged.has(key)),
    [],
    'requests that were never answered',
  )
  return reading(store, async (lonja) => {
    const orders = await ordersOf(lonja)
    const keys = new Map<string, string>()
    for (const [orderId, { placed }] of orders) {
      const key = placed?.shippingAddress?.line1 ?? ''
      assert.equal(keys.get(key), undefined, `the key ${key} has two orders: ${keys.get(key)} and ${orderId}`)
      keys.set(key, orderId)
    }
    assert.equal(orders.size, acknowledged.size, 'as many orders as acknowledgements')
    for (const [key, { orderId, cancelled, returns }] of acknowledged) {
      const order = orders.get(orderId)
      assert.equal(keys.get(key), orderId, `the order that ${key} was told of`)
      assert.ok(order !== undefined && ENDED.has(order.status), `${orderId} is ${order?.status}`)
      if (cancelled) assert.equal(order.status, 'CANCELLED', `${orderId} was to be cancelled`)
      for (const returnId of returns) assert.equal(order.returns[returnId]?.status, 'COMPLETED', `return ${returnId}`)
    }
    await assertSound({ lonja, gateway: await gatewayOf(lonja) })
    return orders.size
  })
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
  assert.deepEqual({ code, problems: verdict.problems }, { code: 0, problems: [] }, err)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
}
