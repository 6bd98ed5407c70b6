// The loop over a toy shop: one saga of two services, from a command to its end, through refusals and faults.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import { aggregate } from '../../kernel/aggregate.ts'
import { entity } from '../../kernel/entity.ts'
import { on, schedule } from '../../kernel/handler.ts'
import { effect, onAnswer } from '../../kernel/effect.ts'
import { saga } from '../../kernel/saga.ts'
import { projection } from '../../kernel/projection.ts'
import { service } from '../../kernel/service.ts'
import { refuse, Refusal } from '../../kernel/refuse.ts'
import { openSqlite } from '../store/sqlite.ts'
import { systemClock, systemRandom } from '../system.ts'
import { buildRegistry } from './registry.ts'
import { Runtime } from './runtime.ts'
import { silentObserver } from './observer.ts'
import { projectionTable } from '../store/tables.ts'
import { membershipAlone } from '../store/membership-alone.ts'

const shop = contract('shop')
const id = { orderId: z.string() }
const Place = shop.command('Place', { key: 'orderId', body: { ...id, units: z.int() } })
const Confirm = shop.command('Confirm', { key: 'orderId', body: id })
const Cancel = shop.command('Cancel', { key: 'orderId', body: { ...id, reason: z.string() } })
const Placed = shop.event('Placed', { key: 'orderId', body: { ...id, units: z.int() } })
const Confirmed = shop.event('Confirmed', { key: 'orderId', body: id })
const Cancelled = shop.event('Cancelled', { key: 'orderId', body: { ...id, reason: z.string() } })

const store = contract('depot')
const Reserve = store.command('Reserve', { key: 'orderId', body: { ...id, units: z.int() } })
const Release = store.command('Release', { key: 'orderId', body: id })
const Reserved = store.event('Reserved', { key: 'orderId', body: id })
const Refused = store.event('Refused', { key: 'orderId', body: id })
const Released = store.event('Released', { key: 'orderId', body: id })
const Pay = store.command('Pay', { key: 'orderId', body: id })
const Paid = store.event('Paid', { key: 'orderId', body: id })
const Declined = store.event('Declined', { key: 'orderId', body: id })

interface Order {
  readonly status: string
}
const order = aggregate<Order>('order')({
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
const checkout = saga({
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
const shopService = service({
  name: 'shop',
  summary: 'orders',
  contract: shop,
  codes: { EMPTY: { status: 422, title: 'nothing' } },
  publishes: [Placed, Confirmed, Cancelled],
  aggregates: [order],
  sagas: [checkout],
  projections: [orderList],
})

const stock = entity<{ readonly left: number }>('stock', { initial: () => ({ left: 10 }) })
const hold = entity<{ readonly units: number }>('hold', { initial: () => ({ units: 0 }) })
interface Till {
  pay(orderId: string): Promise<boolean>
}
const pay = effect<Till>()('pay', {
  adapter: 'till',
  key: (request: { readonly orderId: string }) => request.orderId,
  part: () => 'pay',
  call: (till, { orderId }) => till.pay(orderId),
  timeoutMs: 1000,
  concurrency: 8,
  retryDelaysMs: [10],
  keyLifetimeMs: 86_400_000,
})
const depotService = service({
  name: 'depot',
  summary: 'stock',
  contract: store,
  codes: {},
  publishes: [Reserved, Refused, Released, Paid, Declined],
  entities: [stock, hold],
  handlers: [
    on(Reserve, {
      says: [Reserved, Refused],
      loads: ({ orderId }) => [stock.at('A'), hold.at(orderId)],
      handle: ({ orderId, units }, held, { now }) => {
        const { left } = held.get(stock.at('A'))
        if (left < units) return Refused({ orderId })
        held.put(stock.at('A'), { left: left - units })
        held.put(hold.at(orderId), { units })
        return [Reserved({ orderId }), schedule(Release({ orderId }), now + 1_000_000)]
      },
    }),
    on(Release, {
      says: [Released],
      loads: ({ orderId }) => [stock.at('A'), hold.at(orderId)],
      handle: ({ orderId }, held) => {
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

async function startShop(till: Till) {
  const registry = buildRegistry([shopService, depotService])
  const sqlite = openSqlite({ path: ':memory:' })
  await sqlite.migrate(registry.schemas)
  const runtime = new Runtime({
    registry,
    hosted: ['shop', 'depot'],
    works: true,
    store: sqlite,
    storeOf: () => sqlite,
    clock: systemClock,
    random: systemRandom,
    membership: membershipAlone(),
    adapters: { till },
    observer: { ...silentObserver, fault: (what, error) => console.error(what, error) },
    liveTable: (owner, declared) => projectionTable(owner, declared, 1),
    grown: () => undefined,
    strict: true,
  })
  await runtime.start()
  const place = (orderId: string, units: number, scope?: string) =>
    runtime.submit({
      service: 'shop',
      command: Place({ orderId, units }),
      reply: (held) => ({ status: 201, body: held.get(order.at(orderId)).state }),
      principal: 'tester',
      role: 'clerk',
      scope,
      bodyHash: `${orderId} ${units}`,
      traceparent: undefined,
    })
  const statuses = () =>
    sqlite.query<{ order_id: string; status: string }>('SELECT * FROM shop_order_list ORDER BY order_id')
  return { runtime, sqlite, place, statuses }
}

test('an order walks its saga to the end, and what is refused is undone', async () => {
  const { runtime, sqlite, place, statuses } = await startShop({ pay: (orderId) => Promise.resolve(orderId !== 'c') })
  const replies = await Promise.all([place('a', 4), place('b', 7), place('c', 2)])
  assert.deepEqual(
    replies.map(({ status }) => status),
    [201, 201, 201],
  )
  await runtime.settled()
  assert.deepEqual(
    (await statuses()).map(({ status }) => status),
    ['confirmed', 'cancelled', 'cancelled'],
  )
  const [row] = await sqlite.query<{ state: string }>('SELECT state FROM depot_stock')
  assert.equal(row?.state, '{"left":6}')
  await runtime.stop()
  await sqlite.close()
})

test('a repeated key gets the first answer, another body under it is refused', async () => {
  const { runtime, sqlite, place } = await startShop({ pay: () => Promise.resolve(true) })
  const [first, second] = await Promise.all([place('a', 1, 'key'), place('a', 1, 'key')])
  assert.deepEqual(first, second)
  assert.deepEqual(await place('a', 1, 'key'), first)
  await assert.rejects(
    place('a', 2, 'key'),
    (error) => error instanceof Refusal && error.code === 'IDEMPOTENCY_KEY_REUSED',
  )
  await assert.rejects(place('e', 0), (error) => error instanceof Refusal && error.code === 'EMPTY')
  await runtime.settled()
  await runtime.stop()
  await sqlite.close()
})
