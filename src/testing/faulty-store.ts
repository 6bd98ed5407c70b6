// A store that fails when a test says so: conflicts, lost answers, outages and values that it does not take.
import type { Plan, Store } from '../platform/ports.ts'
import { BadData, CommitUnknown, Conflict, StoreUnavailable } from '../platform/ports.ts'

export type CommitFault = 'conflict' | 'unavailable' | 'lost before' | 'lost after'

export interface FaultyStore extends Store {
  /** The next commits fail so, one after the other; undefined lets one pass. */
  failNext(...faults: (CommitFault | undefined)[]): void
  /** Commits whose rows hold this text are refused; undefined refuses none. */
  refuseText(text: string | undefined): void
  readonly commits: () => number
}

export function faultyStore(store: Store): FaultyStore {
  const faults: (CommitFault | undefined)[] = []
  let refused: string | undefined
  let commits = 0
  return {
    dialect: store.dialect,
    statements: () => store.statements(),
    migrate: (schemas) => store.migrate(schemas),
    heads: (source) => store.heads(source),
    readLog: (source, ranges, limitRows) => store.readLog(source, ranges, limitRows),
    readTransactions: (source, transactions) => store.readTransactions(source, transactions),
    trimLog: (source, trim) => store.trimLog(source, trim),
    query: (sql, values) => store.query(sql, values),
    tableName: (schema, table) => store.tableName(schema, table),
    identity: (schema) => store.identity(schema),
    close: () => store.close(),
    failNext: (...next) => {
      faults.push(...next)
    },
    refuseText: (text) => {
      refused = text
    },
    commits: () => commits,
    async begin(locks) {
      const transaction = await store.begin(locks)
      return {
        load: (table, keys) => transaction.load(table, keys),
        release: () => transaction.release(),
        async commit(plan) {
          const fault = faults.shift()
          if (fault === 'conflict') throw new Conflict('a test says so')
          if (fault === 'unavailable') throw new StoreUnavailable('a test says so')
          if (fault === 'lost before') throw new CommitUnknown('a test says so')
          if (refused !== undefined && holds(plan, refused)) throw new BadData('a test refuses one of its values')
          const firsts = await transaction.commit(plan)
          commits += 1
          if (fault === 'lost after') throw new CommitUnknown('a test says so')
          return firsts
        },
      }
    },
  }
}

function holds({ writes, appends }: Plan, text: string): boolean {
  return (
    appends.some(({ body }) => body.includes(text)) ||
    writes.some(({ rows }) => rows.some((row) => row.some((cell) => typeof cell === 'string' && cell.includes(text))))
  )
}
