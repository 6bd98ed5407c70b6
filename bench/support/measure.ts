// One measured run: feeds orders, waits until all are settled, and says what that cost; a run that is not clean throws.
import { FIRST_BUILD, readBuild } from '../../src/platform/rebuild/live-tables.ts'
import { median, shown } from './figures.ts'
import { readMeters, settle, type Meters } from './meters.ts'
import type { Fed, FeedPlan } from './orders.ts'
import { openPlace, type Place } from './places.ts'
import { foreignCores, processorTimes } from './processes.ts'
import type { OnProgress, Shop } from './programs.ts'
import { CLIENTS, openShop } from './shop.ts'

export interface Measured {
  readonly fed: Fed
  /** From the first order until the last one was settled. */
  readonly seconds: number
  readonly perSecond: number
  /** Of the process that runs Lonja. */
  readonly microsPerOrder: number
  /** Of PostgreSQL's processes; 0 on SQLite, which runs in Lonja's own. */
  readonly databaseMicrosPerOrder: number
  /** Of Kafka's brokers. */
  readonly kafkaMicrosPerOrder: number
  readonly statementsPerOrder: number
  readonly transactionsPerOrder: number
  /** Of one transaction, from its begin to its commit. */
  readonly transactionMs: number
  readonly foreignCores: number
}

/** @throws when a batch failed or met a conflict, or when orders stay unsettled. */
export async function measure(shop: Shop, plan: FeedPlan, onProgress?: OnProgress): Promise<Measured> {
  const metersBefore = await readMeters(shop.address)
  const timesBefore = processorTimes()
  const startedAtMs = performance.now()
  const fed = await shop.feed(plan, onProgress)
  const meters = await settle(shop.address)
  const seconds = (performance.now() - startedAtMs) / 1000
  const times = processorTimes()
  shop.place.orders += fed.orders
  mustBeClean(metersBefore, meters)
  const transactions = meters.transactions - metersBefore.transactions
  return {
    fed,
    seconds,
    perSecond: fed.orders / seconds,
    microsPerOrder: (meters.cpuMicros - metersBefore.cpuMicros) / fed.orders,
    databaseMicrosPerOrder: (times.postgresMicros - timesBefore.postgresMicros) / fed.orders,
    kafkaMicrosPerOrder: (times.kafkaMicros - timesBefore.kafkaMicros) / fed.orders,
    statementsPerOrder: (meters.statements - metersBefore.statements) / fed.orders,
    transactionsPerOrder: transactions / fed.orders,
    transactionMs: ((meters.transactionSeconds - metersBefore.transactionSeconds) * 1000) / transactions,
    foreignCores: foreignCores(timesBefore, times, seconds),
  }
}

/** How the runs were batched, in words. */
export function batching(runs: readonly Measured[]): string {
  const ms = median(runs.map(({ transactionMs }) => transactionMs))
  const orders = 1 / median(runs.map(({ transactionsPerOrder }) => transactionsPerOrder))
  return `${shown(orders)} orders a transaction of ${shown(ms)} ms`
}

/** With one process nothing should meet anything: an interrupted batch is work done twice, and a wrong figure. */
function mustBeClean(before: Meters, after: Meters): void {
  for (const [reason, count] of Object.entries(after.interrupted)) {
    const grown = count - (before.interrupted[reason] ?? 0)
    if (grown > 0) throw new Error(`${grown} batches were interrupted while measuring: ${reason}.`)
  }
}

const WARM_UP_SECONDS = 3

/** Clients, products, and orders until the compiler has done its work. */
export async function warmUp(shop: Shop, seconds: number): Promise<void> {
  if (shop.place.orders === 0) await openShop(shop.address)
  await measure(shop, { seconds: Math.min(WARM_UP_SECONDS, seconds) })
}

/**
 * Counts in the database itself what became of the orders.
 *
 * @throws unless every order is confirmed, told of by mail, and counted in a window.
 */
export async function verify(place: Place): Promise<void> {
  const store = await openPlace(place)
  try {
    const { live } = await readBuild(store, 'orders', 'order_list')
    const list = store.tableName('orders', live === FIRST_BUILD ? 'order_list' : `order_list_${live}`)
    const windows = store.tableName('analytics', 'windows')
    const statuses = await store.query<{ readonly status: string; readonly n: number }>(
      `SELECT status, CAST(count(*) AS INTEGER) AS n FROM ${list} GROUP BY status`,
    )
    const [sums] = await store.query<Readonly<Record<string, string>>>(
      `SELECT CAST(SUM(created) AS TEXT) AS created, CAST(SUM(confirmed) AS TEXT) AS confirmed,
       CAST(SUM(notifications_sent) AS TEXT) AS sent FROM ${windows} WHERE window_start > 0`,
    )
    const found = { ...Object.fromEntries(statuses.map(({ status, n }) => [status, n])), ...sums }
    const count = String(place.orders)
    // Each client was welcomed by a mail, too.
    const right = { CONFIRMED: place.orders, created: count, confirmed: count, sent: String(place.orders + CLIENTS) }
    if (JSON.stringify(found) === JSON.stringify(right)) return
    throw new Error(`After ${count} orders the database says ${JSON.stringify(found)}, not ${JSON.stringify(right)}.`)
  } finally {
    await store.close()
  }
}
