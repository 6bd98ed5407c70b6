// A handle on a store that a test cuts off at a chosen commit, as if the process had been killed there; others go on.
import type { Store } from '../platform/ports.ts'
import { StoreUnavailable } from '../platform/ports.ts'

export interface SeveredStore extends Store {
  /** So many more commits happen; of the last one the answer is lost. */
  cutAfter(commits: number): void
  readonly isCut: () => boolean
}

const cut = () => new StoreUnavailable('A test has cut this process off.')

/** Closing it leaves the store open for whoever comes after. */
export function severedStore(store: Store): SeveredStore {
  let left = Number.POSITIVE_INFINITY
  const isCut = () => left <= 0
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (isCut()) throw cut()
    return work()
  }
  return {
    dialect: store.dialect,
    statements: () => store.statements(),
    tableName: (schema, table) => store.tableName(schema, table),
    migrate: (schemas) => guarded(() => store.migrate(schemas)),
    heads: (source) => guarded(() => store.heads(source)),
    readLog: (source, ranges, limitRows) => guarded(() => store.readLog(source, ranges, limitRows)),
    readTransactions: (source, transactions) => guarded(() => store.readTransactions(source, transactions)),
    trimLog: (source, trim) => guarded(() => store.trimLog(source, trim)),
    query: (sql, values) => guarded(() => store.query(sql, values)),
    identity: (schema) => guarded(() => store.identity(schema)),
    close: async () => undefined,
    begin: (locks) =>
      guarded(async () => {
        const transaction = await store.begin(locks)
        return {
          load: (table, keys) => guarded(() => transaction.load(table, keys)),
          release: () => transaction.release(),
          commit: (plan) =>
            guarded(async () => {
              const firsts = await transaction.commit(plan)
              left -= 1
              if (isCut()) throw cut()
              return firsts
            }),
        }
      }),
    cutAfter: (commits) => {
      left = commits
    },
    isCut,
  }
}
