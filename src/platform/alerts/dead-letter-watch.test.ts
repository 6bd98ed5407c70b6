// The watch over dead letters: each cause is told of all that died since, whatever goes down in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'
import type { Alert } from './alert.ts'
import { DeadLetterWatch } from './dead-letter-watch.ts'

const MINUTE_MS = 60_000

async function openWatched() {
  const told: Alert[] = []
  const state = { isDown: false, isOurs: true, code: 'TypeError' }
  const watches: DeadLetterWatch[] = []
  const bad = ['a', 'b', 'c', 'd']
  const ledger = await startTroubledLedger({
    bad,
    thrown: () => Object.assign(new TypeError('never'), state.code === 'TypeError' ? {} : { code: state.code }),
    faults: { E_ONE: 'permanent', E_TWO: 'permanent' },
    parking: { whenDead: 'skip' },
    observer: { dead: () => watches.at(-1)?.noticed() },
  })
  const { lonja, clock } = ledger
  const opened = lonja.runtimes[0]!.options.store
  const marks = new Map(
    ['desk', 'ledger'].map((service) => [service, lonja.registry.tables.get(service)!.alertMarks] as const),
  )
  /** Another process, or the same one after a restart. */
  const begin = () => {
    watches.at(-1)?.stop()
    const watch = new DeadLetterWatch({
      store: opened,
      marks,
      clock,
      isOurs: () => state.isOurs,
      send: async (alert) => {
        if (state.isDown) throw new Error('away')
        told.push(alert)
      },
      failed: () => undefined,
    })
    watches.push(watch)
    watch.start()
  }
  begin()
  let entries = 0
  return {
    told,
    state,
    begin,
    pass: ledger.pass,
    die: async (account: string) => {
      await ledger.post(account, (entries += 1))
      await ledger.pass(0)
    },
    counts: () => told.map(({ code, count }) => `${code} ${count}`),
    stop: async () => {
      watches.at(-1)?.stop()
      await ledger.stop()
    },
  }
}

test('letters of one cause are told together, with their count and place', async () => {
  const { told, die, pass, stop, counts } = await openWatched()
  await die('a')
  await die('a')
  await pass(2000)
  assert.deepEqual(counts(), ['TypeError 2'])
  const [{ firstAt, lastAt, partition, ...alert } = told[0]!] = told
  assert.deepEqual(alert, {
    what: 'dead-letters',
    group: 'ledger',
    topic: 'desk.events',
    handler: 'Posted',
    code: 'TypeError',
    count: 2,
  })
  assert.ok(typeof partition === 'number' && lastAt >= firstAt)
  await pass(10 * MINUTE_MS)
  assert.equal(told.length, 1)
  await stop()
})

test('a cause is told once a minute at most, another one at once', async () => {
  const { state, die, pass, stop, counts } = await openWatched()
  await die('a')
  await pass(2000)
  await die('b')
  state.code = 'E_TWO'
  await die('c')
  await pass(2000)
  assert.deepEqual(counts(), ['TypeError 1', 'E_TWO 1'])
  await pass(MINUTE_MS)
  assert.deepEqual(counts(), ['TypeError 1', 'E_TWO 1', 'TypeError 1'])
  await stop()
})

test('what died while the webhook was down is told by the process after the next, and not twice', async () => {
  const { state, begin, die, pass, stop, counts } = await openWatched()
  state.isDown = true
  await die('a')
  await pass(5 * MINUTE_MS)
  await die('b')
  begin()
  await pass(MINUTE_MS)
  assert.deepEqual(counts(), [])
  begin()
  state.isDown = false
  await pass(MINUTE_MS)
  assert.deepEqual(counts(), ['TypeError 2'])
  begin()
  await pass(10 * MINUTE_MS)
  assert.deepEqual(counts(), ['TypeError 2'])
  await stop()
})

test('one process tells; another that takes over tells what is left', async () => {
  const { state, die, pass, stop, counts } = await openWatched()
  state.isOurs = false
  await die('a')
  await pass(30 * MINUTE_MS)
  assert.deepEqual(counts(), [])
  state.isOurs = true
  await pass(MINUTE_MS)
  assert.deepEqual(counts(), ['TypeError 1'])
  await stop()
})
