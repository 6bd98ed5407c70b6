// A ledger whose topics begin with three partitions and grow under load, with trouble for some accounts.
import assert from 'node:assert/strict'
import { askOfGroup } from '../../src/platform/operations/pause-state.ts'
import { barrierBody } from '../../src/platform/log/barrier.ts'
import type { Store } from '../../src/platform/ports.ts'
import type { ToyLedgerOptions } from '../../src/testing/toy-ledger.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'

export const FIRST_PARTITIONS = 3
/** Their contracts say six: what a database was made with counts. */
const TOPICS = ['desk.events', 'desk.commands', 'ledger.events', 'ledger.commands']

export type Ledger = Awaited<ReturnType<typeof startToyLedger>>

/** A database that was made when the topics had three partitions. */
export async function madeEarlier(store: Store): Promise<Store> {
  const topics = TOPICS.map((name) => ({ name, partitions: FIRST_PARTITIONS }))
  await store.migrate(
    ['desk', 'ledger'].map((schema) => {
      return { schema, version: 3, tables: [], topics: topics.filter(({ name }) => name.startsWith(schema)) }
    }),
  )
  return store
}

export function startLedger(options: ToyLedgerOptions): Promise<Ledger> {
  return startToyLedger(options)
}

export function scale({ lonja }: Ledger, partitions: number, dryRun = false) {
  const by = { principal: 'tester', role: 'operator' } as const
  return lonja.scaling.scale({ ...by, partitions, topics: ['desk.events'], reason: 'growth', dryRun })
}

export function accountsNamed(count: number): string[] {
  return Array.from({ length: count }, (_, number) => `account-${number}`)
}

/** Every account has all entries once, in their order, in the ledger and in its projection. */
export async function assertWhole(ledger: Ledger, accounts: readonly string[], entries: number): Promise<void> {
  const all = Array.from({ length: entries }, (_, entry) => entry)
  for (const account of accounts) {
    assert.deepEqual(await ledger.entries(account), all, `${account} in the ledger`)
    assert.deepEqual(await ledger.folded(account), all, `${account} in the projection`)
  }
}

/** How many partitions each source's topic has, and its generation. */
export async function standing({ store }: Pick<Ledger, 'store'>): Promise<readonly [number, number]> {
  const heads = (await store.heads('desk')).filter(({ topic }) => topic === 'desk.events')
  return [heads.length, heads[0]?.generation ?? 0]
}

/** As `scale` does, with nobody asked whether the groups are across the last one: any number of times in a row. */
export async function scaleAtOnce(store: Store, to: number): Promise<void> {
  const heads = (await store.heads('desk')).filter(({ topic }) => topic === 'desk.events')
  const [{ source, topic, generation, incarnation } = assert.fail('no head')] = heads
  const from = heads.length
  const body = barrierBody({ generation: generation + 1, partitions: to, before: from }, 'a test')
  const barrier = { source, topic, generation, incarnation, expected: undefined, count: 1, body }
  const transaction = await store.begin()
  await transaction.commit({
    writes: [],
    appends: heads.map(({ partition }) => ({ ...barrier, partition })),
    scalings: [{ source, topic, generation, from, to, incarnation }],
    appendedAt: 0,
    transaction: to,
  })
  await transaction.release()
}

/** Pauses or resumes what the ledger reads of a partition number. */
export async function pauseAt({ lonja, idle }: Ledger, act: 'pause' | 'resume', partition: number): Promise<void> {
  const command = askOfGroup(act, { group: 'ledger', topic: null, partition, reason: 'a test' })
  const asked = { service: 'ledger', command, reply: () => ({ status: 200 }), principal: 'tester' } as const
  const done = lonja.submit({ ...asked, role: 'operator', scope: undefined, bodyHash: '', traceparent: undefined })
  await idle()
  await done
}
