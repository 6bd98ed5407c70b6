// Outages: when a handler fails for everybody it is paused, nothing is parked, and it goes on by itself.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { accountsOf, startTroubledLedger } from '../../testing/troubled-ledger.ts'

const MINUTE_MS = 60_000

/** Accounts of all partitions. */
const EVERYBODY = Array.from({ length: 24 }, (_, number) => `client-${number}`)

test('in an outage nothing is parked, and it is over by itself', async () => {
  const ledger = await startTroubledLedger()
  ledger.state.isDown = true
  for (const account of EVERYBODY) await ledger.post(account, 1)
  await ledger.pass(10 * MINUTE_MS)
  assert.deepEqual([ledger.told(), await ledger.keys()], [[], []])
  assert.deepEqual(ledger.breakers, ['ledger Posted opened'])
  assert.ok(ledger.tried.length < 200, `${ledger.tried.length} tries in ten minutes`)
  const stopped = (await ledger.lonja.lags()).filter((lag) => lag.stopped !== undefined)
  assert.ok(stopped.length > 0 && stopped.every(({ group }) => group === 'ledger'))
  ledger.state.isDown = false
  await ledger.pass(MINUTE_MS)
  for (const account of EVERYBODY) assert.deepEqual(await ledger.entries(account), [1])
  assert.deepEqual(ledger.breakers, ['ledger Posted opened', 'ledger Posted closed'])
  assert.deepEqual(await ledger.keys(), [])
  await ledger.stop()
})

test('an outage is told from bad messages also where all keys share a partition', async () => {
  const accounts = accountsOf(3, 7)
  const ledger = await startTroubledLedger()
  ledger.state.isDown = true
  await Promise.all(accounts.map((account) => ledger.post(account, 1)))
  await ledger.pass(MINUTE_MS)
  assert.deepEqual([ledger.told(), ledger.breakers], [[], ['ledger Posted opened']])
  ledger.state.isDown = false
  await ledger.pass(MINUTE_MS)
  for (const account of accounts) assert.deepEqual(await ledger.entries(account), [1])
  await ledger.stop()
})

test('an error that looks permanent kills nobody while everybody has it', async () => {
  const ledger = await startTroubledLedger({ thrown: () => new TypeError('a bad deployment') })
  ledger.state.isDown = true
  const accounts = accountsOf(0, 8)
  await Promise.all(accounts.map((account) => ledger.post(account, 1)))
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.letters(), [])
  ledger.state.isDown = false
  await ledger.pass(MINUTE_MS)
  for (const account of accounts) assert.deepEqual(await ledger.entries(account), [1])
  await ledger.stop()
})

test('many bad messages in a row are no outage while others work', async () => {
  const accounts = accountsOf(1, 13)
  const bad = accounts.slice(0, 12)
  const good = accounts.slice(12)
  const ledger = await startTroubledLedger({ bad })
  await Promise.all(accounts.map((account) => ledger.post(account, 1)))
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(ledger.breakers, [])
  assert.equal((await ledger.keys()).length, 12)
  for (const account of good) assert.deepEqual(await ledger.entries(account), [1])
  await ledger.stop()
})

test('a bad message at the front does not keep the breaker open once others work', async () => {
  const accounts = accountsOf(2, 9)
  const [bad = '', ...others] = accounts
  const ledger = await startTroubledLedger({ bad: [bad] })
  ledger.state.isDown = true
  await Promise.all(accounts.map((account) => ledger.post(account, 1)))
  await ledger.pass(5000)
  assert.deepEqual(ledger.breakers, ['ledger Posted opened'])
  ledger.state.isDown = false
  await ledger.pass(2 * MINUTE_MS)
  for (const account of others) assert.deepEqual(await ledger.entries(account), [1])
  assert.deepEqual(ledger.breakers, ['ledger Posted opened', 'ledger Posted closed'])
  assert.deepEqual(await ledger.keys(), [`${bad} retrying 1`])
  await ledger.stop()
})

test('parked keys do not use up the probes of those who wait behind a paused handler', async () => {
  const [first = '', second = '', ...others] = accountsOf(4, 9)
  const ledger = await startTroubledLedger({ bad: [first, second] })
  await ledger.post('good', 1)
  for (const account of [first, second]) await ledger.post(account, 1)
  await ledger.pass(1000)
  assert.equal((await ledger.keys()).length, 2)
  ledger.state.isDown = true
  await Promise.all(others.map((account) => ledger.post(account, 1)))
  await ledger.pass(5000)
  assert.deepEqual(ledger.breakers, ['ledger Posted opened'])
  ledger.state.isDown = false
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(ledger.breakers, ['ledger Posted opened', 'ledger Posted closed'])
  for (const account of others) assert.deepEqual(await ledger.entries(account), [1])
  await ledger.stop()
})

test('an outage uses up nobody’s tries', async () => {
  const ledger = await startTroubledLedger({ bad: ['early'], parking: { tries: 6 } })
  await ledger.post('early', 1)
  await ledger.pass(100)
  assert.deepEqual(await ledger.keys(), ['early retrying 1'])
  ledger.state.isDown = true
  for (const account of EVERYBODY) await ledger.post(account, 1)
  await ledger.pass(60 * MINUTE_MS)
  assert.deepEqual(await ledger.letters(), [])
  ledger.bad.clear()
  ledger.state.isDown = false
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.entries('early'), [1])
  await ledger.stop()
})

test('parked keys that fail again and again are no outage', async () => {
  const bad = Array.from({ length: 40 }, (_, number) => `bad-${number}`)
  const ledger = await startTroubledLedger({ bad })
  await ledger.post('good', 0)
  for (const account of bad) {
    await ledger.post(account, 1)
    await ledger.post('good', 1)
    await ledger.pass(100)
  }
  await ledger.pass(180 * MINUTE_MS)
  assert.deepEqual(ledger.breakers, [])
  assert.equal((await ledger.letters()).length, 40)
  await ledger.stop()
})
