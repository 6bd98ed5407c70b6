// A store on which nobody works for a while, or that is away altogether, when a test says so.
import type { Store } from '../platform/ports.ts'
import { StoreUnavailable } from '../platform/ports.ts'
import { faultyStore } from './faulty-store.ts'

export interface PausableStore extends Store {
  /** No batch begins any more; the log can still be read, as if only the workers were gone. */
  pause(): void
  /** Nothing is answered any more. */
  goAway(): void
  resume(): void
  /** How many batches were refused so far. */
  readonly refusals: () => number
}

export function pausableStore(store: Store): PausableStore {
  let state: 'there' | 'paused' | 'away' = 'there'
  let refusals = 0
  const faulty = faultyStore(store)
  const read = <Result>(work: () => Promise<Result>): Promise<Result> =>
    state === 'away' ? Promise.reject(new StoreUnavailable('A test says that the store is away.')) : work()
  return {
    ...faulty,
    begin: async (locks) => {
      if (state === 'there') return faulty.begin(locks)
      refusals += 1
      throw new StoreUnavailable('A test lets nobody work on this store.')
    },
    heads: (source) => read(() => faulty.heads(source)),
    readLog: (source, ranges, limitRows) => read(() => faulty.readLog(source, ranges, limitRows)),
    readTransactions: (source, transactions) => read(() => faulty.readTransactions(source, transactions)),
    trimLog: (source, trim) => read(() => faulty.trimLog(source, trim)),
    query: (sql, values) => read(() => faulty.query(sql, values)),
    identity: (schema) => read(() => faulty.identity(schema)),
    pause: () => {
      state = 'paused'
    },
    goAway: () => {
      state = 'away'
    },
    resume: () => {
      state = 'there'
    },
    refusals: () => refusals,
  }
}
