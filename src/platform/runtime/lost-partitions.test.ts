// What a process makes of work that another one does as well, or has taken over: found by the simulator.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { faultyStore } from '../../testing/faulty-store.ts'
import { startToyShop } from '../../testing/toy-shop.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import type { Clock, Membership, Store } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'

/** A membership that a test moves. */
function movable(): Membership & { move(isOurs: boolean): void } {
  const listeners: (() => void)[] = []
  let ours = true
  return {
    start: () => Promise.resolve(),
    holds: () => ours,
    onChange: (listener) => void listeners.push(listener),
    announce: () => undefined,
    onAnnounced: () => undefined,
    members: () => Promise.resolve([]),
    stop: () => Promise.resolve(),
    move: (isOurs) => {
      ours = isOurs
      for (const listener of listeners) listener()
    },
  }
}

/** Counts what is waited for. */
function counted(clock: Clock): Clock & { alarms: number } {
  const counting = {
    alarms: 0,
    now: () => clock.now(),
    after: (delayMs: number, call: () => void) => {
      counting.alarms += 1
      return clock.after(delayMs, call)
    },
  }
  return counting
}

test('a failed try that another process has counted as well counts on top of his', async () => {
  const store = openSqlite({ path: ':memory:' })
  const clock = createVirtualClock()
  let calls = 0
  const pay = async () => {
    calls += 1
    if (calls > 1) return true
    await store.query('UPDATE depot_effects SET version = version + 1, attempts = attempts + 1')
    throw new Error('line cut')
  }
  const shop = await startToyShop({ store, clock, till: { pay } })
  await shop.place('a', 4)
  await clock.advance(10_000, shop.idle)
  assert.equal(calls, 2)
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  await shop.stop()
})

test('a failed try of a request that another process has the answer of ends there', async () => {
  const store = openSqlite({ path: ':memory:' })
  const clock = createVirtualClock()
  const pay = async () => {
    await store.query('DELETE FROM depot_effects')
    throw new Error('line cut')
  }
  const shop = await startToyShop({ store, clock, till: { pay } })
  await shop.place('a', 4)
  await clock.advance(10_000, shop.idle)
  assert.equal(shop.lonja.runtimes[0]?.executor.open, 0)
  await shop.stop()
})

test('a partition that stood still is forgotten when another process has it, and when that one went past', async () => {
  const store = openSqlite({ path: ':memory:' })
  let isBlind = true
  const readLog: Store['readLog'] = async (...asked) => (isBlind ? [] : store.readLog(...asked))
  const virtual = createVirtualClock()
  const [clock, membership] = [counted(virtual), movable()]
  membership.move(false)
  const shop = await startToyShop({ store: { ...faultyStore(store), readLog }, clock, membership })
  const stopped = async () => (await shop.lonja.lags()).filter((lag) => lag.stopped !== undefined).length
  await shop.place('a', 4)
  membership.move(true)
  await virtual.advance(100, shop.idle)
  assert.ok((await stopped()) > 0, 'the record is missing')
  membership.move(false)
  await virtual.advance(2000, shop.idle)
  clock.alarms = 0
  await virtual.advance(60_000, shop.idle)
  assert.ok(clock.alarms < 10, `${clock.alarms} looks in a minute at what another process has`)
  isBlind = false
  membership.move(true)
  await virtual.advance(10_000, shop.idle)
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  assert.equal(await stopped(), 0)
  await shop.stop()
})

test('a lease that a clock has ended for a moment, while memory was read afresh, is worked on again', async () => {
  const virtual = createVirtualClock()
  const movables = movable()
  let isInTime = true
  const membership: Membership = { ...movables, leased: () => true, holds: () => isInTime }
  const shop = await startToyShop({ store: openSqlite({ path: ':memory:' }), clock: virtual, membership })
  isInTime = false
  movables.move(true)
  await virtual.advance(100, shop.idle)
  isInTime = true
  await shop.place('a', 4)
  await virtual.advance(1000, shop.idle)
  assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
  await shop.stop()
})

test('what another process works on is told to be elsewhere', async () => {
  const virtual = createVirtualClock()
  const membership = movable()
  const shop = await startToyShop({ store: openSqlite({ path: ':memory:' }), clock: virtual, membership })
  const elsewhere = async () => new Set((await shop.lonja.lags()).map((lag) => lag.elsewhere))
  assert.deepEqual(await elsewhere(), new Set([false]))
  membership.move(false)
  await virtual.advance(100, shop.idle)
  assert.deepEqual(await elsewhere(), new Set([true]))
  membership.move(true)
  await virtual.advance(100, shop.idle)
  assert.deepEqual(await elsewhere(), new Set([false]))
  await shop.stop()
})

test('what another process has read is no longer missing here', async () => {
  const store = openSqlite({ path: ':memory:' })
  const blind: Store = { ...faultyStore(store), readLog: async () => [] }
  const virtual = createVirtualClock()
  const membership = movable()
  membership.move(false)
  const shop = await startToyShop({ store: blind, clock: virtual, membership })
  await shop.place('a', 4)
  membership.move(true)
  await virtual.advance(100, shop.idle)
  const behind = (await shop.lonja.lags()).filter((lag) => lag.stopped !== undefined)
  assert.ok(behind.length > 0)
  for (const { group, topic, partition, source, head } of behind) {
    await store.query(
      `INSERT INTO ${group.split('.')[0]}_cursors VALUES (?, ?, ?, ?, 1, ?, 1, 1, '0')
       ON CONFLICT DO UPDATE SET next = excluded.next, version = version + 1`,
      [group, topic, partition, source, head],
    )
  }
  membership.move(true)
  await virtual.advance(100, shop.idle)
  assert.deepEqual(
    (await shop.lonja.lags()).filter((lag) => lag.stopped !== undefined),
    [],
  )
  await shop.stop()
})

test('a share of the partitions that comes during the start is looked at when everything is in memory', async () => {
  const store = openSqlite({ path: ':memory:' })
  const read: string[] = []
  const query: Store['query'] = async (sql, values) => {
    for (let turns = 0; turns < 3; turns += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
    read.push(/cursors|timers|builds/.exec(sql)?.[0] ?? '')
    return store.query(sql, values)
  }
  const membership = movable()
  const shop = await startToyShop({
    store: { ...faultyStore(store), query },
    clock: createVirtualClock(),
    membership: { ...membership, start: async () => membership.move(true) },
  })
  await shop.idle()
  // A loop that began in between mixed old cursors with new heads: an alarm about records that nobody misses.
  assert.ok(read.includes('timers') && read.indexOf('timers') > read.lastIndexOf('cursors'), read.join(' '))
  // Old cursors with a new table meet a conflict; new ones with an old table would fold into what is dropped.
  assert.ok(read.indexOf('builds') > read.indexOf('cursors'), read.join(' '))
  await shop.stop()
})
