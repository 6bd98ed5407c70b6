// The database remembers what was read as long as nobody has written the tables that it was read from: nodes look for
// timers, heads and effects again and again, which was two thirds of a history's time.
import type { Cell, Plan, Store, Table, Transaction } from '../../src/platform/ports.ts'

/** Reads that are kept before all are forgotten. */
const MAX_KEPT = 5000

interface Kept {
  readonly stamp: number
  readonly rows: Promise<readonly unknown[]>
}

export interface RememberingStore extends Store {
  /** Somebody wrote past it. */
  forget(): void
}

export function rememberingStore(base: Store): RememberingStore {
  const stamps = new Map<string, number>()
  const kept = new Map<string, Kept>()
  const tablesOf = new Map<string, readonly string[] | undefined>()
  let clock = 0
  const touch = (table: string) => {
    stamps.set(table, (clock += 1))
  }
  const remember = <Result>(name: string, tables: readonly string[], read: () => Promise<readonly Result[]>) => {
    let stamp = 0
    for (const table of tables) stamp = Math.max(stamp, stamps.get(table) ?? 0)
    const known = kept.get(name)
    if (known?.stamp === stamp) return known.rows as Promise<readonly Result[]>
    if (kept.size >= MAX_KEPT) kept.clear()
    const rows = read()
    kept.set(name, { stamp, rows })
    return rows
  }
  const forget = () => {
    kept.clear()
    stamps.clear()
  }
  const namedIn = (sql: string): readonly string[] | undefined => {
    if (!tablesOf.has(sql)) tablesOf.set(sql, tablesReadBy(sql))
    return tablesOf.get(sql)
  }
  return {
    dialect: base.dialect,
    forget,
    statements: () => base.statements(),
    migrate: async (schemas) => {
      await base.migrate(schemas)
      kept.clear()
    },
    begin: async (locks) => transactionOver(await base.begin(locks), touch),
    heads: (source) => remember(`heads of ${source}`, [`${source}_heads`], () => base.heads(source)),
    readLog: (source, ranges, limitRows) => base.readLog(source, ranges, limitRows),
    readTransactions: (source, transactions) => base.readTransactions(source, transactions),
    trimLog: async (source, trim) => {
      const trimmed = await base.trimLog(source, trim)
      for (const name of [`${source}_heads`, `${source}_log`]) touch(name)
      return trimmed
    },
    query: <Result>(sql: string, values: readonly Cell[] = []) => {
      const tables = namedIn(sql)
      if (tables !== undefined)
        return remember(`${sql} ${values.join(' ')}`, tables, () => base.query<Result>(sql, values))
      if (!sql.startsWith('SELECT')) kept.clear()
      return base.query<Result>(sql, values)
    },
    tableName: (schema, table) => base.tableName(schema, table),
    identity: (schema) => base.identity(schema),
    close: () => base.close(),
  }
}

function transactionOver(base: Transaction, touch: (table: string) => void): Transaction {
  return {
    load: (table, keys) => base.load(table, keys),
    commit: async (plan) => {
      const firsts = await base.commit(plan)
      for (const name of tablesWrittenBy(plan)) touch(name)
      return firsts
    },
    release: () => base.release(),
  }
}

function tablesWrittenBy({ writes, appends }: Plan): Set<string> {
  const names = new Set(writes.map(({ table }) => sqliteName(table)))
  for (const { source } of appends) names.add(`${source}_heads`).add(`${source}_log`)
  return names
}

const names = new WeakMap<Table, string>()

function sqliteName(table: Table): string {
  let name = names.get(table)
  if (name === undefined) names.set(table, (name = `${table.schema}_${table.name}`))
  return name
}

/** Undefined where it is no plain read of some tables. */
function tablesReadBy(sql: string): readonly string[] | undefined {
  if (!sql.startsWith('SELECT') || /sqlite_schema|pg_|pragma_|json_each/.test(sql)) return undefined
  const found = [...sql.matchAll(/\b(?:FROM|JOIN)\s+(\w+)/g)].map(([, name]) => name ?? '')
  return found.length === 0 ? undefined : found
}
