// The store on SQLite: one process, one writer. A commit is one synchronous piece, so nobody ever sees half of it.
import { randomUUID } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type {
  Cell,
  Head,
  LogIdentity,
  LogRange,
  LogRow,
  LogTrim,
  Plan,
  Row,
  SchemaDeclaration,
  Store,
  Table,
  Transaction,
  TransactionRow,
  Trimmed,
  Write,
} from '../ports.ts'
import { BadData, CommitUnknown, Conflict, StoreUnavailable, checkSchemaVersion, newColumns } from '../ports.ts'
import { appendAll } from './sqlite-append.ts'
import { declareTopic, scaleTopic } from './sqlite-heads.ts'
import { trimRows } from './sqlite-trim.ts'
import type { WriteShape } from './sqlite-statements.ts'
import { CHUNK_SIZES, createTable, loadStatement, sqliteName, writeStatement } from './sqlite-statements.ts'

export interface SqliteOptions {
  /** A file, or ':memory:'. */
  readonly path: string
  /** An upper limit of the file in pages of 8 KiB; what is above is a full disk. */
  readonly maxPages?: number
  readonly readOnly?: boolean
}

/** Larger pages hold more batches a write: 4 KiB pages cost 14 % more CPU an order. */
const PAGE_BYTES = 8192
/** A checkpoint of 32 MB takes some 30 ms; smaller ones come too often. */
const CHECKPOINT_PAGES = 4000
/** SQLite's own 2 MB hold a fraction of a batch's 8 MB of pages; 64 MB are no faster, and are never given back. */
const CACHE_KIB = 32 * 1024
/** Reading tools beside the server may hold the file for moments. */
const BUSY_TIMEOUT_MS = 5000

/** Reads that are kept prepared: preparing one costs more than running it. */
const MAX_READERS = 500

/** All partitions share one integer key: 256 partitions a topic, 2^32 records each, 8,192 topics below 2^53. */
const PARTITIONS_A_TOPIC = 256
const RECORDS_A_PARTITION = 2 ** 32

const LOG_COLUMNS = 'topic, partition, generation, incarnation, first, last, appended_at, body'

/** @throws {StoreUnavailable} when the file can't be opened. */
export function openSqlite(options: SqliteOptions): Store {
  return new SqliteStore(options)
}

class SqliteStore implements Store {
  readonly dialect = 'sqlite'
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()
  readonly #readers = new Map<string, StatementSync>()
  readonly #topicNumbers = new Map<string, number>()
  #statements = 0

  constructor({ path, maxPages, readOnly = false }: SqliteOptions) {
    try {
      this.#database = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS })
    } catch (error) {
      throw new StoreUnavailable(`The database file ${path} can't be opened: ${(error as Error).message}.`)
    }
    if (readOnly) return
    this.#database.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
    this.#database.exec('PRAGMA journal_mode = WAL')
    this.#database.exec('PRAGMA synchronous = FULL')
    // Before-images of each statement's pages went into a temporary file: half of all writes to disk.
    this.#database.exec('PRAGMA temp_store = MEMORY')
    this.#database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    if (maxPages !== undefined) this.#database.exec(`PRAGMA max_page_count = ${maxPages}`)
  }

  statements = (): number => this.#statements

  tableName(schema: string, table: string): string {
    return sqliteName(schema, table)
  }

  async migrate(schemas: readonly SchemaDeclaration[]): Promise<void> {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      this.#database.exec(
        `CREATE TABLE IF NOT EXISTS lonja_schemas
          (name TEXT PRIMARY KEY, version INTEGER, log_id TEXT, incarnation INTEGER)`,
      )
      this.#database.exec('CREATE TABLE IF NOT EXISTS lonja_topics (number INTEGER PRIMARY KEY, name TEXT UNIQUE)')
      for (const schema of schemas) this.#migrateSchema(schema)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#rollback()
      throw error
    }
    this.#readTopicNumbers()
  }

  #migrateSchema(declaration: SchemaDeclaration): void {
    const { schema, version, tables, topics, obsolete = [] } = declaration
    const stored = this.#database.prepare('SELECT version FROM lonja_schemas WHERE name = ?').get(schema)
    checkSchemaVersion(declaration, Number(stored?.['version'] ?? 0))
    this.#database
      .prepare(
        'INSERT INTO lonja_schemas VALUES (?, ?, ?, 1) ON CONFLICT (name) DO UPDATE SET version = excluded.version',
      )
      .run(schema, version, randomUUID())
    for (const table of tables) {
      this.#addColumns(table)
      for (const statement of createTable(table)) this.#database.exec(statement)
    }
    for (const { name } of obsolete) this.#database.exec(`DROP TABLE IF EXISTS ${sqliteName(schema, name)}`)
    const log = sqliteName(schema, 'log')
    const heads = sqliteName(schema, 'heads')
    this.#database.exec(`CREATE TABLE IF NOT EXISTS ${log} (position INTEGER PRIMARY KEY, topic TEXT NOT NULL,
      partition INTEGER NOT NULL, generation INTEGER NOT NULL, incarnation INTEGER NOT NULL, first INTEGER NOT NULL,
      last INTEGER NOT NULL, appended_at INTEGER NOT NULL, transaction_id INTEGER NOT NULL, body TEXT NOT NULL)`)
    this.#database.exec(`CREATE INDEX IF NOT EXISTS ${log}_transaction_id ON ${log} (transaction_id)`)
    this.#database.exec(`CREATE TABLE IF NOT EXISTS ${heads} (topic TEXT NOT NULL, partition INTEGER NOT NULL,
      generation INTEGER NOT NULL, incarnation INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
      appended_at INTEGER NOT NULL, made INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (topic, partition)) WITHOUT ROWID`)
    for (const topic of topics) declareTopic(this.#database, heads, topic)
  }

  #addColumns(table: Table): void {
    const name = sqliteName(table.schema, table.name)
    const there = this.#database.prepare('SELECT name FROM pragma_table_info(?)').all(name)
    if (there.length === 0) return
    for (const column of newColumns(table, new Set(there.map(({ name: known }) => String(known))))) {
      this.#database.exec(`ALTER TABLE ${name} ADD COLUMN ${column.name} ${column.type.toUpperCase()}`)
    }
  }

  #readTopicNumbers(): void {
    const rows = this.#database.prepare('SELECT number, name FROM lonja_topics').all()
    for (const { number, name } of rows) this.#topicNumbers.set(String(name), Number(number))
  }

  async begin(): Promise<Transaction> {
    return {
      load: async (table, keys) => this.#load(table, keys),
      commit: async (plan) => this.#commit(plan),
      release: async () => undefined,
    }
  }

  #load(table: Table, keys: readonly Row[]): readonly Row[] {
    if (keys.length === 0) return []
    const wanted = table.keyWidth === 1 ? keys.map((key) => key[0]) : keys
    return this.#run(() => this.#statement(loadStatement(table)).all(JSON.stringify(wanted)) as unknown as Row[])
  }

  #commit({ writes, appends, scalings = [], appendedAt, transaction }: Plan): readonly number[] {
    return this.#atOnce(() => {
      for (const write of writes) this.#write(write)
      const firsts = appendAll({ ...this.#logged, appendedAt, transaction }, appends)
      for (const scaling of scalings) scaleTopic(this.#logged.statement, scaling)
      return firsts
    })
  }

  /** What writes of the log need of the store. */
  readonly #logged = {
    statement: (sql: string): StatementSync => this.#statement(sql),
    positionOf: (topic: string, partition: number, sequence: number): number =>
      this.#position(topic, partition, sequence),
  }

  /** All of the work in one transaction, or nothing of it. */
  #atOnce<Result>(work: () => Result): Result {
    this.#run(() => this.#statement('BEGIN IMMEDIATE').run())
    try {
      const result = work()
      this.#end()
      return result
    } catch (error) {
      this.#rollback()
      throw asStoreError(error)
    }
  }

  #end(): void {
    try {
      this.#statement('COMMIT').run()
    } catch (error) {
      // A full disk or a failed fsync at COMMIT leaves open what happened: the batch is run again by its keys.
      throw new CommitUnknown((error as Error).message)
    }
  }

  #rollback(): void {
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
  }

  #write({ table, mode, rows, sets }: Write): void {
    const version = mode === 'versioned' ? versionAt(table) : 0
    const kind = mode === 'versioned' && rows.every((row) => row[version] === 1) ? 'create' : mode
    let changed = 0
    let from = 0
    for (const size of CHUNK_SIZES) {
      while (rows.length - from >= size) {
        const statement = this.#statement(writeStatementCached({ table, mode: kind, sets }, size))
        changed += Number(statement.run(...cellsOf(rows, from, from + size)).changes)
        from += size
      }
    }
    if (changed !== rows.length) {
      throw new Conflict(
        `${table.schema}.${table.name}: ${rows.length - changed} of ${rows.length} rows were changed by another`,
      )
    }
  }

  #position(topic: string, partition: number, sequence: number): number {
    // Another handle on the file may have declared it since.
    if (!this.#topicNumbers.has(topic)) this.#readTopicNumbers()
    // A handle that only reads has not migrated.
    if (!this.#topicNumbers.has(topic)) this.#readTopicNumbers()
    const number = this.#topicNumbers.get(topic)
    if (number === undefined) throw new Error(`The topic ${topic} was never declared in this database.`)
    return (number * PARTITIONS_A_TOPIC + partition) * RECORDS_A_PARTITION + sequence
  }

  async heads(source: string): Promise<readonly Head[]> {
    const rows = this.#all(
      `SELECT topic, partition, generation, incarnation, first, next, appended_at, made
       FROM ${sqliteName(source, 'heads')}`,
    )
    return rows.map(([topic, partition, generation, incarnation, first, next, appendedAt, made]) => {
      return { source, topic, partition, generation, incarnation, first, next, appendedAt, made } as Head
    })
  }

  async readLog(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]> {
    const sql = `SELECT ${LOG_COLUMNS} FROM ${sqliteName(source, 'log')}
      WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?`
    return ranges.flatMap(({ topic, partition, from }) => {
      const start = this.#position(topic, partition, from)
      const end = this.#position(topic, partition, RECORDS_A_PARTITION - 1)
      return this.#all(sql, [start, end, limitRows]).map(logRow)
    })
  }

  async readTransactions(source: string, transactions: readonly number[]): Promise<readonly TransactionRow[]> {
    const sql = `SELECT ${LOG_COLUMNS}, transaction_id FROM ${sqliteName(source, 'log')}
      WHERE transaction_id IN (SELECT value FROM json_each(?)) ORDER BY position`
    return this.#all(sql, [JSON.stringify(transactions)]).map((row) => {
      return { ...logRow(row), transaction: Number(row.at(-1)) }
    })
  }

  async trimLog(source: string, trim: LogTrim): Promise<Trimmed> {
    return this.#atOnce(() => trimRows(this.#logged, source, trim))
  }

  async query<Result>(sql: string, values: readonly Cell[] = []): Promise<readonly Result[]> {
    return this.#run(() => {
      this.#statements += 1
      return this.#reading(sql).all(...values) as unknown as readonly Result[]
    })
  }

  async identity(schema: string): Promise<LogIdentity> {
    const [row] = this.#all('SELECT log_id, incarnation FROM lonja_schemas WHERE name = ?', [schema])
    if (row === undefined) throw new Error(`The database has no schema ${schema}.`)
    return { logId: String(row[0]), incarnation: Number(row[1]) }
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close()
  }

  #all(sql: string, values: readonly Cell[] = []): readonly Row[] {
    return this.#run(() => this.#statement(sql).all(...values) as unknown as readonly Row[])
  }

  #run<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw asStoreError(error)
    }
  }

  /** Reads are written by many hands, so those that were prepared are forgotten when they become too many. */
  #reading(sql: string): StatementSync {
    let statement = this.#readers.get(sql)
    if (statement === undefined) {
      if (this.#readers.size >= MAX_READERS) this.#readers.clear()
      statement = this.#database.prepare(sql)
      this.#readers.set(sql, statement)
    }
    return statement
  }

  /** Preparing anew each time made the whole saga 12 % slower. */
  #statement(sql: string): StatementSync {
    this.#statements += 1
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      statement.setReturnArrays(true)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}

const statementTexts = new WeakMap<Table, Map<string, string>>()

/** The cells of rows as one list, as long as it will be: with `flat`, or a list that grows, a commit took longer. */
function cellsOf(rows: readonly Row[], from: number, to: number): Cell[] {
  const cells = Array<Cell>((to - from) * (rows[from]?.length ?? 0))
  let at = 0
  for (let index = from; index < to; index += 1) {
    for (const cell of rows[index] ?? []) {
      cells[at] = cell
      at += 1
    }
  }
  return cells
}

function versionAt({ columns }: Table): number {
  return columns.findIndex(({ name }) => name === 'version')
}

function writeStatementCached(shape: WriteShape, size: number): string {
  const { table, mode, sets } = shape
  let texts = statementTexts.get(table)
  if (texts === undefined) statementTexts.set(table, (texts = new Map<string, string>()))
  const name = `${mode} ${size} ${sets === undefined ? '' : sets.join(' ')}`
  let text = texts.get(name)
  if (text === undefined) texts.set(name, (text = writeStatement(shape, size)))
  return text
}

function logRow([topic, partition, generation, incarnation, first, last, appendedAt, body]: Row): LogRow {
  return { topic, partition, generation, incarnation, first, last, appendedAt, body } as LogRow
}

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const SQLITE_FULL = 13
const SQLITE_IOERR = 10
const SQLITE_BUSY = 5
const SQLITE_CONSTRAINT = 19

function asStoreError(error: unknown): unknown {
  const code = (error as { readonly errcode?: number }).errcode
  if (code === undefined) return error
  const { message } = error as Error
  const primary = code & 0xff
  if (primary === SQLITE_CONSTRAINT) {
    return message.includes('UNIQUE') ? new Conflict(message) : new BadData(message)
  }
  if (primary === SQLITE_FULL)
    return new StoreUnavailable('The disk or the database file is full: make room, nothing was lost.')
  if (primary === SQLITE_IOERR || primary === SQLITE_BUSY) return new StoreUnavailable(message)
  return error
}
