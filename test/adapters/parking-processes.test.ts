// Parked keys on PostgreSQL, with several processes: who owns a partition parks, who lost it unawares does no harm.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Membership } from '../../src/platform/ports.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import type { ToyLedgerOptions } from '../../src/testing/toy-ledger.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const ACCOUNTS = Array.from({ length: 12 }, (_, number) => `account-${number}`)
const BAD = new Set(['account-1', 'account-4', 'account-7'])
const ENTRIES = 20

async function join(url: string, options: ToyLedgerOptions & { readonly membership: Membership }) {
  const told: string[] = []
  const ledger = await startToyLedger({
    store: await openPostgres({ url }),
    clock: systemClock,
    ...options,
    observer: {
      parked: ({ key }) => told.push(`parked ${key}`),
      unparked: ({ key }) => told.push(`unparked ${key}`),
    },
  })
  return { ...ledger, told }
}

type Ledger = Awaited<ReturnType<typeof join>>

/** Every account has all entries once, in their order, in the ledger and in its projection. */
async function assertWhole(ledger: Ledger, entries: readonly number[]): Promise<void> {
  for (const account of ACCOUNTS) {
    assert.deepEqual(await ledger.entries(account), entries, account)
    assert.deepEqual(await ledger.folded(account), entries, account)
  }
  for (const table of ['parked_keys', 'parked', 'dead_letters']) assert.deepEqual(await ledger.rows(table), [], table)
}

/** What a process knows of cursors that another moves is old, so the rows themselves are asked. */
async function untilDone(ledger: Ledger, count: number, meanwhile = () => {}): Promise<void> {
  const isDone = async () => {
    meanwhile()
    for (const account of ACCOUNTS) {
      const [kept, folded] = [await ledger.entries(account), await ledger.folded(account)]
      if (kept.length < count || folded.length < count) return false
    }
    return (await ledger.rows('parked_keys')).length === 0
  }
  await waitFor(isDone, { withinMs: 20_000, what: 'every entry kept and folded' })
}

for (const table of ['both think that they own everything', 'share the partitions'] as const) {
  test(`two processes that ${table} keep each key whole and in order`, async () => {
    const url = await sharedPostgres()
    const state = { isBad: true }
    const trouble = (account: string) => {
      if (state.isBad && BAD.has(account)) throw new Error('trouble')
    }
    const membership = () =>
      table === 'share the partitions' ? postgresMembership({ url, partitionCounts: [6] }) : membershipAlone()
    const first = await join(url, { trouble, membership: membership() })
    const second = await join(url, { trouble, membership: membership() })
    const entries = Array.from({ length: ENTRIES }, (_, entry) => entry)
    const wake = () => {
      for (const runtime of [...first.lonja.runtimes, ...second.lonja.runtimes]) runtime.noticed('all')
    }
    try {
      for (const entry of entries) {
        const door = entry % 2 === 0 ? first : second
        await Promise.all(ACCOUNTS.map((account) => door.post(account, entry)))
        wake()
        if (entry === ENTRIES / 2) {
          const isParked = async () => (await first.rows('parked_keys')).length === BAD.size
          await waitFor(isParked, { withinMs: 10_000, what: 'the bad keys parked' })
          state.isBad = false
        }
      }
      await untilDone(first, ENTRIES, wake)
      await assertWhole(first, entries)
      assert.ok([...first.told, ...second.told].length >= 2 * BAD.size)
    } finally {
      await first.stop()
      await second.stop()
    }
  })
}

test('what one process parked another takes over when it leaves', async () => {
  const url = await sharedPostgres()
  const state = { isBad: true }
  const trouble = (account: string) => {
    if (state.isBad && BAD.has(account)) throw new Error('trouble')
  }
  const first = await join(url, { trouble, membership: postgresMembership({ url, partitionCounts: [6] }) })
  const second = await join(url, { trouble, membership: postgresMembership({ url, partitionCounts: [6] }) })
  for (const entry of [1, 2]) for (const account of ACCOUNTS) await first.post(account, entry)
  const isParked = async () => (await second.rows('parked')).length === 2 * BAD.size
  await waitFor(isParked, { withinMs: 10_000, what: 'the bad keys parked with their followers' })
  await first.stop()
  state.isBad = false
  for (const account of ACCOUNTS) await second.post(account, 3)
  await untilDone(second, 3)
  await assertWhole(second, [1, 2, 3])
  await second.stop()
})
