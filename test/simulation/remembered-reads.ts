// The database remembers what was read as long as nobody has written the tables that it was read from: nodes look for
// timers, heads and effects again and again, which was two thirds of a history's time.
import type { Cell, Plan, Store, Table, Transaction } from '../../src/platform/ports.ts'

/** Reads that are kept before all are forgotten. */
const MAX_KEPT = 5000

interface Kept {
  readonly stamp: number
  readonly rows: Promise<readonly unknown[]>
}

/** A statement that reads some tables, and what it found for each list of values. */
interface Known {
  readonly tables: readonly string[]
  readonly found: Map<string, Kept>
}

export interface RememberingStore extends Store {
  /** Somebody wrote past it. */
  forget(): void
}

export function rememberingStore(base: Store): RememberingStore {
  const stamps = new Map<string, number>()
  /** Undefined for what is no plain read of some tables. */
  const statements = new Map<string, Known | undefined>()
  let clock = 0
  let kept = 0
  const touch = (table: string) => void stamps.set(table, (clock += 1))
  const forget = () => {
    for (const known of statements.values()) known?.found.clear()
    kept = 0
  }
  const knownOf = (sql: string): Known | undefined => {
    let known = statements.get(sql)
    if (known === undefined && !statements.has(sql)) {
      const tables = tablesReadBy(sql)
      known = tables === undefined ? undefined : { tables, found: new Map() }
      if (statements.size >= MAX_KEPT) statements.clear()
      statements.set(sql, known)
    }
    return known
  }
  const remember = <Result>({ tables, found }: Known, name: string, read: () => Promise<readonly Result[]>) => {
    let stamp = 0
    for (const table of tables) stamp = Math.max(stamp, stamps.get(table) ?? 0)
    const before = found.get(name)
    if (before?.stamp === stamp) return before.rows as Promise<readonly Result[]>
    if (kept >= MAX_KEPT) forget()
    if (before === undefined) kept += 1
    const rows = read()
    found.set(name, { stamp, rows })
    return rows
  }
  return {
    dialect: base.dialect,
    forget,
    statements: () => base.statements(),
    migrate: async (schemas) => {
      await base.migrate(schemas)
      forget()
    },
    begin: async (locks) => transactionOver(await base.begin(locks), touch),
    heads: (source) => base.heads(source),
    readLog: (source, ranges, limitRows) => base.readLog(source, ranges, limitRows),
    readTransactions: (source, transactions) => base.readTransactions(source, transactions),
    trimLog: async (source, trim) => {
      const trimmed = await base.trimLog(source, trim)
      for (const name of [`${source}_heads`, `${source}_log`]) touch(name)
      return trimmed
    },
    query: <Result>(sql: string, values: readonly Cell[] = []) => {
      const known = knownOf(sql)
      if (known !== undefined)
        return remember(known, values.length === 0 ? '' : values.join(' '), () => base.query<Result>(sql, values))
      if (!sql.startsWith('SELECT')) forget()
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
