// The loop over the toy shop: from a command to its end, through refusals, faults, lost answers, restarts and time.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Refusal } from '../../kernel/refuse.ts'
import { HOLD_MS, startToyShop } from '../../testing/toy-shop.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { RecordTooLarge } from '../application.ts'
import { headsTopic } from '../kafka/heads-record.ts'
import { configOf } from '../kafka/topics.ts'
import { openSqlite } from '../store/sqlite.ts'
import { MAX_RECORD_CHARACTERS } from './outbox.ts'

test('an order walks its saga to the end, and what is refused is undone', async () => {
  const shop = await startToyShop({ till: { pay: (orderId) => Promise.resolve(orderId !== 'c') } })
  const replies = await Promise.all([shop.place('a', 4), shop.place('b', 7), shop.place('c', 2)])
  assert.deepEqual(
    replies.map(({ status }) => status),
    [201, 201, 201],
  )
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed', b: 'cancelled', c: 'cancelled' })
  assert.equal(await shop.stockLeft(), 6)
  await shop.stop()
})

test('a repeated key gets the first answer, another body under it is refused', async () => {
  const shop = await startToyShop()
  const [first, second] = await Promise.all([shop.place('a', 1, 'key'), shop.place('a', 1, 'key')])
  assert.deepEqual(first, second)
  const replayed = await shop.place('a', 1, 'key')
  assert.deepEqual(replayed, { ...first, headers: { 'idempotency-replayed': 'true' } })
  await assert.rejects(shop.place('a', 2, 'key'), { code: 'IDEMPOTENCY_KEY_REUSED' })
  await assert.rejects(shop.place('e', 0, 'other'), { code: 'EMPTY' })
  // A refusal is stored as well: the repetition is not decided anew.
  await assert.rejects(shop.place('e', 0, 'other'), (error) => error instanceof Refusal && error.code === 'EMPTY')
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  await shop.stop()
})

test('a command that leads to more than the log takes is refused, and leaves nothing behind', async () => {
  const shop = await startToyShop()
  const refused = shop.place('x'.repeat(MAX_RECORD_CHARACTERS), 1)
  await Promise.all([assert.rejects(refused, RecordTooLarge), shop.place('a', 1)])
  await shop.lonja.settled()
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  await shop.stop()
})

test('the largest record, with the widest letters and its headers, is below what topics on Kafka take', () => {
  const { value = '' } = configOf(headsTopic).find(({ name }) => name === 'max.message.bytes') ?? {}
  const widest = Buffer.byteLength('語')
  assert.ok(MAX_RECORD_CHARACTERS * widest + 64 * 1024 < Number(value))
})

test('a record whose handler throws is parked with its key, and everything else goes on', async () => {
  const faults: string[] = []
  const parked: string[] = []
  const clock = createVirtualClock()
  const shop = await startToyShop({
    clock,
    observer: { fault: ({ type }) => faults.push(type), parked: ({ group, key }) => parked.push(`${group} ${key}`) },
  })
  await shop.place('poison', 1)
  await Promise.all(Array.from({ length: 60 }, (_, index) => shop.place(`order-${index}`, 1)))
  await clock.advance(1000, shop.idle)
  const { poison, ...others } = await shop.statuses()
  // Ten pieces, sixty buyers: those of the poisoned one's partition bought and were refused as all others.
  assert.equal(poison, 'placed')
  assert.equal(Object.values(others).filter((status) => status === 'confirmed').length, 10)
  assert.equal(Object.values(others).filter((status) => status === 'cancelled').length, 50)
  assert.deepEqual(faults, ['Reserve', 'Reserve'])
  assert.deepEqual(parked, ['depot poison'])
  assert.ok((await shop.lonja.lags()).every(({ stopped, next, head }) => stopped === undefined && next === head))
  assert.ok((await shop.lonja.health()).some(({ status, part }) => part === 'group depot' && status === 'degraded'))
  await shop.stop()
})

test('an effect that fails is tried again after its delays, asked for first, and given up after the last', async () => {
  const clock = createVirtualClock()
  const calls: string[] = []
  const till = {
    pay: (orderId: string, key: string) => {
      calls.push(`pay ${orderId} at ${clock.now() % 100_000}`)
      return key.includes('lost') ? Promise.reject(new Error('line cut')) : Promise.reject(new Error('down'))
    },
    asked: (key: string) => Promise.resolve(key.includes('lost') ? true : undefined),
  }
  const shop = await startToyShop({ till, clock })
  await Promise.all([shop.place('lost', 1), shop.place('down', 1)])
  await clock.advance(10_000, shop.idle)
  assert.deepEqual(await shop.statuses(), { down: 'cancelled', lost: 'confirmed' })
  const first = Number(calls[0]?.split(' at ')[1])
  assert.deepEqual(
    calls.filter((call) => call.includes('down')).map((call) => Number(call.split(' at ')[1]) - first),
    [0, 2000, 6000],
  )
  assert.equal(calls.filter((call) => call.includes('lost')).length, 1)
  await shop.stop()
})

test('a scheduled command fires at its time and not before', async () => {
  const clock = createVirtualClock()
  const shop = await startToyShop({ clock })
  await shop.place('a', 4)
  await clock.advance(HOLD_MS - 1000, shop.idle)
  assert.equal(await shop.stockLeft(), 6)
  await clock.advance(2000, shop.idle)
  assert.equal(await shop.stockLeft(), 10)
  await shop.stop()
})

test('a call that hangs is cut at its limit and given up after its tries', async () => {
  const clock = createVirtualClock()
  const shop = await startToyShop({ clock, till: { pay: () => new Promise<boolean>(() => undefined) } })
  await shop.place('a', 4)
  await clock.advance(8000, shop.idle)
  assert.deepEqual(await shop.statuses(), { a: 'placed' })
  // Three calls of one second, two and four seconds apart.
  await clock.advance(2000, shop.idle)
  assert.deepEqual(await shop.statuses(), { a: 'cancelled' })
  assert.equal(await shop.stockLeft(), 10)
  await shop.stop()
})

test('after a restart everything goes on where it was, under the same idempotency keys', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-runtime-'))
  const path = join(folder, 'shop.sqlite')
  const keys: string[] = []
  const clock = createVirtualClock()
  const never = { pay: (_: string, key: string) => (keys.push(key), new Promise<boolean>(() => undefined)) }
  const before = await startToyShop({ store: openSqlite({ path }), till: never, clock })
  await before.place('a', 3, 'key')
  await clock.advance(10, before.idle)
  await before.stop()
  const after = await startToyShop({
    store: openSqlite({ path }),
    clock,
    till: { pay: (_, key) => (keys.push(key), Promise.resolve(true)) },
  })
  await clock.advance(10, after.idle)
  assert.deepEqual(await after.statuses(), { a: 'confirmed' })
  assert.equal(keys.length, 2)
  assert.equal(keys[0], keys[1])
  assert.deepEqual((await after.place('a', 3, 'key')).body, { status: 'placed' })
  await after.stop()
  rmSync(folder, { recursive: true })
})

test('the story of an order tells each command, event, saga step, effect and timer with its cause', async () => {
  const shop = await startToyShop()
  await shop.place('a', 4)
  await shop.lonja.settled()
  const names = (await shop.lonja.story('a')).map(({ what, name }) => `${what} ${name}`)
  assert.deepEqual(names, [
    'command Place',
    'event Placed',
    'command Reserve',
    'event Reserved',
    'saga checkout',
    'command Pay',
    'effect pay',
    'event Paid',
    'saga checkout',
    'command Confirm',
    'event Confirmed',
    'saga checkout',
  ])
  await shop.stop()
})
