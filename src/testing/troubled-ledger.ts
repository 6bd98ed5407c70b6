// The toy ledger with trouble for some accounts, which a test can begin and end, and all that is told of it.
import { createVirtualClock } from './virtual-clock.ts'
import type { ToyLedgerOptions } from './toy-ledger.ts'
import { startToyLedger } from './toy-ledger.ts'
import { partitionFor } from '../platform/log/murmur2.ts'
import { systemRandom } from '../platform/system.ts'
import type { ParkingNote } from '../platform/parking/setting-aside.ts'

export interface TroubledOptions extends ToyLedgerOptions {
  /** Accounts that fail from the start. */
  readonly bad?: readonly string[]
  /** What their handler throws. */
  readonly thrown?: () => Error
  /** What the clock says at first. */
  readonly startsAt?: number
}

/** Time stands still until the test moves it with `pass`; the pause before a retry is half of the longest. */
export async function startTroubledLedger({ thrown = () => new Error('trouble'), ...options }: TroubledOptions = {}) {
  const clock = createVirtualClock(options.startsAt)
  const bad = new Set(options.bad)
  const state = { isDown: false }
  const tried: string[] = []
  const notes: ParkingNote[] = []
  const breakers: string[] = []
  const alarms: string[] = []
  const take = (note: ParkingNote) => void notes.push(note)
  const ledger = await startToyLedger({
    clock,
    random: { ...systemRandom, fraction: () => 0.5 },
    trouble: (account, entry) => {
      tried.push(`${account} ${entry}`)
      if (state.isDown || bad.has(account)) throw thrown()
    },
    ...options,
    observer: {
      parked: take,
      unparked: take,
      dead: take,
      breakerOpened: ({ group, type }) => void breakers.push(`${group} ${type} opened`),
      breakerClosed: ({ group, type }) => void breakers.push(`${group} ${type} closed`),
      alarm: (_, message) => void alarms.push(message),
      ...options.observer,
    },
  })
  return {
    ...ledger,
    clock,
    bad,
    state,
    tried,
    notes,
    breakers,
    alarms,
    pass: (ms: number) => clock.advance(ms, ledger.idle),
    told: () => notes.map(({ what, key }) => `${what} ${key}`),
    keys: async () => {
      const rows = await ledger.rows('parked_keys')
      return rows.map(({ key, state, messages }) => `${key} ${state} ${messages}`).toSorted()
    },
    letters: async () => {
      const rows = await ledger.rows('dead_letters')
      return rows.map(({ key, status, code }) => `${key} ${status} ${code}`).toSorted()
    },
  }
}

/** So many accounts of one partition, in the order in which they are found. */
export function accountsOf(partition: number, count: number): string[] {
  const accounts: string[] = []
  for (let number = 0; accounts.length < count; number += 1) {
    if (partitionFor(`account-${number}`, 6) === partition) accounts.push(`account-${number}`)
  }
  return accounts
}
