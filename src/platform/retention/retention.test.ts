// Looks by themselves, chunk by chunk: what is past its time goes, whoever else is at work, and little is asked.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { contract } from '../../kernel/message.ts'
import { inShop } from '../../testing/shop.ts'
import type { Shop } from '../../testing/shop.ts'
import { DAY_MS, retained } from '../../testing/retaining.ts'
import type { Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'
import { needsOfGroups } from './needs.ts'
import type { OldRecordsOptions } from './old-records.ts'
import { deleteOldRecords } from './old-records.ts'

const HOUR_MS = 3_600_000

async function answersKept({ lonja }: Shop): Promise<number> {
  const [row] = await lonja
    .reader('orders')
    .rows<{ readonly count: number }>(`SELECT count(*) AS count FROM {idempotency}`)
  return row?.count ?? 0
}

suite('answers that are kept for repeated requests', () => {
  test(
    'are kept for 48 hours, and then no longer',
    inShop(async (shop) => {
      const { look, metrics } = retained(shop)
      await shop.product({ quantity: 100 })
      const placing = { clientId: await shop.client() }
      const sender = { headers: { 'idempotency-key': 'once' } }
      const { orderId } = await shop.placeOrder(placing, sender)
      for (let order = 0; order < 5; order += 1) await shop.placeOrder()
      await shop.advance(47 * HOUR_MS)
      await look()
      assert.equal((await shop.placeOrder(placing, sender)).orderId, orderId)
      assert.equal(await answersKept(shop), 6)
      await shop.advance(2 * HOUR_MS)
      await look()
      assert.equal(await answersKept(shop), 0)
      assert.match(await metrics(), /lonja_kept_answers_deleted_total\{service="orders"\} 6/)
      assert.notEqual((await shop.placeOrder(placing, sender)).orderId, orderId)
    }),
  )
})

suite('a look', () => {
  test(
    'comes by itself, soon after the start and then once an hour',
    inShop(async (shop) => {
      const { retention, boundsOf, metrics } = retained(shop)
      retention.start()
      await shop.product({ quantity: 100 })
      await shop.placeOrder()
      await shop.advance(DAY_MS)
      assert.match(await metrics(), /lonja_log_oldest_record_seconds\{topic="orders.commands"\} 8[56]\d\d\d/)
      assert.equal((await boundsOf('orders.commands')).first, 0)
      await shop.advance(7 * DAY_MS)
      const { first, next } = await boundsOf('orders.commands')
      assert.deepEqual([first > 0, first], [true, next])
      assert.doesNotMatch(await metrics(), /lonja_log_oldest_record_seconds\{/)
      await retention.stop()
    }),
  )

  test(
    'is not taken where another process takes it, and ends when the process stops',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      await shop.placeOrder()
      await shop.advance(8 * DAY_MS)
      await retained(shop, { isOurs: () => false }).look()
      assert.equal((await retained(shop).boundsOf('orders.commands')).first, 0)
      const { retention, metrics } = retained(shop)
      const running = retention.run()
      await shop.idle()
      await retention.stop()
      await running
      assert.doesNotMatch(await metrics(), /_deleted_total\{/)
    }),
  )

  test(
    'that finds nothing asks less of the databases in an hour than an idle process may in ten seconds',
    inShop(async (shop) => {
      const { look } = retained(shop)
      await shop.product({ quantity: 100 })
      await shop.placeOrder()
      await shop.idle()
      const store = shop.lonja.storeOf('orders')
      const before = store.statements()
      await look()
      const asked = store.statements() - before
      assert.ok(asked <= 50, `${asked} statements`)
    }),
  )
})

suite('what groups need', () => {
  test(
    'is all that is kept, where one has not followed its source to another incarnation',
    inShop(async ({ lonja, product, placeOrder, idle }) => {
      await product({ quantity: 100 })
      await placeOrder()
      await idle()
      const neededFrom = await needsOfGroups({ registry: lonja.registry, storeOf: (name) => lonja.storeOf(name) })()
      const heads = await lonja.storeOf('orders').heads('orders')
      const head = heads.find(({ topic, next }) => topic === 'inventory.commands' && next > 0)
      assert.ok(head !== undefined)
      assert.deepEqual([neededFrom(head), neededFrom({ ...head, incarnation: 2 })], [head.next, head.first])
    }),
  )
})

const bulk = contract('bulk')
const [, { name: topic }] = bulk.topics

/** So many rows of two records in one partition, and the options of a look at them. */
async function filled(rows: number, changes: Partial<OldRecordsOptions> = {}) {
  const store = openSqlite({ path: ':memory:' })
  await store.migrate([{ schema: 'bulk', version: 1, tables: [], topics: [{ name: topic, partitions: 6 }] }])
  for (let row = 0; row < rows; row += 1) await append(store)
  let chunks = 0
  const options: OldRecordsOptions = {
    store,
    source: 'bulk',
    topics: [topic],
    needs: [({ next }) => next],
    now: 8 * DAY_MS,
    backupWindowMs: 0,
    mayGoOn: async () => (chunks += 1) < 100,
    deleted: () => undefined,
    conflicted: (_, error) => assert.fail(error),
    ...changes,
  }
  const first = async () => (await store.heads('bulk')).find(({ partition }) => partition === 1)?.first
  return { store, options, first, chunks: () => chunks }
}

async function append(store: Store): Promise<void> {
  const transaction = await store.begin()
  const head = { source: 'bulk', topic, partition: 1, generation: 1, incarnation: 1 }
  const appends = [{ ...head, expected: undefined, count: 2, body: '[{},{}]' }]
  await transaction.commit({ writes: [], appends, appendedAt: 1, transaction: 1 })
}

suite('old records', () => {
  test('go a few hundred rows at a time, and up to what the neediest reader needs', async () => {
    const { store, options, first, chunks } = await filled(450, { needs: [({ next }) => next, () => 851] })
    const seen: number[] = []
    await deleteOldRecords({ ...options, deleted: (_, records) => seen.push(records) })
    assert.deepEqual([seen, chunks(), await first()], [[400, 400, 50], 3, 850])
    await store.close()
  })

  test('stay where the log is not as its head says, and the look goes on elsewhere', async () => {
    const conflicts: number[] = []
    const { store, options, first } = await filled(2)
    const trimLog: Store['trimLog'] = async () => {
      throw new Conflict('another process deletes here')
    }
    const blocked = new Proxy(store, {
      get: (target, name) => (name === 'trimLog' ? trimLog : (Reflect.get(target, name) as () => void).bind(target)),
    })
    await deleteOldRecords({ ...options, store: blocked, conflicted: ({ partition }) => conflicts.push(partition) })
    assert.deepEqual([conflicts, await first()], [[1], 0])
    await store.close()
  })
})
