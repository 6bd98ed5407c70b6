// A store whose commits stay in memory until somebody asks SQLite about what they wrote: two thirds of a history's
// statements are never asked about. It keeps the contract of every store (`write-behind.test.ts`).
import type {
  Append,
  Cell,
  Head,
  LogRange,
  LogRow,
  Plan,
  Row,
  Store,
  Table,
  Transaction,
} from '../../src/platform/ports.ts'
import { sqliteName } from '../../src/platform/store/sqlite-statements.ts'
import type { Copy } from './database.ts'
import { HEAD_COLUMNS, LOG_COLUMNS, LogMemory } from './log-memory.ts'
import type { Undo } from './row-table.ts'
import { RowTable, upsertSql } from './row-table.ts'

const PARTITIONS_A_TOPIC = 256
const RECORDS_A_PARTITION = 2 ** 32

export interface WriteBehindStore extends Store {
  /** Tables of SQLite that were written; whoever puts them back clears it. */
  readonly written: Set<string>
  /** Tells SQLite everything. */
  flush(): void
  /**
   * SQLite's rows are these from now on, whatever memory says.
   *
   * @param isDirect whether commits and reads go straight to SQLite from now on
   */
  restart(rows: Copy, isDirect: boolean): void
}

export function writeBehindStore(base: Store): WriteBehindStore {
  return new WriteBehind(base)
}

class WriteBehind implements WriteBehindStore {
  readonly dialect: Store['dialect']
  readonly #base: Store
  /** Undefined: SQLite has to be asked. */
  #beginning: Copy | undefined
  #isDirect = false
  readonly #tables = new Map<string, RowTable>()
  readonly #logs = new Map<string, LogMemory>()
  readonly #topics = new Map<string, number>()
  readonly written = new Set<string>()
  /** Whether memory has anything that SQLite has not. */
  #isDirty = false
  #ownStatements = 0

  constructor(base: Store) {
    this.#base = base
    this.dialect = base.dialect
  }

  restart(rows: Copy, isDirect: boolean): void {
    this.#forget()
    this.#beginning = rows
    this.#isDirect = isDirect
  }

  #forget(): void {
    this.#tables.clear()
    this.#logs.clear()
    this.#isDirty = false
  }

  /** Its own are nobody's. */
  statements = (): number => this.#base.statements() - this.#ownStatements

  tableName(schema: string, table: string): string {
    return this.#base.tableName(schema, table)
  }

  async migrate(...[schemas]: Parameters<Store['migrate']>): Promise<void> {
    this.flush()
    await this.#base.migrate(schemas)
    // A topic that is new has heads that memory has not.
    if (schemas.every(({ topics }) => topics.length === 0)) return
    this.#reload()
    const sql = 'SELECT number, name FROM lonja_topics'
    for (const { number, name } of await this.#base.query<{ readonly number: number; readonly name: string }>(sql))
      this.#topics.set(name, number)
  }

  /** SQLite was written past memory. */
  #reload(): void {
    this.#forget()
    this.#beginning = undefined
  }

  async trimLog(...[source, trim]: Parameters<Store['trimLog']>): ReturnType<Store['trimLog']> {
    this.flush()
    const trimmed = await this.#base.trimLog(source, trim)
    this.#reload()
    return trimmed
  }

  async begin(...[locks]: Parameters<Store['begin']>): Promise<Transaction> {
    const own = await this.#base.begin(locks)
    if (this.#isDirect) return this.#directly(own)
    return {
      load: async (table, keys) => (this.#known(table) ?? (await this.#open(table))).load(keys),
      commit: async (plan) => {
        if (plan.writes.some(({ table }) => table.name === 'log')) return this.#past(own, plan)
        for (const { table } of plan.writes) if (this.#known(table) === undefined) await this.#open(table)
        for (const { source } of plan.appends) if (this.#knownLog(source) === undefined) await this.#openLog(source)
        return this.#commit(plan)
      },
      release: () => own.release(),
    }
  }

  /** Who writes into a log by hand, as the contract does to break one, writes past memory. */
  async #past(own: Transaction, plan: Plan): Promise<readonly number[]> {
    this.flush()
    const firsts = await own.commit(plan)
    this.#reload()
    return firsts
  }

  #directly(own: Transaction): Transaction {
    return {
      // Most tables of a history never have a row: nothing of them can be loaded.
      load: (table, keys) => (this.#mayHaveRows(table) ? own.load(table, keys) : Promise.resolve([])),
      commit: (plan) => {
        for (const { table } of plan.writes) this.written.add(sqliteName(table.schema, table.name))
        for (const { source } of plan.appends) this.written.add(`${source}_heads`).add(`${source}_log`)
        return own.commit(plan)
      },
      release: () => own.release(),
    }
  }

  #mayHaveRows({ schema, name }: Table): boolean {
    const own = sqliteName(schema, name)
    return this.written.has(own) || this.#beginning === undefined || (this.#beginning.get(own) ?? []).length > 0
  }

  /** What SQLite has to be asked for is undefined; at the beginning of a history that is nothing. */
  #known(table: Table): RowTable | undefined {
    const name = sqliteName(table.schema, table.name)
    const known = this.#tables.get(name)
    if (known !== undefined || this.#beginning === undefined) return known
    return this.#keep(name, table, this.#beginning.get(name) ?? [])
  }

  async #open(table: Table): Promise<RowTable> {
    const name = sqliteName(table.schema, table.name)
    const rows = await this.#stored(
      name,
      table.columns.map((column) => column.name),
    )
    // Somebody else may have asked meanwhile, and written since.
    return this.#tables.get(name) ?? this.#keep(name, table, rows)
  }

  #keep(name: string, table: Table, rows: readonly Row[]): RowTable {
    const opened = new RowTable(name, table, rows)
    this.#tables.set(name, opened)
    return opened
  }

  #knownLog(source: string): LogMemory | undefined {
    const known = this.#logs.get(source)
    if (known !== undefined || this.#beginning === undefined) return known
    const heads = this.#beginning.get(`${source}_heads`) ?? []
    return this.#keepLog(source, heads, this.#beginning.get(`${source}_log`) ?? [])
  }

  async #openLog(source: string): Promise<LogMemory> {
    const heads = await this.#stored(`${source}_heads`, HEAD_COLUMNS)
    const rows = await this.#stored(`${source}_log`, LOG_COLUMNS)
    return this.#logs.get(source) ?? this.#keepLog(source, heads, rows)
  }

  #keepLog(source: string, heads: readonly Row[], rows: readonly Row[]): LogMemory {
    const opened = new LogMemory(source, heads, rows)
    this.#logs.set(source, opened)
    return opened
  }

  async #stored(name: string, columns: readonly string[]): Promise<readonly Row[]> {
    const rows = await this.#base.query<Readonly<Record<string, Cell>>>(`SELECT ${columns.join(', ')} FROM ${name}`)
    return rows.map((row) => columns.map((column) => row[column] ?? null))
  }

  /** One piece: what it needs is in memory. */
  #commit(plan: Plan): readonly number[] {
    const { writes, appends } = plan
    const undone: Undo[] = []
    try {
      for (const write of writes) this.#known(write.table)?.write(write, undone)
      this.#check(appends)
      for (const scaling of plan.scalings ?? []) this.#logs.get(scaling.source)?.checkScaling(scaling)
    } catch (error) {
      for (const undo of undone.toReversed()) undo()
      throw error
    }
    this.#isDirty = true
    const firsts = appends.map((append) => (this.#logs.get(append.source) as LogMemory).append(append, plan))
    for (const scaling of plan.scalings ?? []) this.#logs.get(scaling.source)?.scale(scaling)
    return firsts
  }

  #check(appends: readonly Append[]): void {
    const counts = new Map<string, number>()
    for (const append of appends) {
      const place = `${append.source}/${append.topic}/${append.partition}`
      const before = counts.get(place) ?? 0
      this.#logs.get(append.source)?.check(append, before)
      counts.set(place, before + append.count)
    }
  }

  heads(source: string): Promise<readonly Head[]> {
    return this.#isDirect ? this.#base.heads(source) : this.#headsOf(source)
  }

  async #headsOf(source: string): Promise<readonly Head[]> {
    return (this.#knownLog(source) ?? (await this.#openLog(source))).heads()
  }

  readLog(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]> {
    return this.#isDirect ? this.#base.readLog(source, ranges, limitRows) : this.#read(source, ranges, limitRows)
  }

  async #read(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]> {
    const log = this.#knownLog(source) ?? (await this.#openLog(source))
    return ranges.flatMap((range) => log.read(range, limitRows))
  }

  readTransactions(...[source, transactions]: Parameters<Store['readTransactions']>) {
    this.flush()
    return this.#base.readTransactions(source, transactions)
  }

  query<Result>(sql: string, values: readonly Cell[] = []): Promise<readonly Result[]> {
    if (sql.startsWith('SELECT')) {
      if (this.#isDirty) this.#flushWhere((name) => sql.includes(name))
      return this.#base.query<Result>(sql, values)
    }
    this.flush()
    const [, dropped] = /^DROP TABLE (\w+)$/.exec(sql) ?? []
    if (dropped === undefined) this.#reload()
    else this.#tables.delete(dropped)
    return this.#base.query<Result>(sql, values)
  }

  flush(): void {
    if (!this.#isDirty) return
    this.#flushWhere(() => true)
    this.#isDirty = false
  }

  #flushWhere(isWanted: (name: string) => boolean): void {
    for (const table of this.#tables.values()) {
      if (!table.isDirty || !isWanted(table.name)) continue
      this.written.add(table.name)
      for (const { sql, rows } of table.flush()) this.#tell(sql, rows)
    }
    for (const log of this.#logs.values()) {
      const { source } = log
      if (log.isDirty && (isWanted(`${source}_log`) || isWanted(`${source}_heads`))) this.#flushLog(log)
    }
  }

  #flushLog(log: LogMemory): void {
    const { source } = log
    const positionOf = (topic: string, partition: number, sequence: number) =>
      ((this.#topics.get(topic) ?? 0) * PARTITIONS_A_TOPIC + partition) * RECORDS_A_PARTITION + sequence
    const { rows, heads } = log.flush(positionOf)
    this.written.add(`${source}_heads`).add(`${source}_log`)
    this.#tell(upsertSql(`${source}_log`, LOG_COLUMNS, 1), rows)
    this.#tell(upsertSql(`${source}_heads`, HEAD_COLUMNS, 2), heads)
  }

  /** SQLite runs a statement at once, before there is a promise to wait for; one that fails ends the process. */
  #tell(sql: string, rows: readonly Row[]): void {
    this.#ownStatements += 1
    void this.#base.query(sql, [JSON.stringify(rows)])
  }

  identity(schema: string) {
    return this.#base.identity(schema)
  }

  close(): Promise<void> {
    return this.#base.close()
  }
}
