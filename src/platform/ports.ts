// The seams: the only interfaces of the platform that have several implementations.

/** Wall clock in UTC, and waiting by it. Virtual in tests and in the simulator. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls once after the delay; the returned function cancels it. */
  after(delayMs: number, call: () => void): () => void
}

export interface Random {
  /** Fills the array with random bytes. */
  fill(bytes: Uint8Array): void
  /** At least 0, below 1. */
  fraction(): number
}

/** What a column holds: text, an integer below 2^53, or nothing. */
export type Cell = string | number | null
export type Row = readonly Cell[]

export interface Column {
  readonly name: string
  readonly type: 'text' | 'integer'
  readonly nullable: boolean
}

/** A table of one service; its key columns come first. Text keys compare by bytes, so pages and locks sort alike. */
export interface Table {
  /** The service that owns it: a schema on PostgreSQL, a prefix on SQLite. */
  readonly schema: string
  readonly name: string
  readonly columns: readonly Column[]
  /** How many leading columns are the key. */
  readonly keyWidth: number
  readonly indexes: readonly (readonly string[])[]
  /** Rows are deleted here, so a versioned save must not bring one back. */
  readonly rowsGo?: true
  /** A row is little more than its key: SQLite keeps no second tree for the key. */
  readonly clustered?: true
}

/**
 * - versioned: the row's `version` column must be one above the stored one (1 for a new row), else a conflict.
 * - insert: the key must be new, else a conflict.
 * - upsert: whatever was there before; only for rows that a cursor fences.
 * - delete: the rows are keys and must all exist, else a conflict.
 */
export type WriteMode = 'versioned' | 'insert' | 'upsert' | 'delete'

export interface Write {
  readonly table: Table
  readonly mode: WriteMode
  /** Sorted by key in binary order: rows are locked in this order. */
  readonly rows: readonly Row[]
  /** What a row that exists gets; all columns where not said. Indexes of other columns are left alone. */
  readonly sets?: readonly string[]
}

/** One partition's share of a transaction: a batch of records, written as one row of the source's log. */
export interface Append {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** The number of partitions' era that the batch was computed for; another one in the head is a conflict. */
  readonly generation: number
  readonly incarnation: number
  /** The sequence that the first record must get, where somebody already acted on it; undefined: whatever is next. */
  readonly expected: number | undefined
  readonly count: number
  readonly body: string
}

/** A topic of one source gets more partitions. The plan that says so appends a barrier to each of the old ones. */
export interface Scaling {
  readonly source: string
  readonly topic: string
  /** The generation that ends; each head that the plan knows has to be of it. */
  readonly generation: number
  /** How many partitions there are, and will be. */
  readonly from: number
  readonly to: number
  /** That of the log, which new heads begin with. */
  readonly incarnation: number
}

export interface Plan {
  /** In the one lock order; heads and log rows come after all of them. */
  readonly writes: readonly Write[]
  readonly appends: readonly Append[]
  /** After the appends: their heads are of the next generation from here on, and new ones are there. */
  readonly scalings?: readonly Scaling[]
  /** Stamped on every log row; never falls within a partition. */
  readonly appendedAt: number
  /** Ties the log rows of one transaction together, for the story. */
  readonly transaction: number
}

/** Where one partition's next batch goes. */
export interface Head {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly generation: number
  readonly incarnation: number
  /** The lowest sequence that is kept: what was below it has been deleted, since nobody needs it any more. */
  readonly first: number
  readonly next: number
  readonly appendedAt: number
  /** The generation that the partition was made in: it has no barriers of those before. */
  readonly made: number
  /** Read over Kafka: where it ended in its own database, and when. `next` is then what has arrived. */
  readonly announced?: { readonly next: number; readonly asOf: number }
}

export interface LogRow {
  readonly topic: string
  readonly partition: number
  readonly generation: number
  readonly incarnation: number
  readonly first: number
  readonly last: number
  readonly appendedAt: number
  /** The records as JSON; empty where `record` holds the only one. */
  readonly body: string
  /** The row's only record, where whoever read it had to look into it already. */
  readonly record?: RowRecord
}

/** What a row says of a record beside where it lies. */
export interface RowRecord {
  readonly type: string
  readonly key: string
  readonly data: unknown
  readonly correlation: string
  readonly cause: string
  readonly traceparent: string | undefined
}

/** A log row and the number of the transaction that wrote it: numbers grow as a process commits. */
export interface TransactionRow extends LogRow {
  readonly transaction: number
}

export interface LogRange {
  readonly topic: string
  readonly partition: number
  /** The first sequence wanted; a row that straddles it is returned whole. */
  readonly from: number
}

/** The oldest rows of one partition's log, to be deleted: whole ones only, and those alone that fulfil all of it. */
export interface LogTrim {
  readonly topic: string
  readonly partition: number
  /** The one that `below` was found out for. */
  readonly incarnation: number
  /** A row with a record at or above it stays. */
  readonly below: number
  /** A row that was appended then or later stays. */
  readonly before: number
  readonly limitRows: number
}

/** What became of a partition's oldest rows. */
export interface Trimmed {
  readonly rows: number
  readonly records: number
}

/** Documents that a retried batch locks up front, in the one lock order. */
export interface Locks {
  readonly table: Table
  readonly keys: readonly Row[]
}

/** One batch against the store: loads, then one commit that ends it. */
export interface Transaction {
  /** The rows of these keys that exist, in any order. */
  load(table: Table, keys: readonly Row[]): Promise<readonly Row[]>
  /**
   * Writes everything or nothing, in one round trip, and returns the first sequence of each append.
   *
   * @throws {Conflict} somebody else wrote in between: load again and run the whole batch again.
   * @throws {CommitUnknown} the answer was lost: it may have happened or not.
   * @throws {StoreUnavailable} nothing happened, and the store can't be used now.
   * @throws {BadData} nothing happened: a value that the store refuses.
   */
  commit(plan: Plan): Promise<readonly number[]>
  /** Gives up; safe to call after a failed commit. */
  release(): Promise<void>
}

/** The identity of one service's log in this store. */
export interface LogIdentity {
  readonly logId: string
  readonly incarnation: number
}

/** Where groups read the log of a service: the database that keeps it, or Kafka. */
export interface Log {
  /** Its database is elsewhere: where it ends is known only as far as that has told. */
  readonly isElsewhere?: true
  heads(source: string): Promise<readonly Head[]>
  /** At most `limitRows` log rows of each range, in order. */
  readLog(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]>
  /** Where the incarnation that a partition has now began, where the log knows it without being searched. */
  beganAt?(source: string, place: Omit<LogRange, 'from'>): Promise<number | undefined>
}

/** A database. Nothing is kept open between calls, so a stopped process holds nothing that others wait for. */
export interface Store extends Log {
  readonly dialect: 'sqlite' | 'postgres'
  /** How many SQL statements were sent since the start. */
  readonly statements: () => number
  /** Makes what is missing. @throws {SchemaTooNew} {SchemaTooOld} */
  migrate(schemas: readonly SchemaDeclaration[]): Promise<void>
  /** Opens a batch; with locks, those rows that exist are held until its end. */
  begin(locks?: readonly Locks[]): Promise<Transaction>
  /** The log rows of these transactions. */
  readTransactions(source: string, transactions: readonly number[]): Promise<readonly TransactionRow[]>
  /**
   * Deletes the oldest rows of a partition and raises its head's `first` to what is left, in one transaction.
   *
   * @throws {Conflict} the head is of another incarnation, another process deletes here, or the log's oldest row is not
   * the one that the head says; nothing was deleted.
   */
  trimLog(source: string, trim: LogTrim): Promise<Trimmed>
  /** One SELECT outside any batch; `?` binds a value; tables are written by `tableName`. */
  query<Result>(sql: string, values?: readonly Cell[]): Promise<readonly Result[]>
  tableName(schema: string, table: string): string
  identity(schema: string): Promise<LogIdentity>
  close(): Promise<void>
}

/** What a service brings to a database: its tables and the partitions of the topics it appends to. */
export interface SchemaDeclaration {
  readonly schema: string
  /**
   * Grows with each change that a program of the version before can't work beside. New tables, new columns that may be
   * empty and new indexes are none: they are made where they are missing, and nobody who does not know them minds.
   */
  readonly version: number
  /** The oldest version whose rows the program still reads; any, where not said. */
  readonly oldest?: number
  readonly tables: readonly Table[]
  /** A topic is listed in the schema of each service that may append to it. */
  readonly topics: readonly { readonly name: string; readonly partitions: number }[]
  /** Tables that nobody reads any more: dropped where they exist. */
  readonly obsolete?: readonly Table[]
}

/** Somebody else wrote first. Never counts against a message. */
export class Conflict extends Error {
  override readonly name = 'Conflict'
}

/** The store can't be reached or is full; nothing was committed. */
export class StoreUnavailable extends Error {
  override readonly name: string = 'StoreUnavailable'
}

/** The store is there and refuses us, or its address is none: at start that is said instead of waited for. */
export class StoreRefused extends StoreUnavailable {
  override readonly name = 'StoreRefused'
}

/** The commit's answer was lost. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown'
}

/** A value that the store does not take; the batch is run again in small pieces to find whose it is. */
export class BadData extends Error {
  override readonly name = 'BadData'
}

/**
 * The new columns of a table that is there already.
 *
 * @param there the names of the columns that it has.
 * @throws where one may not be empty: the rows that exist have nothing to put into it.
 */
export function newColumns({ schema, name, columns }: Table, there: ReadonlySet<string>): readonly Column[] {
  const missing = columns.filter((column) => !there.has(column.name))
  const needed = missing.find(({ nullable }) => !nullable)
  if (needed === undefined) return missing
  throw new Error(
    `${schema}.${name} is there without ${needed.name}: a column that is added must be allowed to be empty.`,
  )
}

/** The database was written by a newer Lonja. */
export class SchemaTooNew extends Error {
  override readonly name = 'SchemaTooNew'
}

/** The database was written by a Lonja whose rows this one does not read. */
export class SchemaTooOld extends Error {
  override readonly name = 'SchemaTooOld'
}

/** @throws {SchemaTooNew} {SchemaTooOld} @param stored 0 where the database has no such schema yet. */
export function checkSchemaVersion({ schema, version, oldest = 1 }: SchemaDeclaration, stored: number): void {
  const holds = `The database holds version ${stored} of ${schema}`
  if (stored > version) throw new SchemaTooNew(`${holds}, this program knows ${version}: start the newer program.`)
  if (stored === 0 || stored >= oldest) return
  throw new SchemaTooOld(`${holds}, this program reads none before ${oldest}: start with an empty database.`)
}

/** Who works on what: the partitions that this process holds, and the wake-ups between processes of one database. */
export interface Membership {
  /** Joins; resolves when the first share of partitions is held (all of them, where nobody else is there). */
  start(): Promise<void>
  /**
   * The partitions that were taken over from a process that died, each told once. Where a membership can't tell,
   * nobody is taken to have died.
   */
  inherited?(): readonly { readonly partitions: number; readonly partition: number }[] | 'all'
  /** Whether this process works on the partition, of all topics that have this count of partitions. */
  holds(partitions: number, partition: number): boolean
  /** Whether the last look at the leases gave it to this process, whatever a clock says by now; else as `holds`. */
  leased?(partitions: number, partition: number): boolean
  /** Partitions of this many are shared out from now on too: some topic was scaled to it. */
  share?(partitions: number): Promise<void>
  /** Called after partitions came or went; what was kept in memory for them is void. */
  onChange(listener: () => void): void
  /** Tells the other processes that these services' logs, effects or timers have something new. Coalesced. */
  announce(sources: readonly string[]): void
  /** Another process announced, or the poll floor passed. */
  onAnnounced(listener: (sources: readonly string[] | 'all') => void): void
  /** Who is there, for `describe` and `/health`. */
  members(): Promise<
    readonly { readonly id: string; readonly partitions: readonly string[]; readonly expiresAt: number }[]
  >
  /** Leaves and gives its partitions back at once. */
  stop(): Promise<void>
}
