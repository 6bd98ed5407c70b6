// A toy shop of two services with all that the runtime runs: aggregate, entities, saga, effect, timer, projection.
import { z } from 'zod'
import { contract } from '../kernel/message.ts'
import { aggregate } from '../kernel/aggregate.ts'
import { entity } from '../kernel/entity.ts'
import { on, schedule } from '../kernel/handler.ts'
import { effect, onAnswer } from '../kernel/effect.ts'
import { saga } from '../kernel/saga.ts'
import { projection } from '../kernel/projection.ts'
import { service } from '../kernel/service.ts'
import { refuse } from '../kernel/refuse.ts'
import type { Clock, Membership, Store } from '../platform/ports.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import { membershipAlone } from '../platform/store/membership-alone.ts'
import { systemClock, systemRandom } from '../platform/system.ts'
import { Lonja } from '../platform/runtime/lonja.ts'
import type { Observer } from '../platform/runtime/observer.ts'
import { silentObserver } from '../platform/runtime/observer.ts'

const shop = contract('shop')
const id = { orderId: z.string() }
export const Place = shop.command('Place', { key: 'orderId', body: { ...id, units: z.int() } })
const Confirm = shop.command('Confirm', { key: 'orderId', body: id })
const Cancel = shop.command('Cancel', { key: 'orderId', body: { ...id, reason: z.string() } })
const Placed = shop.event('Placed', { key: 'orderId', body: { ...id, units: z.int() } })
const Confirmed = shop.event('Confirmed', { key: 'orderId', body: id })
const Cancelled = shop.event('Cancelled', { key: 'orderId', body: { ...id, reason: z.string() } })

const depot = contract('depot')
const Reserve = depot.command('Reserve', { key: 'orderId', body: { ...id, units: z.int() } })
const Release = depot.command('Release', { key: 'orderId', body: id })
const Reserved = depot.event('Reserved', { key: 'orderId', body: id })
const Refused = depot.event('Refused', { key: 'orderId', body: id })
const Released = depot.event('Released', { key: 'orderId', body: id })
const Pay = depot.command('Pay', { key: 'orderId', body: id })
const Paid = depot.event('Paid', { key: 'orderId', body: id })
const Declined = depot.event('Declined', { key: 'orderId', body: id })

interface Order {
  readonly status: string
}
export const order = aggregate<Order>('order')({
  key: 'orderId',
  commands: [Place, Confirm, Cancel],
  events: [Placed, Confirmed, Cancelled],
  initial: () => ({ status: 'none' }),
  decide: {
    Place: (state, { orderId, units }) => {
      refuse(units < 1, 'EMPTY')
      return state.status === 'none' ? Placed({ orderId, units }) : []
    },
    Confirm: (_, { orderId }) => Confirmed({ orderId }),
    Cancel: (_, { orderId, reason }) => Cancelled({ orderId, reason }),
  },
  evolve: {
    Placed: () => ({ status: 'placed' }),
    Confirmed: () => ({ status: 'confirmed' }),
    Cancelled: () => ({ status: 'cancelled' }),
  },
})
export const checkout = saga({
  name: 'checkout',
  starts: Placed,
  key: 'orderId',
  says: [Reserve, Release, Pay, Confirm, Cancel],
  remembers: ({ orderId, units }) => ({ orderId, units }),
  steps: [
    {
      name: 'reserve',
      send: (o) => Reserve(o),
      done: Reserved,
      refused: Refused,
      undo: (o) => Release(o),
      undone: Released,
      within: '30 s',
      late: 'LATE',
    },
    { name: 'pay', send: (o) => Pay(o), done: Paid, refused: Declined, within: '30 s', late: 'LATE' },
  ],
  stops: [],
  succeeds: { send: (o) => Confirm(o), done: Confirmed },
  fails: { send: (o, reason) => Cancel({ ...o, reason }), done: Cancelled },
  reasonOf: ({ type }) => type,
})
const orderList = projection('order_list', {
  key: ['order_id'],
  columns: { order_id: 'text', status: 'text', events: 'integer' },
  folds: (fold) => [
    fold(
      Placed,
      (e) => [e.orderId],
      (_, e) => ({ order_id: e.orderId, status: 'placed', events: 1 }),
    ),
    fold(
      Confirmed,
      (e) => [e.orderId],
      (row, e) => ({ order_id: e.orderId, status: 'confirmed', events: (row?.events ?? 0) + 1 }),
    ),
    fold(
      Cancelled,
      (e) => [e.orderId],
      (row, e) => ({ order_id: e.orderId, status: 'cancelled', events: (row?.events ?? 0) + 1 }),
    ),
  ],
})
export const shopService = service({
  name: 'shop',
  summary: 'orders',
  contract: shop,
  codes: { EMPTY: { status: 422, title: 'nothing' } },
  publishes: [Placed, Confirmed, Cancelled],
  aggregates: [order],
  sagas: [checkout],
  projections: [orderList],
})

/** The hold is given back by itself after this long. */
export const HOLD_MS = 600_000

export const stock = entity<{ readonly left: number }>('stock', { initial: () => ({ left: 10 }) })
const hold = entity<{ readonly units: number }>('hold', { initial: () => ({ units: 0 }) })
/** The outside of the toy shop. */
export interface Till {
  pay(orderId: string, idempotencyKey: string): Promise<boolean>
  asked?(idempotencyKey: string): Promise<boolean | undefined>
}
const pay = effect<Till>()('pay', {
  adapter: 'till',
  key: (request: { readonly orderId: string }) => request.orderId,
  part: () => 'pay',
  call: (till, { orderId }, { idempotencyKey }) => till.pay(orderId, idempotencyKey),
  ask: (till, _, { idempotencyKey }) => till.asked?.(idempotencyKey) ?? Promise.resolve(undefined),
  timeoutMs: 1000,
  concurrency: 8,
  retryDelaysMs: [2000, 4000],
  keyLifetimeMs: 86_400_000,
})
export const depotService = service({
  name: 'depot',
  summary: 'stock',
  contract: depot,
  codes: {},
  publishes: [Reserved, Refused, Released, Paid, Declined],
  entities: [stock, hold],
  handlers: [
    on(Reserve, {
      says: [Reserved, Refused],
      loads: ({ orderId }) => [stock.at('A'), hold.at(orderId)],
      handle: ({ orderId, units }, held, { now }) => {
        if (orderId.startsWith('poison')) throw new Error('poison')
        if (orderId.startsWith('dead')) throw new TypeError('dead')
        const { left } = held.get(stock.at('A'))
        if (left < units) return Refused({ orderId })
        held.put(stock.at('A'), { left: left - units })
        held.put(hold.at(orderId), { units })
        return [Reserved({ orderId }), schedule(Release({ orderId }), now + HOLD_MS)]
      },
    }),
    on(Release, {
      says: [Released],
      loads: ({ orderId }) => [stock.at('A'), hold.at(orderId)],
      handle: ({ orderId }, held) => {
        if (orderId.startsWith('stuck')) throw new TypeError('stuck')
        const { units } = held.get(hold.at(orderId))
        held.put(stock.at('A'), { left: held.get(stock.at('A')).left + units })
        held.put(hold.at(orderId), { units: 0 })
        return Released({ orderId })
      },
    }),
    on(Pay, { says: [pay], handle: ({ orderId }) => pay({ orderId }) }),
  ],
  answers: [
    onAnswer(pay, {
      says: [Paid, Declined],
      handle: ({ orderId }, answer) =>
        answer.outcome === 'answered' && answer.result ? Paid({ orderId }) : Declined({ orderId }),
    }),
  ],
})

export interface ToyOptions {
  readonly till?: Till
  readonly clock?: Clock
  readonly store?: Store
  readonly membership?: Membership
  readonly observer?: Partial<Observer>
}

/** Starts the toy shop on a database in memory, or on the one given. */
export async function startToyShop({ till, clock = systemClock, store, membership, observer }: ToyOptions = {}) {
  const database = store ?? openSqlite({ path: ':memory:' })
  const members = membership ?? membershipAlone()
  const lonja = new Lonja({
    services: [shopService, depotService],
    chosen: ['shop', 'depot'],
    databases: [{ store: database, membership: members, services: ['shop', 'depot'] }],
    works: true,
    adapters: { till: till ?? { pay: () => Promise.resolve(true) } },
    clock,
    random: systemRandom,
    observer: { ...silentObserver, ...observer },
    strict: true,
  })
  await lonja.start()
  return {
    lonja,
    store: database,
    /** @param scope the caller's idempotency key */
    place: (orderId: string, units: number, scope?: string) =>
      lonja.submit({
        service: 'shop',
        command: Place({ orderId, units }),
        reply: (held) => ({ status: 201, body: held.get(order.at(orderId)).state }),
        principal: 'tester',
        role: 'clerk',
        scope,
        bodyHash: `${orderId} ${units}`,
        traceparent: undefined,
      }),
    /** Status by order id, as the projection has it. */
    statuses: async () => {
      const rows = await lonja
        .reader('shop')
        .rows<{ readonly order_id: string; readonly status: string }>(
          'SELECT order_id, status FROM {order_list} ORDER BY order_id',
        )
      return Object.fromEntries(rows.map(({ order_id, status }) => [order_id, status]))
    },
    /** How many of the six partitions are worked on here. */
    held: () =>
      Array.from({ length: 6 }, (_, partition) => partition).filter((partition) => members.holds(6, partition)).length,
    stockLeft: async () => (await lonja.reader('depot').state(stock.at('A'))).left,
    /** Everything that can happen now has happened; what waits for its time waits. */
    idle: async () => {
      // Three turns in a row: a promise of an adapter may need one to arrive, its commit another.
      for (let calm = 0; calm < 3; calm += 1) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        if (!lonja.runtimes.every((runtime) => runtime.isIdle())) calm = -1
      }
    },
    stop: async () => {
      await lonja.stop()
      await database.close()
    },
  }
}
