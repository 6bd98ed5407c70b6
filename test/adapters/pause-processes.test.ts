// Pausing on PostgreSQL, with two processes: whoever is asked, both stand still, and both go on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { readGroups } from '../../src/platform/operations/read-groups.ts'
import { groupView } from '../../src/platform/operations/group-view.ts'
import { systemClock } from '../../src/platform/system.ts'
import { asking } from '../../src/testing/pausing.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const ACCOUNTS = Array.from({ length: 24 }, (_, number) => `account-${number}`)
/** What the promise of "about a second" is held to on two busy cores. */
const HEARD_MS = 3000

async function join(url: string) {
  const membership = postgresMembership({ url, partitionCounts: [6] })
  return startToyLedger({ store: await openPostgres({ url }), clock: systemClock, membership })
}

test('a pause asked of one process holds in the other, which shows it, and ends when it is resumed there', async () => {
  const url = await sharedPostgres()
  const first = await join(url)
  const second = await join(url)
  const isPausedAt = ({ lonja }: typeof first) =>
    lonja.runtimes.every((runtime) => runtime.pauses.holds('ledger', 0) && runtime.pauses.holds('ledger', 5))
  const kept = async () => {
    const entries = await Promise.all(ACCOUNTS.map((account) => first.entries(account)))
    return entries.filter(({ length }) => length === 1).length
  }
  const folded = async () => {
    const entries = await Promise.all(ACCOUNTS.map((account) => first.folded(account)))
    return entries.filter(({ length }) => length === 1).length
  }
  try {
    const held = ({ lonja }: typeof first) =>
      lonja.runtimes.some(({ options: { membership } }) =>
        [0, 1, 2, 3, 4, 5].some((partition) => membership.holds(6, partition)),
      )
    await waitFor(() => held(first) && held(second), { withinMs: 20_000, what: 'both processes hold partitions' })
    await asking(first.lonja, 'pause', { group: 'ledger' })
    await waitFor(() => isPausedAt(first) && isPausedAt(second), { withinMs: HEARD_MS, what: 'both have heard of it' })
    await Promise.all(ACCOUNTS.map((account) => second.post(account, 1)))
    // The projection of the same service reads the same records: once it has them all, the group had its chance.
    await waitFor(async () => (await folded()) === ACCOUNTS.length, { withinMs: 20_000, what: 'all folded' })
    assert.equal(await kept(), 0)
    const [standing] = await readGroups(second.lonja, 'ledger')
    assert.ok(standing !== undefined, 'the group is not listed')
    const { states, lag, pauses } = groupView(standing)
    assert.deepEqual([states.paused, lag, pauses.length], [6, ACCOUNTS.length * 2, 1])
    assert.equal(new Set(standing.parts.map(({ owner }) => owner)).size, 2, 'each partition names who holds it')
    await asking(second.lonja, 'resume', { group: 'ledger' })
    await waitFor(async () => (await kept()) === ACCOUNTS.length, { withinMs: 20_000, what: 'all caught up' })
  } finally {
    await first.stop()
    await second.stop()
  }
})
