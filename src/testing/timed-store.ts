// A store that knows how long its longest batch and its longest single question took.
import type { Store } from '../platform/ports.ts'
import { faultyStore } from './faulty-store.ts'

export interface TimedStore extends Store {
  /** Milliseconds of the longest one, and how many there were. */
  readonly batches: () => { readonly count: number; readonly longestMs: number }
  readonly questions: () => { readonly count: number; readonly longestMs: number }
}

class Times {
  #count = 0
  #longestMs = 0

  taken = (): { readonly count: number; readonly longestMs: number } => ({
    count: this.#count,
    longestMs: this.#longestMs,
  })

  /** Starts a measure; the returned function ends it, once. */
  start(): () => void {
    const startedAt = performance.now()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#count += 1
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedAt)
    }
  }

  async of<Result>(work: Promise<Result>): Promise<Result> {
    const end = this.start()
    return work.finally(end)
  }
}

/** A batch lasts from its beginning to its commit or its end: no transaction of the database lasts longer. */
export function timedStore(inner: Store): TimedStore {
  const store = faultyStore(inner)
  const [batches, questions] = [new Times(), new Times()]
  return {
    ...store,
    batches: batches.taken,
    questions: questions.taken,
    query: (sql, values) => questions.of(store.query(sql, values)),
    readLog: (source, ranges, limitRows) => questions.of(store.readLog(source, ranges, limitRows)),
    begin: async (locks) => {
      const end = batches.start()
      const transaction = await store.begin(locks)
      return {
        load: (table, keys) => transaction.load(table, keys),
        commit: (plan) => transaction.commit(plan).finally(end),
        release: () => transaction.release().finally(end),
      }
    },
  }
}
