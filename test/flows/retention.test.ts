// Commands go after their time; orders, stories, checks, rebuilds and restarts go on, and what is needed stays.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import { describedTopics } from '../../src/cli/describe.ts'
import type { Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { pausableStore } from '../../src/testing/pausable-store.ts'
import { asking } from '../../src/testing/pausing.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { DAY_MS, retained } from '../../src/testing/retaining.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Flow, Shop } from '../../src/testing/shop.ts'
import { inShop, openOutside, startShop } from '../../src/testing/shop.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'

const ORDERS = 12
const COMMANDS = ['orders.commands', 'inventory.commands', 'payments.commands', 'shipping.commands'] as const
const EVENTS = ['orders.events', 'inventory.events', 'payments.events', 'shipping.events'] as const

/** @returns the orders, all of them confirmed */
async function placeAll(shop: Shop): Promise<readonly string[]> {
  const placed: string[] = []
  for (let order = 0; order < ORDERS; order += 1) placed.push((await shop.placeOrder()).orderId)
  await shop.idle()
  for (const orderId of placed) assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
  return placed
}

async function isSound(shop: Shop): Promise<void> {
  await shop.idle()
  await assertSound(shop)
  const ledger = () => shop.gateway.ledger()
  assert.deepEqual((await runCheck(shop.lonja, { quick: false, ledger })).problems, [])
}

async function assertGone(shop: Shop, topics: readonly string[] = COMMANDS): Promise<void> {
  for (const topic of topics) {
    const { first, next } = await retained(shop).boundsOf(topic)
    assert.ok(next > 0 && first === next, `${topic} is kept from ${first} to ${next}`)
  }
}

async function assertKept(shop: Shop, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    const { first, next } = await retained(shop).boundsOf(topic)
    assert.ok(next > 0 && first === 0, `${topic} is kept from ${first} to ${next}`)
  }
}

async function rebuilt(shop: Shop, name: string) {
  await shop.lonja.rebuilds.start(name)
  for (;;) {
    await shop.advance(100)
    const { phase, report, problem } = await shop.lonja.rebuilds.status(name)
    assert.notEqual(phase, 'failed', problem ?? '')
    if (phase === 'done') return report
  }
}

/** Orders, a week and more, a look; then whatever a shop does. */
async function aWeekLater(shop: Shop): Promise<void> {
  await shop.product({ quantity: 100 })
  const { look, metrics } = retained(shop)
  const [old = ''] = await placeAll(shop)
  await shop.advance(8 * DAY_MS)
  await look()
  await assertGone(shop)
  await assertKept(shop, EVENTS)
  await isSound(shop)
  const story = await shop.story(old)
  assert.ok(story.some(({ name }) => name === 'OrderConfirmed') && !story.some(({ name }) => name === 'ReserveStock'))
  const gone = story.filter(({ what }) => what === 'log').map(({ service, name }) => `${service}: ${name}`)
  assert.deepEqual([gone, story[0]?.what], [['orders: no longer kept'], 'log'])
  const order = ['PaymentCaptured', 'StockCommitted', 'ShipmentBooked', 'OrderConfirmed']
  const told = story.flatMap(({ what, name }) => (what === 'event' && order.includes(name) ? [name] : []))
  assert.deepEqual(told, order)
  const channels = shop.lonja.runtimes[0]?.channels
  channels?.applyHeads(await shop.lonja.storeOf('orders').heads('orders'), 0)
  const described = describedTopics(shop.lonja).find(({ name }) => name === 'inventory.commands')
  assert.deepEqual([described?.keep, described?.records, described?.deleted], ['7 d', 0, 2 * ORDERS])
  assert.equal((await rebuilt(shop, 'orders.order_list'))?.differences, 0)
  assert.equal((await rebuilt(shop, 'analytics.windows'))?.differences, 0)
  expectStatus(await shop.giveBack(old, { items: [{ sku: 'LAMP', quantity: 1 }] }), 201)
  const [young = ''] = await placeAll(shop)
  assert.deepEqual(
    (await shop.story(young)).filter(({ what }) => what === 'log'),
    [],
  )
  await look()
  assert.ok((await shop.story(young)).some(({ name }) => name === 'ReserveStock'))
  await isSound(shop)
  assert.match(await metrics(), /lonja_log_records_deleted_total\{topic="inventory.commands"\} 24/)
}

suite('a shop whose commands go after a week', () => {
  test('goes on as before, on SQLite', inShop(aWeekLater))

  test('goes on as before, on PostgreSQL', async () => inShop(aWeekLater, { store: await sharedPostgres() })())

  test('goes on after a restart', afterRestart({ after: async (shop) => void (await placeAll(shop)) }))

  test(
    'begins with what is kept where a group has no cursors yet, and its cursors say so for ever',
    afterRestart({
      between: (store, tables) => changeCursors(store, tables, 'delete'),
      after: async (shop) => {
        await placeAll(shop)
        const store = shop.lonja.storeOf('inventory')
        const began = await store.query<{ readonly began_at: string }>(
          `SELECT DISTINCT began_at FROM ${store.tableName('inventory', 'cursors')} WHERE topic = 'inventory.commands'`,
        )
        const texts = began.map(({ began_at }) => began_at)
        // A partition may have had no order before.
        assert.ok(texts.some((text) => text !== '0') && texts.every((text) => /^(?:0|first [1-9]\d*)$/.test(text)))
      },
    }),
  )

  test('stops a group that was put back to before what is kept, and says why', async () => {
    const back = afterRestart({
      between: (store, tables) => changeCursors(store, tables, 'back to 0'),
      after: async (shop) => {
        for (let order = 0; order < ORDERS; order += 1) await shop.placeOrder()
        await shop.advance(1000)
        const told = shop.complaints.splice(0)
        assert.ok(told.length > 0 && told.every((line) => /record 0 is no longer kept: orders's log begins/.test(line)))
        const { problems } = await runCheck(shop.lonja, { quick: true })
        assert.ok(
          problems.some(({ check, message }) => check === 'cursor' && message.includes('what is kept begins at')),
        )
      },
      isSoundAfter: false,
    })
    await back()
  })
})

type Tables = Shop['lonja']['registry']['tables']

interface Lives {
  readonly between?: (store: Store, tables: Tables) => Promise<void>
  readonly after: (shop: Shop) => Promise<void>
  readonly isSoundAfter?: false
}

/** A shop whose commands are all gone, what happens to its database while it is closed, and the shop after that. */
function afterRestart({ between = async () => undefined, after, isSoundAfter }: Lives) {
  return async (): Promise<void> => {
    const clock = createVirtualClock()
    const [store, outside] = [openSqlite({ path: ':memory:' }), openOutside(clock)]
    const first = await startShop({ clock, store, outside })
    await first.product({ quantity: 100 })
    await placeAll(first)
    await first.advance(8 * DAY_MS)
    await retained(first).look()
    await assertGone(first)
    await isSound(first)
    await first.stop()
    await between(store, first.lonja.registry.tables)
    const second = await startShop({ clock, store, outside })
    await after(second)
    if (isSoundAfter !== false) await isSound(second)
    else second.complaints.splice(0)
    await second.stop()
    outside.gateway.stop()
    outside.carrier.stop()
    await store.close()
  }
}

interface StoredCursor {
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly version: number
  readonly incarnation: number
}

/** The cursors of inventory on its commands: taken away, as if it had never been declared, or set back. */
async function changeCursors(store: Store, tables: Tables, how: 'delete' | 'back to 0'): Promise<void> {
  const table = tables.get('inventory')?.cursors
  assert.ok(table !== undefined)
  const cursors = await store.query<StoredCursor>(
    `SELECT * FROM ${store.tableName('inventory', 'cursors')}
     WHERE consumer_group = 'inventory' AND topic = 'inventory.commands' ORDER BY partition`,
  )
  const keys = cursors.map(({ topic, partition, source }) => ['inventory', topic, partition, source])
  const rows = cursors.map(({ version, incarnation }, at) => [...(keys[at] ?? []), version + 1, 0, 1, incarnation, '0'])
  const write = how === 'delete' ? { table, mode: how, rows: keys } : { table, mode: 'versioned' as const, rows }
  const transaction = await store.begin()
  await transaction.commit({ writes: [write], appends: [], appendedAt: 0, transaction: 0 })
}

/** What is told of it after the time of every command is over. */
function whileOver(stays: (shop: Shop) => Promise<void>, flow: Flow = {}) {
  return inShop(async (shop) => {
    await shop.product({ quantity: 100 })
    await stays(shop)
    await isSound(shop)
  }, flow)
}

suite('what stays', () => {
  test(
    'is what is younger than its time, or than the oldest backup',
    whileOver(async (shop) => {
      await placeAll(shop)
      await shop.advance(6 * DAY_MS)
      await retained(shop).look()
      await assertKept(shop, COMMANDS)
      await shop.advance(20 * DAY_MS)
      await retained(shop, { backupWindowMs: 30 * DAY_MS }).look()
      await assertKept(shop, COMMANDS)
      await shop.advance(5 * DAY_MS)
      await retained(shop, { backupWindowMs: 30 * DAY_MS }).look()
      await assertGone(shop)
    }),
  )

  test(
    'is what a paused group has not read, and what the relay has not shipped',
    whileOver(async (shop) => {
      await placeAll(shop)
      await asking(shop.lonja, 'pause', { group: 'shipping' })
      const { orderId } = await shop.placeOrder()
      await shop.advance(9 * DAY_MS)
      await retained(shop, {
        alsoNeeded: [
          async () =>
            ({ first }) =>
              first,
        ],
      }).look()
      await assertKept(shop, COMMANDS)
      await retained(shop).look()
      const { first, next } = await retained(shop).boundsOf('shipping.commands')
      // Those of before, and not the booking or its cancellation that nobody has read.
      assert.ok(first >= ORDERS && first < next, `from ${first} to ${next}`)
      await assertGone(shop, ['inventory.commands', 'payments.commands'])
      await asking(shop.lonja, 'resume', { group: 'shipping' })
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'CANCELLED')
    }),
  )

  test('is what a group in another database has not read, or while it is away anything', async () => {
    const inventory = pausableStore(openSqlite({ path: ':memory:' }))
    const stays = whileOver(
      async (shop) => {
        await placeAll(shop)
        await asking(shop.lonja, 'pause', { group: 'inventory' })
        const { orderId } = await shop.placeOrder()
        await shop.advance(9 * DAY_MS)
        const { look, boundsOf } = retained(shop)
        inventory.goAway()
        await assert.rejects(look(), /the store is away/)
        assert.equal((await boundsOf('inventory.commands')).first, 0)
        inventory.resume()
        await look()
        const held = await boundsOf('inventory.commands')
        assert.ok(held.first > 0 && held.first < held.next, `from ${held.first} to ${held.next}`)
        await asking(shop.lonja, 'resume', { group: 'inventory' })
        await shop.advance(10_000)
        assert.equal((await shop.order(orderId)).status, 'CANCELLED')
        await shop.advance(9 * DAY_MS)
        await look()
        await assertGone(shop, ['inventory.commands'])
      },
      { stores: { inventory }, mayComplain: true },
    )
    await stays()
    await inventory.close()
  })

  test(
    'is all that a group needs that never ran',
    whileOver(async (shop) => {
      await placeAll(shop)
      const { store } = shop.lonja.runtimes[0]!.options
      await changeCursors(store, shop.lonja.registry.tables, 'delete')
      await shop.advance(8 * DAY_MS)
      await retained(shop).look()
      await assertKept(shop, ['inventory.commands'])
      await assertGone(shop, ['payments.commands'])
    }),
  )
})
