// Pausing: what is paused stands still with its timers and parked keys, all else flows on, and nothing is lost by it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { asking } from '../../testing/pausing.ts'
import { HOLD_MS, startToyShop } from '../../testing/toy-shop.ts'
import { accountsOf, startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { readAudit } from '../audit/audit.ts'
import { openSqlite } from '../store/sqlite.ts'

const [ACCOUNT = ''] = accountsOf(2, 1)
const [OTHER = ''] = accountsOf(3, 1)

suite('a paused group', () => {
  test('reads nothing more, its projection and the desk go on, and resumed it catches up in order', async () => {
    const ledger = await startTroubledLedger()
    await ledger.post(ACCOUNT, 1)
    await ledger.idle()
    await asking(ledger.lonja, 'pause', { group: 'ledger' })
    for (const entry of [2, 3]) await ledger.post(ACCOUNT, entry)
    await ledger.pass(60_000)
    assert.deepEqual(await ledger.entries(ACCOUNT), [1])
    assert.deepEqual(await ledger.folded(ACCOUNT), [1, 2, 3])
    const paused = (await ledger.lonja.lags()).filter((lag) => lag.paused !== undefined)
    assert.deepEqual([...new Set(paused.map(({ group }) => group))], ['ledger'])
    assert.equal(paused.length, 6)
    await asking(ledger.lonja, 'resume', { group: 'ledger' })
    await ledger.idle()
    assert.deepEqual(await ledger.entries(ACCOUNT), [1, 2, 3])
    await ledger.stop()
  })

  test('by one partition lets the others go on', async () => {
    const ledger = await startTroubledLedger()
    await asking(ledger.lonja, 'pause', { group: 'ledger', partition: 2 })
    for (const account of [ACCOUNT, OTHER]) await ledger.post(account, 1)
    await ledger.pass(60_000)
    assert.deepEqual([await ledger.entries(ACCOUNT), await ledger.entries(OTHER)], [[], [1]])
    await asking(ledger.lonja, 'resume', { group: 'ledger', partition: 2 })
    await ledger.idle()
    assert.deepEqual(await ledger.entries(ACCOUNT), [1])
    await ledger.stop()
  })

  test('does not retry its parked keys, and does so at once when it is resumed', async () => {
    const ledger = await startTroubledLedger({ bad: [ACCOUNT] })
    await ledger.post(ACCOUNT, 1)
    await ledger.pass(100)
    assert.deepEqual(await ledger.keys(), [`${ACCOUNT} retrying 1`])
    await asking(ledger.lonja, 'pause', { group: 'ledger' })
    const tried = ledger.tried.length
    ledger.bad.clear()
    await ledger.pass(3_600_000)
    assert.equal(ledger.tried.length, tried)
    await asking(ledger.lonja, 'resume', { group: 'ledger' })
    await ledger.idle()
    assert.deepEqual(await ledger.entries(ACCOUNT), [1])
    await ledger.stop()
  })

  test('is not waited for by whoever waits until all is quiet: only a person moves its parked keys', async () => {
    const ledger = await startTroubledLedger({ bad: [ACCOUNT, OTHER] })
    for (const account of [ACCOUNT, 'healthy', OTHER]) await ledger.post(account, 1)
    await ledger.pass(100)
    let isQuiet = false
    const quiet = ledger.lonja.settled().then(() => (isQuiet = true))
    await asking(ledger.lonja, 'pause', { group: 'ledger', partition: 2 })
    await ledger.idle()
    assert.equal(isQuiet, false, 'the key of a partition that is not paused is still tried')
    await asking(ledger.lonja, 'pause', { group: 'ledger', partition: 3 })
    await ledger.idle()
    await Promise.race([quiet, ledger.pass(60_000)])
    assert.ok(isQuiet, 'settled() waits for what a person has paused')
    await ledger.stop()
  })

  test('does not fire its timers, and never wakes for them', async () => {
    const clock = createVirtualClock()
    const shop = await startToyShop({ clock })
    await shop.place('a', 4)
    await clock.advance(0, shop.idle)
    assert.equal(await shop.stockLeft(), 6)
    await asking(shop.lonja, 'pause', { group: 'depot' })
    const before = shop.store.statements()
    await clock.advance(2 * HOLD_MS, shop.idle)
    assert.equal(await shop.stockLeft(), 6)
    // Every ten seconds all is looked at; timers that wait must not be looked at ten times a second.
    const asked = shop.store.statements() - before
    assert.ok(asked < 2000, `${asked} statements in ${2 * HOLD_MS} ms`)
    await asking(shop.lonja, 'resume', { group: 'depot' })
    await clock.advance(1000, shop.idle)
    assert.equal(await shop.stockLeft(), 10)
    await shop.stop()
  })

  test('that stood still by itself before does not keep the loop busy', async () => {
    const ledger = await startTroubledLedger()
    ledger.state.isDown = true
    for (const account of accountsOf(2, 6)) await ledger.post(account, 1)
    await ledger.idle()
    await asking(ledger.lonja, 'pause', { group: 'ledger' })
    const before = ledger.store.statements()
    await ledger.pass(60_000)
    assert.ok(ledger.store.statements() - before < 500, `${ledger.store.statements() - before} statements in a minute`)
    ledger.state.isDown = false
    await asking(ledger.lonja, 'resume', { group: 'ledger' })
    await ledger.pass(60_000)
    for (const account of accountsOf(2, 6)) assert.deepEqual(await ledger.entries(account), [1])
    await ledger.stop()
  })
})

suite('a pause', () => {
  test('is still there after a restart', async () => {
    const store = openSqlite({ path: ':memory:' })
    const first = await startTroubledLedger({ store })
    await asking(first.lonja, 'pause', { group: 'ledger' })
    await first.lonja.stop()
    const second = await startTroubledLedger({ store })
    await second.post(ACCOUNT, 1)
    await second.pass(60_000)
    assert.deepEqual(await second.entries(ACCOUNT), [])
    await asking(second.lonja, 'resume', { group: 'ledger' })
    await second.idle()
    assert.deepEqual(await second.entries(ACCOUNT), [1])
    await second.lonja.stop()
    await store.close()
  })

  test('is audited with it; what was not paused is not resumed and leaves no entry', async () => {
    const ledger = await startTroubledLedger()
    const { lonja, store } = ledger
    await assert.rejects(asking(lonja, 'resume', { group: 'ledger' }), { code: 'GROUP_NOT_PAUSED' })
    await asking(lonja, 'pause', { group: 'ledger', partition: 1 })
    await assert.rejects(asking(lonja, 'resume', { group: 'ledger' }), {
      code: 'GROUP_NOT_PAUSED',
      details: { paused: ['partition 1'] },
    })
    await asking(lonja, 'resume', { group: 'ledger', partition: 1 })
    const entries = await readAudit(store, { limit: 10 })
    assert.deepEqual(
      entries.map(({ action, target, principal }) => `${principal} ${action} ${target}`),
      ['olga group.pause ledger', 'olga group.resume ledger'],
    )
    await ledger.stop()
  })

  test('of one and of the whole group end one by one', async () => {
    const ledger = await startTroubledLedger()
    await asking(ledger.lonja, 'pause', { group: 'ledger' })
    await asking(ledger.lonja, 'pause', { group: 'ledger', partition: 2 })
    await asking(ledger.lonja, 'resume', { group: 'ledger' })
    await ledger.post(ACCOUNT, 1)
    await ledger.post(OTHER, 1)
    await ledger.idle()
    assert.deepEqual([await ledger.entries(ACCOUNT), await ledger.entries(OTHER)], [[], [1]])
    await asking(ledger.lonja, 'resume', { group: 'ledger', partition: 2 })
    await ledger.idle()
    assert.deepEqual(await ledger.entries(ACCOUNT), [1])
    await ledger.stop()
  })
})

test('a paused projection is rebuilt and swapped where it stands, and stays paused', async () => {
  const ledger = await startTroubledLedger()
  await ledger.post(ACCOUNT, 1)
  await ledger.idle()
  await asking(ledger.lonja, 'pause', { group: 'ledger.postings' })
  await ledger.post(ACCOUNT, 2)
  await ledger.lonja.rebuilds.start('ledger.postings')
  const ended = await waitFor(
    async () => {
      await ledger.pass(1000)
      const status = await ledger.lonja.rebuilds.status('ledger.postings')
      return status.phase === 'done' ? status : undefined
    },
    { withinMs: 10_000 },
  )
  assert.equal(ended.live, 2)
  assert.deepEqual(await ledger.folded(ACCOUNT), [1])
  await asking(ledger.lonja, 'resume', { group: 'ledger.postings' })
  await ledger.idle()
  assert.deepEqual(await ledger.folded(ACCOUNT), [1, 2])
  await ledger.stop()
})
