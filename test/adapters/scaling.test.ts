// More partitions under a running ledger, embedded: every key keeps its order in every group, whatever is parked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../src/kernel/refuse.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { checkCursors, checkLogs } from '../../src/cli/check/check-logs.ts'
import { systemClock } from '../../src/platform/system.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Ledger } from './scaling-ledger.ts'
import { accountsNamed, assertWhole, madeEarlier, pauseAt } from './scaling-ledger.ts'
import { scale, scaleAtOnce, standing, startLedger } from './scaling-ledger.ts'

const ACCOUNTS = accountsNamed(24)
const BAD = new Set(['account-1', 'account-4', 'account-7', 'account-15'])
/** After the tries in place a key is parked. */
const QUICK_TRIES_MS = 200
/** Longer than the pauses between all retries. */
const LATER_MS = 600_000

const inMemory = () => madeEarlier(openSqlite({ path: ':memory:' }))

/** Accounts whose partition changes between old ones, too: doubling would leave each in its own or a new one. */
async function postAll(ledger: Ledger, ...entries: readonly number[]): Promise<void> {
  for (const entry of entries) {
    const posted = ACCOUNTS.map((account) => ledger.post(account, entry))
    await ledger.idle()
    await Promise.all(posted)
  }
}

test('3 → 5 → 12 under load, with keys that are parked before the barriers and freed behind them', async () => {
  const state = { isBad: true }
  const clock = createVirtualClock()
  const ledger = await startLedger({
    store: await inMemory(),
    clock,
    trouble: (account) => {
      if (state.isBad && BAD.has(account)) throw new Error('trouble')
    },
  })
  assert.deepEqual(await standing(ledger), [3, 1])
  for (let entry = 0; entry < 6; entry += 1) {
    const posted = postAll(ledger, entry)
    if (entry === 2) await scale(ledger, 5)
    await posted
    await clock.advance(QUICK_TRIES_MS, ledger.idle)
  }
  assert.deepEqual(await standing(ledger), [5, 2])
  assert.equal((await ledger.rows('parked_keys')).length, BAD.size)
  const posted = postAll(ledger, 6)
  await scale(ledger, 12)
  await posted
  state.isBad = false
  for (let entry = 7; entry < 10; entry += 1) {
    await postAll(ledger, entry)
    await clock.advance(LATER_MS, ledger.idle)
  }
  assert.deepEqual(await standing(ledger), [12, 3])
  await assertWhole(ledger, ACCOUNTS, 10)
  assert.deepEqual(await ledger.rows('parked'), [])
  await ledger.stop()
})

test('a backlog of three generations is read one generation after the other, in old partitions too', async () => {
  const store = await inMemory()
  const writer = await startLedger({ store, works: false })
  await postAll(writer, 0, 1)
  await scale(writer, 4)
  await postAll(writer, 2, 3)
  await scaleAtOnce(store, 7)
  await postAll(writer, 4, 5)
  await writer.lonja.stop()
  const ledger = await startLedger({ store })
  await ledger.idle()
  await assertWhole(ledger, ACCOUNTS, 6)
  await ledger.stop()
})

test('a writer that has not heard of it starts over, and no reader meets its keys out of order', async () => {
  const store = await inMemory()
  const conflicts: string[] = []
  const ledger = await startLedger({ store })
  const stale = await startLedger({
    store,
    works: false,
    observer: { conflicted: (reason) => void conflicts.push(reason) },
  })
  await postAll(stale, 0)
  await scale(ledger, 4)
  await postAll(stale, 1)
  assert.match(conflicts.join(), /generation/)
  await postAll(ledger, 2)
  await postAll(stale, 3)
  const heads = await store.heads('desk')
  const made = heads.find(({ topic, partition }) => topic === 'desk.events' && partition === 3)
  assert.ok(made?.next, 'the new partition is written to')
  await postAll(ledger, 4)
  await assertWhole(ledger, ACCOUNTS, 5)
  await stale.lonja.stop()
  await ledger.stop()
})

test('a group that waits says for what, and there is no other scaling until it has gone on', async () => {
  const clock = createVirtualClock()
  const ledger = await startLedger({ store: await inMemory(), clock })
  const stale = await startLedger({ store: ledger.store, works: false })
  await postAll(ledger, 0)
  await pauseAt(ledger, 'pause', 1)
  await refused(scale(ledger, 4), 'SCALING_GROUP_STANDS', /ledger at desk.events\/1: paused/)
  // Unheard of by those who read, so that the pause comes before the barriers.
  await scaleAtOnce(ledger.store, 4)
  await postAll(stale, 1)
  await scaleNoticed(ledger)
  const degraded = (await ledger.lonja.health()).filter(({ status }) => status === 'degraded')
  assert.deepEqual(
    degraded.map(({ part, detail }) => `${part} ${detail}`),
    ['group ledger stands still at desk.events/0: waits for barrier 2 of p1'],
  )
  await refused(scale(ledger, 6), 'SCALING_UNDER_WAY', /ledger before barrier 2 of desk\/desk.events\/1/)
  const stopped = (await ledger.lonja.lags()).filter((lag) => lag.stoppedFor === 'barrier')
  assert.deepEqual([...new Set(stopped.map((lag) => lag.stopped))], ['waits for barrier 2 of p1'])
  await pauseAt(ledger, 'resume', 1)
  await clock.advance(LATER_MS, ledger.idle)
  await assertWhole(ledger, ACCOUNTS, 2)
  await scale(ledger, 6)
  await ledger.idle()
  assert.deepEqual(await standing(ledger), [6, 3])
  await stale.lonja.stop()
  await ledger.stop()
})

test('what can not be is refused, and what is there already is left alone', async () => {
  const ledger = await startLedger({ store: await inMemory() })
  const planned = await scale(ledger, 4, true)
  assert.deepEqual(planned.scaled, [{ source: 'desk', topic: 'desk.events', from: 3, to: 4, generation: 2 }])
  assert.deepEqual(await standing(ledger), [3, 1])
  await scale(ledger, 4)
  await ledger.idle()
  assert.deepEqual((await scale(ledger, 4)).scaled, [])
  await refused(scale(ledger, 3), 'SCALING_SHRINKS', /desk.events has 4/)
  const unknown = { partitions: 4, topics: ['desk.secrets'], reason: '', principal: '', role: 'operator' } as const
  await refused(ledger.lonja.scaling.scale({ ...unknown, dryRun: false }), 'TOPIC_NOT_FOUND', /desk.secrets/)
  const { schema, name } = { schema: 'lonja', name: 'audit' }
  const audit = await ledger.store.query<{ action: string; target: string; reason: string }>(
    `SELECT action, target, reason FROM ${ledger.store.tableName(schema, name)}`,
  )
  assert.deepEqual(
    audit.map((entry) => ({ ...entry })),
    [{ action: 'topics.scale', target: 'desk.events', reason: 'growth' }],
  )
  await ledger.stop()
})

test('a database that has heads keeps its count whatever the contracts say, after a restart too', async () => {
  const store = await inMemory()
  const first = await startLedger({ store })
  await scale(first, 4)
  await postAll(first, 0)
  await first.lonja.stop()
  const second = await startLedger({ store })
  await postAll(second, 1)
  assert.deepEqual(await standing(second), [4, 2])
  await assertWhole(second, ACCOUNTS, 2)
  await second.stop()
})

test('a rebuild goes through the generations as the live table did, and the check finds nothing', async () => {
  const ledger = await startLedger({ store: await inMemory(), clock: systemClock })
  for (const [entry, partitions] of [4, 5, 11].entries()) {
    await postAll(ledger, 2 * entry)
    await scale(ledger, partitions)
    await postAll(ledger, 2 * entry + 1)
    await ledger.lonja.settled()
  }
  await ledger.lonja.rebuilds.start('ledger.postings')
  const isDone = async () => (await ledger.lonja.rebuilds.status('ledger.postings')).phase === 'done'
  await waitFor(isDone, { withinMs: 20_000, what: 'the rebuild' })
  const { report } = await ledger.lonja.rebuilds.status('ledger.postings')
  assert.deepEqual([report?.comparedRows, report?.differences], [ACCOUNTS.length, 0])
  await assertWhole(ledger, ACCOUNTS, 6)
  const { registry, storeOf } = { registry: ledger.lonja.registry, storeOf: () => ledger.store }
  const context = {
    registry,
    storeOf,
    now: Date.now,
    progress: () => undefined,
    scratch: ledger.store,
    ledger: undefined,
  }
  for (const check of [checkLogs, checkCursors]) assert.deepEqual((await check(context)).problems, [])
  await ledger.stop()
})

async function refused(work: Promise<unknown>, code: string, details: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Refusal, `${String(error)} instead of ${code}`)
  assert.equal(error.code, code)
  assert.match(JSON.stringify(error.details), details)
}

/** Another handle has written: the poll would find it. */
async function scaleNoticed({ lonja, idle }: Ledger): Promise<void> {
  for (const runtime of lonja.runtimes) runtime.noticed('all')
  await idle()
}
