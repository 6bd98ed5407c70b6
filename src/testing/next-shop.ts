// The shop one version on, for tests of upgrades: one service, one command, one event, one column and one timer more.
import { z } from 'zod'
import { entity } from '../kernel/entity.ts'
import { on, schedule, type Handler } from '../kernel/handler.ts'
import { contract, type AnyMessageType } from '../kernel/message.ts'
import { projection, type Fold, type Projection } from '../kernel/projection.ts'
import { service, type Service } from '../kernel/service.ts'
import type { Store } from '../platform/ports.ts'
import { services } from '../services.ts'
import { OrderConfirmed, ordersContract } from '../services/orders/contract.ts'
import { orderList } from '../services/orders/order-list.projection.ts'
import { orders } from '../services/orders/service.ts'
import type { Shop } from './shop.ts'

const praise = { orderId: z.string(), words: z.string() }
const PraiseOrder = ordersContract.command('PraiseOrder', { key: 'orderId', body: praise })
const ThankForPraise = ordersContract.command('ThankForPraise', { key: 'orderId', body: praise })
const OrderPraised = ordersContract.event('OrderPraised', { key: 'orderId', body: praise })
const ThankedForPraise = ordersContract.event('ThankedForPraise', { key: 'orderId', body: praise })

/** What comes due while the version before may still work on the partition. */
const THANKS_AFTER_MS = 200

const praiseOrder = on(PraiseOrder, {
  says: [OrderPraised],
  handle: (said, _, { now }) => [OrderPraised(said), schedule(ThankForPraise(said), now + THANKS_AFTER_MS)],
})
const thankForPraise = on(ThankForPraise, { says: [ThankedForPraise], handle: (said) => ThankedForPraise(said) })

const columns: Projection['columns'] = { ...orderList.columns, praise: 'text?' }

/** The list of before, in the same table, with one column more. */
const praisedList = projection('order_list', {
  key: ['order_id'],
  columns,
  indexes: orderList.indexes,
  folds: (fold) => [
    fold(
      OrderPraised,
      ({ orderId }) => [orderId],
      (row, { words }) => row && { ...row, praise: words },
    ),
  ],
})

/** A row that is new has every column. */
function withoutPraise(fold: Fold): Fold {
  if ('counts' in fold) return fold
  return {
    ...fold,
    fold: (row, data, facts) => {
      const folded = fold.fold(row, data, facts)
      return folded && { praise: row?.['praise'] ?? null, ...folded }
    },
  }
}

const loyaltyContract = contract('loyalty')
const PointsGiven = loyaltyContract.event('PointsGiven', { key: 'orderId', body: { orderId: z.string() } })

interface Points {
  readonly given: readonly string[]
}
const points = entity<Points>('points', { initial: () => ({ given: [] }) })

function pointsFor(message: AnyMessageType & ((data: never) => unknown), what: string): Handler<'loyalty'> {
  const orderIdOf = (data: unknown): string => (data as { readonly orderId: string }).orderId
  return on(message, {
    says: [PointsGiven],
    loads: (data) => [points.at(orderIdOf(data))],
    handle: (data, held) => {
      const orderId = orderIdOf(data)
      held.put(points.at(orderId), { given: [...held.get(points.at(orderId)).given, what] })
      return PointsGiven({ orderId })
    },
  })
}

const loyalty = service({
  name: 'loyalty',
  summary: 'Points for orders that were confirmed, and for praise.',
  contract: loyaltyContract,
  codes: {},
  publishes: [PointsGiven],
  entities: [points],
  handlers: [
    pointsFor(OrderConfirmed, 'confirmed'),
    pointsFor(OrderPraised, 'praised'),
    pointsFor(ThankedForPraise, 'thanked'),
  ],
})

const nextOrders: Service = {
  ...orders,
  publishes: [...orders.publishes, OrderPraised, ThankedForPraise],
  handlers: [...orders.handlers, praiseOrder, thankForPraise],
  projections: [{ ...praisedList, folds: [...orderList.folds.map(withoutPraise), ...praisedList.folds] }],
}

/** A release that only adds. */
export const nextServices: readonly Service[] = [
  ...services.map((each) => (each === orders ? nextOrders : each)),
  loyalty,
]

/** Asks a shop of the next version to note what a client said of his order. */
export async function praiseIn({ lonja }: Pick<Shop, 'lonja'>, orderId: string, words: string): Promise<void> {
  await lonja.submit({
    service: 'orders',
    command: PraiseOrder({ orderId, words }),
    reply: () => ({ status: 201, body: {} }),
    principal: 'tester',
    role: 'clerk',
    scope: undefined,
    bodyHash: '',
    traceparent: undefined,
  })
}

/** What each order got points for, in its order. */
export async function pointsIn(store: Store): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await store.query<{ readonly key: string; readonly state: string }>(
    `SELECT key, state FROM ${store.tableName('loyalty', 'points')}`,
  )
  return new Map(rows.map(({ key, state }) => [key, (JSON.parse(state) as Points).given]))
}
