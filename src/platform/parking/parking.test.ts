// Messages that can not be handled: their key waits in order, all other keys flow on, nothing is lost or doubled.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accountsOf, startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { asking } from '../../testing/pausing.ts'
import { faultyStore } from '../../testing/faulty-store.ts'
import { openSqlite } from '../store/sqlite.ts'
import { UNKNOWN_WAITS_MS } from './policy.ts'
import type { RecordBody } from '../log/record.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

test('a message that fails is parked; its followers wait behind it, other keys flow on, it ends in order', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'] })
  await ledger.post('a', 1)
  for (const entry of [2, 3, 4]) await Promise.all([ledger.post('a', entry), ledger.post('b', entry)])
  await ledger.pass(200)
  assert.deepEqual(await ledger.entries('b'), [2, 3, 4])
  assert.deepEqual(await ledger.entries('a'), [])
  assert.deepEqual(await ledger.keys(), ['a retrying 4'])
  assert.ok((await ledger.lonja.lags()).every(({ stopped, next, head }) => stopped === undefined && next === head))
  assert.ok(!ledger.tried.includes('a 2'), 'a follower was tried before the head')
  ledger.bad.clear()
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3, 4])
  assert.deepEqual(await ledger.keys(), [])
  assert.deepEqual(await ledger.rows('parked'), [])
  assert.deepEqual(ledger.told(), ['parked a', 'unparked a'])
  await ledger.post('a', 5)
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3, 4, 5])
  await ledger.stop()
})

test('a message is tried three times in place before it is parked, and leaves nothing behind', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'] })
  await ledger.post('a', 1)
  await ledger.pass(15)
  assert.deepEqual(await ledger.keys(), [])
  await ledger.pass(100)
  assert.deepEqual(await ledger.keys(), ['a retrying 1'])
  assert.equal(ledger.tried.filter((one) => one === 'a 1').length, 3)
  assert.equal(ledger.notes[0]?.attempts, 3)
  await ledger.stop()
})

test('a parked message is the stored one byte for byte, and says what it failed with', async () => {
  const ledger = await startTroubledLedger({
    bad: ['a'],
    thrown: () => new Error('no account for Ana García, ana@example.org, +34 600 123 456'),
  })
  await ledger.post('a', 1, 'Ana García')
  await ledger.pass(200)
  const [message] = await ledger.rows('parked')
  const ranges = [0, 1, 2, 3, 4, 5].map((partition) => ({ topic: 'desk.events', partition, from: 0 }))
  const [row] = await ledger.store.readLog('desk', ranges, 10)
  assert.ok(row !== undefined)
  const bodies = JSON.parse(row.body) as RecordBody[]
  assert.equal(`[${message?.['record']},${JSON.stringify(bodies[1])}]`, row.body)
  assert.deepEqual(
    [message?.['code'], message?.['fault_class'], message?.['handler'], message?.['attempts'], message?.['position']],
    ['Error', 'transient', 'Posted', 3, 1],
  )
  assert.equal(message?.['message'], 'no account for …, … …')
  assert.match(String(message?.['stack']), /^at .*parking\.test\.ts/u)
  assert.ok(!String(message?.['stack']).includes('Ana'))
  await ledger.stop()
})

test('what is parked survives a restart, and goes on in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-parking-'))
  const path = join(folder, 'ledger.sqlite')
  const before = await startTroubledLedger({ bad: ['a'], store: openSqlite({ path }) })
  for (const entry of [1, 2]) await before.post('a', entry)
  await before.pass(200)
  await before.stop()
  const after = await startTroubledLedger({ bad: ['a'], store: openSqlite({ path }) })
  await after.post('a', 3)
  await after.pass(0)
  assert.deepEqual(await after.keys(), ['a retrying 3'])
  assert.ok(!after.tried.includes('a 3'))
  after.bad.clear()
  await after.pass(MINUTE_MS)
  assert.deepEqual(await after.entries('a'), [1, 2, 3])
  assert.deepEqual(await after.folded('a'), [1, 2, 3])
  await after.stop()
  rmSync(folder, { recursive: true })
})

test('retries come ever more rarely, and after the last the message is dead and holds its key', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'] })
  await ledger.post('a', 1)
  await ledger.post('a', 2)
  await ledger.pass(10_000)
  const early = ledger.tried.length
  await ledger.pass(HOUR_MS * 3)
  assert.ok(early >= 5, `${early} tries in the first ten seconds`)
  assert.equal(ledger.tried.length, 15)
  assert.deepEqual(await ledger.keys(), ['a held 1'])
  assert.deepEqual(await ledger.letters(), ['a dead Error'])
  const [letter] = await ledger.rows('dead_letters')
  assert.equal(letter?.['attempts'], 15)
  assert.ok(Number(letter?.['last_failed_at']) > Number(letter?.['first_failed_at']))
  ledger.bad.clear()
  await ledger.post('a', 3)
  await ledger.pass(HOUR_MS)
  assert.deepEqual(await ledger.entries('a'), [])
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  assert.deepEqual(ledger.told(), ['parked a', 'dead a'])
  // What waits for a person is settled.
  await ledger.lonja.settled()
  await ledger.stop()
})

test('a message is dead when it has failed for too long, whatever is left of its tries', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'], parking: { tries: 1000, tryFor: '1 min' } })
  await ledger.post('a', 1)
  await ledger.pass(50_000)
  assert.deepEqual(await ledger.letters(), [])
  await ledger.pass(HOUR_MS)
  assert.deepEqual(await ledger.letters(), ['a dead Error'])
  await ledger.stop()
})

test('what is permanent is dead at once', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'], thrown: () => new TypeError('not a function') })
  await ledger.post('a', 1)
  await ledger.post('b', 1)
  await ledger.pass(0)
  assert.equal(ledger.tried.filter((one) => one === 'a 1').length, 1)
  assert.deepEqual(await ledger.letters(), ['a dead TypeError'])
  assert.deepEqual(await ledger.keys(), ['a held 0'])
  assert.deepEqual(await ledger.entries('b'), [1])
  await ledger.post('a', 2)
  await ledger.pass(0)
  assert.deepEqual(await ledger.keys(), ['a held 1'])
  await ledger.stop()
})

test('a service says itself which of its errors are permanent and which pass', async () => {
  const gone = Object.assign(new Error('gone'), { code: 'GONE' })
  const first = await startTroubledLedger({ bad: ['a'], thrown: () => gone, faults: { GONE: 'permanent' } })
  await first.post('a', 1)
  await first.pass(0)
  assert.deepEqual(await first.letters(), ['a dead GONE'])
  await first.stop()
  const second = await startTroubledLedger({
    bad: ['a'],
    thrown: () => new TypeError('late'),
    faults: { TypeError: 'transient' },
  })
  await second.post('a', 1)
  await second.pass(100)
  assert.deepEqual(await second.keys(), ['a retrying 1'])
  await second.stop()
})

test('a body that is not what its contract says is undecodable, whatever its handler throws', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'] })
  await ledger.post('a', 1.5)
  await ledger.pass(0)
  const [letter] = await ledger.rows('dead_letters')
  assert.deepEqual([letter?.['fault_class'], letter?.['attempts']], ['undecodable', 1])
  await ledger.stop()
})

test('a message of a type that no contract knows waits a day for a newer program, then it is dead', async () => {
  const ledger = await startTroubledLedger()
  await ledger.post('a', 1)
  await ledger.pass(0)
  const all = await ledger.store.heads('desk')
  const head = all.find(({ topic, next }) => topic === 'desk.events' && next > 0)
  assert.ok(head !== undefined)
  const transaction = await ledger.store.begin()
  const { source, topic, partition, generation, incarnation } = head
  const body = JSON.stringify([{ type: 'Unheard', key: 'a', data: {}, cause: 'a newer program' }])
  const append = { source, topic, partition, generation, incarnation, expected: undefined, count: 1, body }
  await transaction.commit({ writes: [], appends: [append], appendedAt: ledger.clock.now(), transaction: 1 })
  for (const runtime of ledger.lonja.runtimes) runtime.noticed('all')
  await ledger.pass(0)
  await ledger.post('a', 2)
  await ledger.post('b', 1)
  await ledger.pass(UNKNOWN_WAITS_MS - MINUTE_MS)
  assert.deepEqual([await ledger.letters(), await ledger.keys()], [[], ['a retrying 2', 'a retrying 2']])
  assert.deepEqual([await ledger.entries('a'), await ledger.entries('b')], [[1], [1]])
  await ledger.pass(HOUR_MS)
  // The ledger and its projection have each missed it.
  assert.deepEqual(await ledger.letters(), ['a dead UnknownMessage', 'a dead UnknownMessage'])
  assert.deepEqual(await ledger.keys(), ['a held 1', 'a held 1'])
  await ledger.stop()
})

test('under the policy skip the dead one is taken out and its followers go on', async () => {
  const ledger = await startTroubledLedger({
    parking: { whenDead: 'skip' },
    trouble: (account, entry) => {
      if (account === 'a' && entry === 2) throw new TypeError('never')
      if (account === 'b' && entry === 1) throw new Error('not now')
    },
  })
  for (const entry of [1, 2, 3]) await Promise.all([ledger.post('a', entry), ledger.post('b', entry)])
  await ledger.pass(200)
  assert.deepEqual(await ledger.entries('a'), [1, 3])
  assert.deepEqual(await ledger.entries('b'), [])
  await ledger.pass(3 * HOUR_MS)
  assert.deepEqual(await ledger.entries('b'), [2, 3])
  assert.deepEqual(await ledger.keys(), [])
  assert.deepEqual(await ledger.letters(), ['a dead TypeError', 'b dead Error'])
  await ledger.stop()
})

test('a projection that can not fold a record parks its key, and its handlers do not wait for it', async () => {
  const state = { isBad: true }
  const ledger = await startTroubledLedger({
    foldTrouble: (account) => {
      if (account === 'a' && state.isBad) throw new Error('unfoldable')
    },
  })
  for (const entry of [1, 2]) await Promise.all([ledger.post('a', entry), ledger.post('b', entry)])
  await ledger.pass(200)
  assert.deepEqual(await ledger.entries('a'), [1, 2])
  assert.deepEqual([await ledger.folded('a'), await ledger.folded('b')], [[], [1, 2]])
  state.isBad = false
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.folded('a'), [1, 2])
  await ledger.stop()
})

test('a projection that was rebuilt holds what was parked, and nothing is folded into it twice', async () => {
  const state = { isBad: true }
  const ledger = await startTroubledLedger({
    foldTrouble: (account, entry) => {
      if (account === 'a' && entry === 2 && state.isBad) throw new Error('unfoldable')
      if (['b', 'c'].includes(account) && entry === 2 && state.isBad) throw new TypeError('unfoldable')
    },
  })
  for (const entry of [1, 2, 3]) await Promise.all(['a', 'b', 'c'].map((account) => ledger.post(account, entry)))
  await ledger.pass(60)
  const letters = await ledger.rows('dead_letters')
  await ledger.lonja.discard('ledger', { id: String(letters.find(({ key }) => key === 'c')?.['id']), reason: 'typo' })
  await ledger.pass(60)
  assert.deepEqual(await ledger.keys(), ['a retrying 2', 'b held 1'])
  assert.deepEqual(await ledger.folded('c'), [1, 3])
  state.isBad = false
  await ledger.lonja.rebuilds.start('ledger.postings')
  while ((await ledger.lonja.rebuilds.status('ledger.postings')).phase !== 'done') await ledger.pass(1)
  assert.deepEqual(
    [await ledger.folded('a'), await ledger.folded('b')],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  )
  await ledger.pass(MINUTE_MS)
  for (const account of ['a', 'b', 'c']) await ledger.post(account, 4)
  await ledger.lonja.settled()
  assert.deepEqual(
    [await ledger.folded('a'), await ledger.folded('b')],
    [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ],
  )
  assert.deepEqual([await ledger.keys(), await ledger.rows('parked')], [[], []])
  assert.deepEqual(await ledger.letters(), ['b redriven TypeError', 'c redriven TypeError'])
  await ledger.stop()
})

test('no more is parked than the limits allow: then the cursor stands still, with an alarm', async () => {
  const [one = '', two = '', three = '', good = ''] = accountsOf(0, 4)
  const ledger = await startTroubledLedger({ bad: [one, two, three], parking: { maxKeys: 2 } })
  for (const account of [one, two, three, good]) await ledger.post(account, 1)
  await ledger.pass(1000)
  assert.equal((await ledger.keys()).length, 2)
  assert.deepEqual(await ledger.entries(good), [])
  assert.deepEqual(ledger.alarms, ['2 keys are parked, the limit is 2'])
  assert.ok((await ledger.lonja.health()).some(({ detail }) => detail.includes('the limit is 2')))
  ledger.bad.clear()
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.entries(good), [1])
  assert.deepEqual(await ledger.entries(three), [1])
  await ledger.stop()
})

test('a queue that is full stops its cursor as well', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'], parking: { maxMessages: 3 } })
  for (const entry of [1, 2, 3, 4]) await ledger.post('a', entry)
  await ledger.pass(300)
  assert.deepEqual(await ledger.keys(), ['a retrying 3'])
  assert.deepEqual(ledger.alarms, ['3 messages are parked, the limit is 3'])
  ledger.bad.clear()
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3, 4])
  await ledger.stop()
})

test('what the store does never counts against a message', async () => {
  const store = faultyStore(openSqlite({ path: ':memory:' }))
  const ledger = await startTroubledLedger({ store })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const conflicts = Array.from({ length: 30 }, () => 'conflict' as const)
  store.failNext('unavailable', undefined, 'conflict', 'unavailable', undefined, 'unavailable', ...conflicts)
  for (let posts = 0; posts < 10; posts += 1) {
    const posted = ledger.post('a', 2).catch(() => undefined)
    await ledger.pass(MINUTE_MS)
    await posted
  }
  assert.deepEqual(ledger.told(), [])
  assert.equal((await ledger.entries('a')).at(-1), 2)
  await ledger.stop()
})

test('a full disk is refused to the caller, counts against no message, and all goes on with room again', async () => {
  const store = openSqlite({ path: ':memory:' })
  const ledger = await startTroubledLedger({ store })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const [{ page_count: pages } = { page_count: 0 }] = await store.query<{ page_count: number }>('PRAGMA page_count')
  await store.query(`PRAGMA max_page_count = ${pages}`)
  const long = 'x'.repeat(100_000)
  const refused = ledger.post('a', 2, long)
  await Promise.all([assert.rejects(refused, { name: 'StoreUnavailable' }), ledger.pass(MINUTE_MS)])
  await store.query('PRAGMA max_page_count = 1000000')
  await ledger.pass(MINUTE_MS)
  await ledger.post('a', 2, long)
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [1, 2])
  assert.deepEqual([ledger.told(), await ledger.keys(), await ledger.letters()], [[], [], []])
  await ledger.stop()
})

test('every key has its turn: a long queue that goes on holds up no other key', async () => {
  const short = Array.from({ length: 40 }, (_, number) => `short-${number}`)
  const ledger = await startTroubledLedger({ bad: ['long', ...short] })
  for (let entry = 1; entry <= 100; entry += 1) await ledger.post('long', entry)
  for (const account of short) {
    await ledger.post(account, 1)
    await ledger.post('healthy', 1)
    await ledger.pass(100)
  }
  // All of them are due at once when the group goes on.
  await asking(ledger.lonja, 'pause', { group: 'ledger' })
  await ledger.pass(HOUR_MS)
  assert.equal((await ledger.keys()).length, 41)
  ledger.bad.clear()
  ledger.tried.length = 0
  await asking(ledger.lonja, 'resume', { group: 'ledger' })
  await ledger.pass(0)
  const middle = ledger.tried.indexOf('long 65')
  for (const account of short)
    assert.ok(ledger.tried.indexOf(`${account} 1`) < middle, `${account} waited for the queue`)
  assert.equal((await ledger.entries('long')).length, 100)
  assert.deepEqual(await ledger.keys(), [])
  await ledger.stop()
})

test('a long queue is worked off piece by piece, in order, beside other keys', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'] })
  const entries = Array.from({ length: 100 }, (_, index) => index)
  for (const entry of entries) await ledger.post('a', entry)
  await ledger.pass(300)
  assert.deepEqual(await ledger.keys(), ['a retrying 100'])
  ledger.bad.clear()
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.entries('a'), entries)
  await ledger.stop()
})
