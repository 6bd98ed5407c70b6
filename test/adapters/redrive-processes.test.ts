// A redrive job on PostgreSQL with two processes: whoever works on it, each letter goes once, each key in its order.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { RedriveRequest } from '../../src/platform/operations/redrive-draft.ts'
import { jobView } from '../../src/platform/operations/redrive-views.ts'
import type { Membership } from '../../src/platform/ports.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const PARTITIONS = 6
const ACCOUNTS = Array.from({ length: 24 }, (_, number) => `account-${number}`)
const BAD = new Set(ACCOUNTS.filter((_, number) => number % 3 === 1))
/** Each bad account has so many dead letters: the handlers' service skips. */
const DEAD = [0, 1, 2]
const asker = { principal: 'olga', role: 'operator' } as const

const request: RedriveRequest = {
  id: 'job',
  action: 'redrive',
  selection: { all: true },
  rate: null,
  stopAfter: 100,
  maxRedrives: 3,
  reason: 'the handler is mended',
}

/** Two processes on one database, in which the bad accounts' letters are dead and their handler is mended. */
async function startDead(membershipOf: (url: string) => Membership) {
  const url = await sharedPostgres()
  const state = { isBad: true }
  const options = {
    clock: systemClock,
    parking: { whenDead: 'skip' as const, projections: { whenDead: 'hold' as const } },
    trouble: (account: string) => {
      if (state.isBad && BAD.has(account)) throw new TypeError('never')
    },
  }
  const join = async () => {
    const membership = membershipOf(url)
    const ledger = await startToyLedger({ ...options, store: await openPostgres({ url }), membership })
    return { ...ledger, membership }
  }
  const [first, second] = [await join(), await join()]
  for (const entry of DEAD) for (const account of ACCOUNTS) await first.post(account, entry)
  const areDead = async () => {
    for (const { lonja } of [first, second]) for (const runtime of lonja.runtimes) runtime.noticed('all')
    return (await first.rows('dead_letters')).length === BAD.size * DEAD.length
  }
  await waitFor(areDead, { withinMs: 20_000, what: 'all bad letters dead' })
  state.isBad = false
  return { first, second }
}

type Ledger = Awaited<ReturnType<typeof startToyLedger>>

async function untilDone({ lonja }: Ledger) {
  const done = async () => {
    const view = jobView(await lonja.redrives.parts('job'))
    return view?.status === 'done' ? view : undefined
  }
  return waitFor(done, { withinMs: 30_000, what: 'the job done' })
}

async function assertWhole(ledger: Ledger): Promise<void> {
  const view = await untilDone(ledger)
  const total = BAD.size * DEAD.length
  assert.deepEqual([view.total, view.redriven, view.failed, view.leftOut], [total, total, 0, 0])
  for (const account of BAD) assert.deepEqual(await ledger.entries(account), DEAD, account)
  const letters = await ledger.rows('dead_letters')
  assert.ok(letters.every(({ redrive_count: count, status }) => count === 1 && status === 'redriven'))
  assert.deepEqual(await ledger.rows('parked_keys'), [])
}

test('two processes that both think that they work on a job send each letter once, in order', async () => {
  const { first, second } = await startDead(() => membershipAlone())
  try {
    await Promise.all([first, second].map(({ lonja }) => lonja.redrives.start(request, asker)))
    await assertWhole(first)
  } finally {
    await first.stop()
    await second.stop()
  }
})

test('a job whose process leaves in the middle is gone on with by the other', async () => {
  const { first, second } = await startDead((url) => postgresMembership({ url, partitionCounts: [PARTITIONS] }))
  // Whoever has the first partition works on the job; the other one is asked for it.
  const [worker, other] = first.membership.holds(PARTITIONS, 0) ? [first, second] : [second, first]
  try {
    await other.lonja.redrives.start({ ...request, rate: 20 }, asker)
    const hasBegun = async () => ((await other.lonja.redrives.parts('job'))[0]?.counts.redriven ?? 0) > 2
    await waitFor(hasBegun, { withinMs: 10_000, what: 'some letters redriven' })
    const view = jobView(await other.lonja.redrives.parts('job'))
    assert.equal(view?.status, 'running')
    assert.equal(other.membership.holds(PARTITIONS, 0), false)
    await worker.stop()
    await assertWhole(other)
  } finally {
    await other.stop()
  }
})
