// The store as one node sees it: every call goes through the gate, every commit that happened is shown to the oracle.
import type { Append, Head, Locks, LogRow, Plan, Store, Transaction } from '../../src/platform/ports.ts'
import { Conflict } from '../../src/platform/ports.ts'
import type { Handled, Oracle } from './oracle.ts'
import type { Gate, NodeLife } from './ports.ts'
import type { RareCounts } from './rare.ts'
import type { World } from './world.ts'

/** Safeguards that a mutant takes away from the store. */
export interface StoreMutant {
  /** The commits that one becomes. */
  readonly plans?: (plan: Plan) => readonly Plan[]
  /** A read of the log whose first row is missing. */
  readonly gap?: (rows: readonly LogRow[], missing: LogRow) => readonly LogRow[]
  /** Heads are not read afresh before timers fire. */
  readonly staleHeads?: true
}

export interface NodeStoreOptions {
  readonly base: Store
  readonly gate: Gate
  readonly life: NodeLife
  readonly oracle: Pick<Oracle, 'committed'>
  readonly world: World
  readonly rare: RareCounts
  /** The only process of its database may keep documents in memory; several may not. */
  readonly isAlone: boolean
  readonly mutant: StoreMutant
}

/** What the handlers of the batch in hand ran for. */
export interface NodeStore extends Store {
  readonly handling: () => Handled[]
}

export function nodeStore(options: NodeStoreOptions): NodeStore {
  const { base, gate, life, isAlone } = options
  let handling: Handled[] = []
  const seenHeads = new Map<string, readonly Head[]>()
  let isTimerAhead = false
  return {
    dialect: isAlone ? 'sqlite' : 'postgres',
    handling: () => handling,
    statements: () => base.statements(),
    // Made once for all histories; only tables that a rebuild makes or drops are still to be done.
    migrate: async (schemas) => {
      if (schemas.every(({ topics }) => topics.length === 0)) await base.migrate(schemas)
    },
    begin: (locks) =>
      gate.call(life, 'begin', async () => {
        const transaction = await base.begin(locks)
        // Readers lock nothing, rebuilds lock cursors; only the loop runs handlers.
        const isLoop = locks !== undefined && !locks.some(({ table }) => table.name === 'cursors')
        const handled = isLoop ? (handling = []) : undefined
        return nodeTransaction(options, { transaction, handled, locks, seenHeads })
      }),
    heads: (source) =>
      gate.call(life, 'heads', async () => {
        const stale = isTimerAhead ? seenHeads.get(source) : undefined
        const heads = stale ?? (await base.heads(source))
        seenHeads.set(source, heads)
        return heads
      }),
    readLog: (source, ranges, limitRows) =>
      gate.call(life, 'readLog', async () => withGap(options, await base.readLog(source, ranges, limitRows))),
    readTransactions: (source, transactions) => base.readTransactions(source, transactions),
    trimLog: (source, trim) => gate.call(life, 'commit', () => base.trimLog(source, trim)),
    query: (sql, values) =>
      gate.call(life, 'query', async () => {
        // What a mutant reads of heads right after the due timers is what it knew before.
        isTimerAhead = options.mutant.staleHeads === true && sql.includes('_timers')
        return base.query<never>(forSqlite(sql), values)
      }),
    tableName: (schema, table) => base.tableName(schema, table),
    identity: (schema) => gate.call(life, 'query', () => base.identity(schema)),
    close: async () => undefined,
  }
}

/** The one statement that names PostgreSQL's own tables. */
function forSqlite(sql: string): string {
  if (!sql.includes('FROM pg_tables')) return sql
  return `SELECT substr(name, length(?1) + 2) AS name FROM sqlite_schema
    WHERE type = 'table' AND name LIKE ?1 || '\\_%' ESCAPE '\\'`
}

/** A read that misses what is there: nothing above it may be handled. */
function withGap({ life, world, rare, mutant }: NodeStoreOptions, rows: readonly LogRow[]): readonly LogRow[] {
  const [missing] = rows
  if (missing === undefined || world.now >= life.gapUntil) return rows
  rare.hit('gap in the log seen')
  const rest = rows.filter((row) => row !== missing)
  return mutant.gap === undefined ? rest : mutant.gap(rest, missing)
}

interface Begun {
  readonly transaction: Transaction
  readonly handled: Handled[] | undefined
  readonly locks: readonly Locks[] | undefined
  readonly seenHeads: Map<string, readonly Head[]>
}

function nodeTransaction(options: NodeStoreOptions, { transaction, handled, seenHeads }: Begun): Transaction {
  const { gate, life, oracle, rare, mutant, world } = options
  const commit = async (plan: Plan, isFirst: boolean): Promise<readonly number[]> => {
    try {
      const firsts = await transaction.commit(plan)
      const moment = { committedAt: world.now, aheadMs: life.mostAheadMs }
      if (mutant.staleHeads === true) for (const append of plan.appends) moveSeen(seenHeads, append)
      oracle.committed({ plan, firsts, handled: isFirst ? handled : undefined, ...moment })
      return firsts
    } catch (error) {
      if (error instanceof Conflict) rare.hit('conflict between two nodes')
      throw error
    }
  }
  return {
    load: (table, keys) => gate.call(life, 'load', () => transaction.load(table, keys)),
    release: () => transaction.release(),
    commit: async (plan) => {
      if (mutant.plans === undefined) return gate.call(life, 'commit', () => commit(plan, true))
      let firsts: readonly number[] = []
      for (const [index, part] of mutant.plans(plan).entries()) {
        const own = await gate.call(life, 'commit', () => commit(part, index === 0))
        if (part.appends.length > 0) firsts = own
      }
      return firsts
    },
  }
}

/** What a node appended it knows, also where it reads no heads. */
function moveSeen(seen: Map<string, readonly Head[]>, { source, topic, partition, count }: Append): void {
  const heads = seen.get(source)?.map((head) => {
    return head.topic === topic && head.partition === partition ? { ...head, next: head.next + count } : head
  })
  if (heads !== undefined) seen.set(source, heads)
}
