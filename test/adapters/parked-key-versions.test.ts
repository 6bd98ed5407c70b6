// A parked key that another process changed meanwhile: who knows it as it was meets a conflict, and reads it again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemRandom } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

/** Half of the longest pause before the first retry, and then some: less than the ten seconds of the next poll. */
const RETRY_MS = 600

/** A process that takes itself for the owner of everything, and is told of nothing by the others. */
async function join(url: string, isBad: () => boolean) {
  const clock = createVirtualClock()
  const store = await openPostgres({ url })
  const ledger = await startToyLedger({
    store,
    clock,
    random: { ...systemRandom, fraction: () => 0.5 },
    trouble: (account) => {
      if (account === 'bad' && isBad()) throw new Error('trouble')
    },
  })
  return { ...ledger, pass: (ms: number) => clock.advance(ms, ledger.idle) }
}

/** Two processes; the first one parked the key, and knows it with one message, the second one queued another. */
async function withFollower() {
  const url = await sharedPostgres()
  const state = { isBad: true }
  const first = await join(url, () => state.isBad)
  await first.post('bad', 1)
  await first.pass(100)
  const parked = async () => (await first.rows('parked')).length
  await waitFor(async () => (await parked()) === 1, { withinMs: 10_000, what: 'the first entry parked' })
  const second = await join(url, () => state.isBad)
  await second.post('bad', 2)
  await second.pass(0)
  await waitFor(async () => (await parked()) === 2, { withinMs: 10_000, what: 'the second entry queued' })
  return { first, second, mend: () => void (state.isBad = false) }
}

test('a parked key keeps the count and the place of what joined it elsewhere when its head fails again', async () => {
  const { first, second, mend } = await withFollower()
  await first.pass(RETRY_MS)
  const [key] = await second.rows('parked_keys')
  // Saved as the first process knew it, the row would say that nothing waits behind the head.
  assert.deepEqual([key?.['messages'], key?.['tail'], key?.['attempts']], [2, 2, 4])
  mend()
  await second.stop()
  await first.pass(60_000)
  assert.deepEqual(await first.entries('bad'), [1, 2])
  for (const table of ['parked_keys', 'parked']) assert.deepEqual(await first.rows(table), [], table)
  await first.stop()
})
