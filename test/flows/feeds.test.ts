// Feeds over the whole shop: each order's records in its readers' topics, in order and once, across crashes and pauses.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import type { LogRecord } from '../../src/platform/log/record.ts'
import type { Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { services } from '../../src/services.ts'
import { type CommitFault, faultyStore } from '../../src/testing/faulty-store.ts'
import { assertFed, recordsIn } from '../../src/testing/feeding.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { DAY_MS, retained } from '../../src/testing/retaining.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Shop, ShopOptions } from '../../src/testing/shop.ts'
import { inShop, openOutside, startShop } from '../../src/testing/shop.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'

const FEEDS = ['order-states', 'order-pipeline', 'domain-events']
const OUTWARD = services.flatMap(({ name: source, feeds }) =>
  [...new Set(feeds.flatMap(({ rules }) => rules.map(({ to }) => to)))].map((topic) => ({ source, topic })),
)

/** What each outward topic holds, by its name. */
async function fedIn(store: Store): Promise<ReadonlyMap<string, readonly LogRecord[]>> {
  const fed = new Map<string, readonly LogRecord[]>()
  for (const { source, topic } of OUTWARD) fed.set(topic.name, await recordsIn(store, source, topic.name))
  return fed
}

/** The types of the records of one key, by topic. */
async function typesOf(shop: Shop, key: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const fed = await fedIn(shop.lonja.storeOf('orders'))
  const own = [...fed].map(([topic, records]) => [topic, records.filter((record) => record.key === key)] as const)
  return Object.fromEntries(
    own.filter(([, records]) => records.length > 0).map(([topic, records]) => [topic, records.map(({ type }) => type)]),
  )
}

const CONFIRMED = {
  'orders.created': ['orders.created'],
  'orders.paid': ['orders.paid'],
  'pipeline.orders.events': ['ORDER_CREATED', 'ORDER_CONFIRMED'],
  'inventory.requests': ['RESERVE'],
  'notifications.requests': ['ORDER_CONFIRMED'],
  'order-events': ['order.created', 'order.status.updated', 'order.status.updated'],
  'inventory.responses': ['RESERVED'],
  'pipeline.inventory.events': ['INVENTORY_RESERVED'],
  'inventory-events': ['inventory.stock.reserved', 'inventory.stock.committed'],
  'payment-events': ['payment.captured'],
  'shipping-events': ['shipment.created'],
  'pipeline.notifications.events': ['NOTIFICATION_SENT'],
  'notification-events': ['notification.sent'],
}

const OUT_OF_STOCK = {
  'orders.created': ['orders.created'],
  'orders.failed': ['orders.failed'],
  'pipeline.orders.events': ['ORDER_CREATED', 'ORDER_CANCELLED'],
  'inventory.requests': ['RESERVE', 'ROLLBACK'],
  'notifications.requests': ['ORDER_CANCELLED'],
  'order-events': ['order.created', 'order.status.updated'],
  'inventory.responses': ['INSUFFICIENT_STOCK'],
  'pipeline.notifications.events': ['NOTIFICATION_SENT'],
  'notification-events': ['notification.sent'],
}

async function assertChecked(shop: Shop): Promise<void> {
  await shop.idle()
  await assertSound(shop)
  const ledger = () => shop.gateway.ledger()
  assert.deepEqual((await runCheck(shop.lonja, { quick: false, ledger })).problems, [])
}

/** An order that is confirmed and one that is not, as all who listen hear of them. */
async function bothWays(shop: Shop): Promise<void> {
  await shop.product({ quantity: 5 })
  const { orderId: good } = await shop.placeOrder({ quantity: 1 })
  const { orderId: bad } = await shop.placeOrder({ quantity: 100 })
  await shop.idle()
  assert.deepEqual(await typesOf(shop, good), CONFIRMED)
  assert.deepEqual(await typesOf(shop, bad), OUT_OF_STOCK)
  const fed = await fedIn(shop.lonja.storeOf('orders'))
  const bodies = (topic: string) => fed.get(topic)?.map(({ data }) => data) ?? []
  const [product] = bodies('product-events') as {
    readonly eventType: string
    readonly data: { readonly sku: string }
  }[]
  assert.deepEqual([product?.eventType, product?.data.sku], ['product.created', 'LAMP'])
  const statuses = bodies('order-events').flatMap((body) => {
    const { orderId, oldStatus, newStatus } = (body as { readonly data: Readonly<Record<string, string>> }).data
    return orderId === good && newStatus !== undefined ? [`${oldStatus} ${newStatus}`] : []
  })
  assert.deepEqual(statuses, ['PENDING PAID', 'PAID CONFIRMED'])
  // What was fed is no part of what happened to the order.
  const told = new Set((await shop.story(good)).map(({ name }) => name))
  assert.ok(told.has('OrderConfirmed') && !told.has('orders.created'))
  await assertFed(shop.lonja.storeOf('orders'), services)
  await assertChecked(shop)
}

suite('feeds', () => {
  test('make what their readers wait for, on SQLite', inShop(bothWays, { feeds: FEEDS }))

  test('make what their readers wait for, on PostgreSQL', async () =>
    inShop(bothWays, { feeds: FEEDS, store: await sharedPostgres() })())

  test('have the topics of their readers, with their partitions and times', () => {
    const domain = services.flatMap(({ feeds }) => feeds.filter(({ name }) => name === 'domain-events'))
    const topics = new Set(domain.flatMap(({ rules }) => rules.map(({ to }) => to)))
    assert.deepEqual(Object.fromEntries([...topics].map(({ name, partitions, keep }) => [name, [partitions, keep]])), {
      'user-events': [3, '7 d'],
      'order-events': [6, '30 d'],
      'payment-events': [6, '90 d'],
      'inventory-events': [4, '14 d'],
      'product-events': [3, '30 d'],
      'shipping-events': [4, '30 d'],
      'notification-events': [4, '7 d'],
    })
  })

  test(
    'that are off make nothing: no group, no topic, no record',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      await shop.placeOrder()
      await shop.idle()
      const { groups, schemas } = shop.lonja.registry
      assert.ok(groups.length > 0 && groups.every(({ feed }) => feed === undefined))
      const names = new Set(OUTWARD.map(({ topic }) => topic.name))
      for (const { schema } of schemas.filter(({ topics }) => topics.length > 0)) {
        const heads = await shop.lonja.storeOf(schema).heads(schema)
        assert.deepEqual(
          heads.filter(({ topic }) => names.has(topic)),
          [],
        )
      }
    }),
  )

  test('keep the order of each key, once each, while commits fail or nobody knows whether they did', async () => {
    const store = faultyStore(openSqlite({ path: ':memory:' }))
    const stumbling = async (shop: Shop): Promise<void> => {
      await shop.product({ quantity: 1000 })
      const clientId = await shop.client()
      const placed: string[] = []
      for (const fault of [...FAULTS, ...FAULTS, ...FAULTS, ...FAULTS]) {
        // The order is placed in the first of its transactions, and goes on in the others.
        store.failNext(...Array.from({ length: placed.length % 4 }, () => undefined), fault, undefined, fault)
        const answer = await shop.during(2000, shop.placeOrder({ clientId, quantity: 1 }))
        placed.push(answer.orderId)
        await shop.advance(2000)
      }
      for (const orderId of placed) assert.deepEqual(await typesOf(shop, orderId), CONFIRMED)
      await assertFed(store, services)
    }
    await inShop(stumbling, { feeds: FEEDS, store, mayComplain: true })()
    await store.close()
  })
})

const FAULTS: readonly CommitFault[] = ['conflict', 'lost before', 'lost after']

interface Lives {
  readonly first: ShopOptions
  readonly before: (shop: Shop) => Promise<void>
  readonly second: ShopOptions
  readonly after: (shop: Shop) => Promise<void>
  readonly third?: { readonly options: ShopOptions; readonly next: (shop: Shop) => Promise<void> }
}

/** Shops one after the other, over the same database. */
function lives({ first, before, second, after, third }: Lives) {
  return async (): Promise<void> => {
    const clock = createVirtualClock()
    const [store, outside] = [openSqlite({ path: ':memory:' }), openOutside(clock)]
    const live = async (options: ShopOptions, body: (shop: Shop) => Promise<void>): Promise<void> => {
      const shop = await startShop({ clock, store, outside, ...options })
      await body(shop)
      await assertChecked(shop)
      await shop.stop()
    }
    await live(first, before)
    await live(second, after)
    if (third !== undefined) await live(third.options, third.next)
    outside.gateway.stop()
    outside.carrier.stop()
    await store.close()
  }
}

const on = { feeds: ['order-states'] }
const created = (shop: Shop) => recordsIn(shop.lonja.storeOf('orders'), 'orders', 'orders.created')

async function beganAt(shop: Shop): Promise<readonly string[]> {
  const store = shop.lonja.storeOf('orders')
  const rows = await store.query<{ readonly began_at: string }>(
    `SELECT began_at FROM ${store.tableName('orders', 'cursors')} WHERE consumer_group = 'orders.order-states'`,
  )
  return rows.map((row) => row.began_at)
}

suite('a feed that is turned on for a shop that has orders', () => {
  const known: string[] = []
  test(
    'begins with what comes next, and its cursors say so for ever',
    lives({
      first: {},
      before: async (shop) => {
        await shop.product({ quantity: 100 })
        for (let order = 0; order < 6; order += 1) await shop.placeOrder()
      },
      second: on,
      after: async (shop) => {
        await shop.idle()
        assert.deepEqual(await created(shop), [])
        known.push((await shop.placeOrder()).orderId)
        await shop.idle()
        assert.deepEqual(
          (await created(shop)).map(({ key }) => key),
          known,
        )
        const began = await beganAt(shop)
        assert.equal(began.length, 6)
        assert.ok(
          began.some((text) => text !== 'now 0') && began.every((text) => /^now \d+$/.test(text)),
          String(began),
        )
      },
      third: {
        // The one goes on, the other begins.
        options: { feeds: ['order-states', 'domain-events'] },
        next: async (shop) => {
          const { orderId } = await shop.placeOrder()
          known.push(orderId)
          await shop.idle()
          const fed = await recordsIn(shop.lonja.storeOf('orders'), 'orders', 'order-events')
          assert.deepEqual([...new Set(fed.map(({ key }) => key))], [orderId])
          assert.deepEqual((await created(shop)).map(({ key }) => key).toSorted(), known.toSorted())
        },
      },
    }),
  )
})

suite('a feed that is turned off', () => {
  test(
    'holds nothing back, forgets what it made after its time, and goes on where it was when it is on again',
    lives({
      first: on,
      before: async (shop) => {
        await shop.product({ quantity: 100 })
        await shop.placeOrder()
        await shop.idle()
        assert.equal((await created(shop)).length, 1)
      },
      second: {},
      after: async (shop) => {
        await shop.placeOrder()
        await shop.advance(8 * DAY_MS)
        await retained(shop).look()
        assert.deepEqual(await created(shop), [])
        const { first, next } = await retained(shop).boundsOf('orders.commands')
        assert.ok(next > 0 && first === next, `orders.commands is kept from ${first} to ${next}`)
      },
      third: {
        options: on,
        next: async (shop) => {
          await shop.idle()
          assert.equal((await created(shop)).length, 1)
          const { orderId } = await shop.placeOrder()
          await shop.idle()
          assert.equal((await created(shop)).at(-1)?.key, orderId)
          assert.deepEqual(
            (await shop.story(orderId)).filter(({ what }) => what === 'log'),
            [],
          )
        },
      },
    }),
  )
})

suite('what a feed made', () => {
  test(
    'goes after its time, but not before it is shipped',
    inShop(
      async (shop) => {
        await shop.product({ quantity: 100 })
        const { orderId } = await shop.placeOrder()
        await shop.advance(8 * DAY_MS)
        const waits = {
          alsoNeeded: [
            async () =>
              ({ first }: { readonly first: number }) =>
                first,
          ],
        }
        await retained(shop, waits).look()
        assert.equal((await created(shop)).length, 1)
        await retained(shop).look()
        assert.equal((await created(shop)).length, 0)
        const gone = (await shop.story(orderId)).find(({ what }) => what === 'log')?.cause ?? ''
        assert.ok(gone.includes('orders.commands') && !gone.includes('orders.created'), gone)
        // A month is not over.
        assert.ok((await recordsIn(shop.lonja.storeOf('orders'), 'orders', 'order-events')).length > 0)
      },
      { feeds: FEEDS },
    ),
  )
})
