// More partitions on PostgreSQL, with two processes that share them: neither is stopped for it, and no key is inverted.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Membership } from '../../src/platform/ports.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import type { ToyLedgerOptions } from '../../src/testing/toy-ledger.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Ledger } from './scaling-ledger.ts'
import { accountsNamed, assertWhole, FIRST_PARTITIONS, madeEarlier } from './scaling-ledger.ts'
import { pauseAt, scale, scaleAtOnce, standing, startLedger } from './scaling-ledger.ts'

const ACCOUNTS = accountsNamed(16)
const BAD = new Set(['account-1', 'account-4', 'account-7'])
const ROUNDS = 15
const withinMs = 60_000

async function join(url: string, options: ToyLedgerOptions & { readonly membership: Membership }) {
  const faults: unknown[] = []
  const ledger = await startLedger({
    store: await openPostgres({ url }),
    clock: systemClock,
    ...options,
    observer: { storeDown: (error) => void faults.push(error) },
  })
  return { ...ledger, faults }
}

/** What a process knows of cursors that another moves is old, so the rows themselves are asked. */
async function untilDone(ledger: Ledger, entries: number): Promise<void> {
  const isDone = async () => {
    for (const account of ACCOUNTS) {
      const [kept, folded] = [await ledger.entries(account), await ledger.folded(account)]
      if (kept.length < entries || folded.length < entries) return false
    }
    return (await ledger.rows('parked_keys')).length === 0
  }
  await waitFor(isDone, { withinMs, what: 'every entry kept and folded' })
}

suite('two processes', () => {
  for (const how of ['share the partitions', 'both think that they own everything'] as const) {
    test(`that ${how} go from 3 to 6 to 12 partitions under load`, async () => {
      const url = await sharedPostgres()
      const made = await madeEarlier(await openPostgres({ url }))
      await made.close()
      const state = { isBad: true }
      const trouble = (account: string) => {
        if (state.isBad && BAD.has(account)) throw new Error('trouble')
      }
      const shares = how === 'share the partitions'
      const memberships = [1, 2].map(() =>
        shares ? postgresMembership({ url, partitionCounts: [FIRST_PARTITIONS] }) : membershipAlone(),
      )
      const [first, second] = await Promise.all(memberships.map((membership) => join(url, { trouble, membership })))
      if (first === undefined || second === undefined) throw new Error('two processes')
      const wake = () => {
        for (const { lonja } of [first, second]) for (const runtime of lonja.runtimes) runtime.noticed('all')
      }
      try {
        for (let entry = 0; entry < ROUNDS; entry += 1) {
          // The other one has not heard of the scaling when it writes next.
          const door = entry % 2 === 0 ? first : second
          await Promise.all(ACCOUNTS.map((account) => door.post(account, entry)))
          if (entry === 4) await scale(first, 6)
          if (entry === 6) {
            const isParked = async () => (await first.rows('parked_keys')).length === BAD.size
            await waitFor(isParked, { withinMs, what: 'the bad keys parked' })
          }
          if (entry === 9) await untilScaled(second, 12)
          if (entry === 11) state.isBad = false
          if (!shares) wake()
        }
        assert.deepEqual(await standing(first), [12, 3])
        await untilDone(first, ROUNDS)
        await assertWhole(first, ACCOUNTS, ROUNDS)
        assert.deepEqual([...first.faults, ...second.faults], [])
        if (shares) await evenShare(memberships)
      } finally {
        await first.stop()
        await second.stop()
      }
    })
  }
})

test('what another process has still to read before its barrier holds up the new partitions everywhere', async () => {
  const url = await sharedPostgres()
  const made = await madeEarlier(await openPostgres({ url }))
  await made.close()
  const membership = () => postgresMembership({ url, partitionCounts: [FIRST_PARTITIONS] })
  const [first, second] = [await join(url, { membership: membership() }), await join(url, { membership: membership() })]
  const post = (ledger: Ledger, entry: number) => Promise.all(ACCOUNTS.map((account) => ledger.post(account, entry)))
  try {
    await post(first, 0)
    await pauseAt(first, 'pause', 1)
    await post(second, 1)
    await scaleAtOnce(first.store, 4)
    await post(first, 2)
    await post(second, 3)
    await waitFor(async () => (await passedBarriers(first)).join() === '0,2', { withinMs, what: 'all other barriers' })
    const isToldSo = async () => (await waiting([first, second])).join() === 'waits for barrier 2 of p1'
    await waitFor(isToldSo, { withinMs, what: 'who waits says for what' })
    for (const account of ACCOUNTS) assert.ok((await first.entries(account)).length <= 2, account)
    await pauseAt(second, 'resume', 1)
    await untilDone(first, 4)
    await assertWhole(first, ACCOUNTS, 4)
  } finally {
    await first.stop()
    await second.stop()
  }
})

/** The partitions of which the ledger has passed the first barrier. */
async function passedBarriers(ledger: Ledger): Promise<readonly number[]> {
  const rows = await ledger.rows('cursors')
  const passed = rows.filter((row) => row['consumer_group'] === 'ledger' && Number(row['generation']) === 2)
  return passed.map((row) => Number(row['partition'])).toSorted((one, other) => one - other)
}

/** What the groups of these processes wait for. */
async function waiting(ledgers: readonly Ledger[]): Promise<readonly string[]> {
  const lags = (await Promise.all(ledgers.map(({ lonja }) => lonja.lags()))).flat()
  const texts = lags
    .filter(({ group, stoppedFor }) => group === 'ledger' && stoppedFor === 'barrier')
    .map(({ stopped }) => String(stopped))
  return [...new Set(texts)]
}

/** Refused as long as a group has the last one still before it: asked until it is not. */
async function untilScaled(ledger: Ledger, partitions: number): Promise<void> {
  const isScaled = () =>
    scale(ledger, partitions).then(
      () => true,
      () => false,
    )
  await waitFor(isScaled, { withinMs, what: `${partitions} partitions` })
}

async function evenShare(memberships: readonly Membership[]): Promise<void> {
  const heldOf = (membership: Membership) =>
    Array.from({ length: 12 }, (_, partition) => partition).filter((partition) => membership.holds(12, partition))
      .length
  await waitFor(() => memberships.every((membership) => heldOf(membership) === 6), { withinMs, what: 'an even share' })
}
