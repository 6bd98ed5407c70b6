// The store on PostgreSQL: loads outside any transaction, then all writes and the COMMIT in one round trip.
import type {
  Cell,
  Clock,
  Head,
  Locks,
  LogIdentity,
  LogRange,
  LogRow,
  LogTrim,
  SchemaDeclaration,
  Store,
  Transaction,
  TransactionRow,
  Trimmed,
} from '../ports.ts'
import { systemClock } from '../system.ts'
import { commit, load, LockedTransaction } from './postgres-batch.ts'
import { ANSWER_WITHIN_MS, Connections, keyedSettings, readOnlySettings } from './postgres-connection.ts'
import type { Answer, Connection, Statement } from './postgres-connection.ts'
import { mapped } from './postgres-errors.ts'
import { migrate, renewIncarnations } from './postgres-schema.ts'
import type { IncarnationChange } from './postgres-schema.ts'
import { trimLog } from './postgres-trim.ts'
import { headsStatement, postgresName, readLogStatement, readTransactionsStatement } from './postgres-statements.ts'

export interface PostgresOptions {
  /** postgres://user:password@host:port/database: the server itself, not a pooler that shares sessions. */
  readonly url: string
  /** Stamps the start of an incarnation; waiting for the network goes by the machine's own. */
  readonly clock?: Clock
  /** Sessions for reading beside the one that writes. */
  readonly readers?: number
  /** How long a call waits for a database that can't be reached. */
  readonly connectWithinMs?: number
  /** How long a statement's answer may take before the session is given up. */
  readonly answerWithinMs?: number
  /** The database is another one or went back in time, and this log goes on under a new incarnation: raise an alarm. */
  readonly onIncarnation?: (change: IncarnationChange) => void
}

const READERS = 4
/** The writer, and batches that hold locks. */
const WRITERS = 4
const CONNECT_WITHIN_MS = 2000

/** @throws {StoreUnavailable} when the database can't be reached. */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  const store = new PostgresStore(options)
  try {
    await store.connect()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class PostgresStore implements Store {
  readonly dialect = 'postgres'
  readonly #options: PostgresOptions
  readonly #clock: Clock
  readonly #writers: Connections
  readonly #readers: Connections
  #writer: Connection | undefined
  #connecting: Promise<Connection> | undefined
  #statements = 0

  constructor(options: PostgresOptions) {
    this.#options = options
    const { url, clock = systemClock, readers = READERS } = options
    const { connectWithinMs = CONNECT_WITHIN_MS, answerWithinMs = ANSWER_WITHIN_MS } = options
    this.#clock = clock
    const onSent = (count: number): void => void (this.#statements += count)
    const shared = { url, connectWithinMs, answerWithinMs, onSent }
    this.#writers = new Connections({ ...shared, limit: WRITERS, settings: { ...keyedSettings, ...readOnlySettings } })
    this.#readers = new Connections({ ...shared, limit: readers, settings: readOnlySettings })
  }

  statements = (): number => this.#statements

  tableName(schema: string, table: string): string {
    return postgresName(schema, table)
  }

  /** The session of batches, opened anew where it broke. */
  async connect(): Promise<Connection> {
    if (this.#writer !== undefined && this.#writer.broken === undefined) return this.#writer
    this.#connecting ??= this.#reconnect().finally(() => (this.#connecting = undefined))
    return this.#connecting
  }

  async #reconnect(): Promise<Connection> {
    this.#writer?.release()
    this.#writer = undefined
    const connection = await this.#writers.acquireWith(async (connection) => {
      const changes = await mapped(renewIncarnations(connection, this.#clock.now()))
      for (const change of changes) this.#options.onIncarnation?.(change)
    })
    this.#writer = connection
    return connection
  }

  async migrate(schemas: readonly SchemaDeclaration[]): Promise<void> {
    const connection = await this.#writers.acquire()
    try {
      await mapped(migrate(connection, schemas))
    } finally {
      connection.release()
    }
  }

  async begin(locks: readonly Locks[] = []): Promise<Transaction> {
    if (locks.length > 0) return LockedTransaction.begin(await this.#writers.acquire(), locks)
    return {
      load: async (table, keys) => load(await this.connect(), table, keys),
      commit: async (plan) => commit(await this.connect(), plan, 'begins'),
      release: async () => undefined,
    }
  }

  async heads(source: string): Promise<readonly Head[]> {
    const { rows } = await this.#read({ text: headsStatement(source) })
    return rows.map(([topic, partition, generation, incarnation, first, next, appendedAt, made]) => {
      return { source, topic, partition, generation, incarnation, first, next, appendedAt, made } as Head
    })
  }

  async readLog(source: string, ranges: readonly LogRange[], limitRows: number): Promise<readonly LogRow[]> {
    const topics = ranges.map(({ topic }) => topic)
    const partitions = ranges.map(({ partition }) => partition)
    const starts = ranges.map(({ from }) => from)
    const { rows } = await this.#read({
      text: readLogStatement(source),
      values: [topics, partitions, starts, limitRows],
    })
    return rows.map(logRow)
  }

  async readTransactions(source: string, transactions: readonly number[]): Promise<readonly TransactionRow[]> {
    const { rows } = await this.#read({ text: readTransactionsStatement(source), values: [transactions] })
    return rows.map((row) => ({ ...logRow(row), transaction: Number(row.at(-1)) }))
  }

  /** On a session of its own, so that no batch waits for the deletion. */
  async trimLog(source: string, trim: LogTrim): Promise<Trimmed> {
    const connection = await this.#writers.acquire()
    try {
      return await trimLog(connection, source, trim)
    } finally {
      connection.release()
    }
  }

  /** Every `?` is a value, also one inside a literal: write such a literal as a value. */
  async query<Result>(sql: string, values: readonly Cell[] = []): Promise<readonly Result[]> {
    let at = 0
    const text = sql.replaceAll('?', () => `$${(at += 1)}`)
    const { fields, rows } = await mapped(this.#readers.read({ text, values }))
    return rows.map((row) => Object.fromEntries(fields.map(({ name }, at) => [name, row[at]])) as Result)
  }

  async identity(schema: string): Promise<LogIdentity> {
    const text = 'SELECT log_id, incarnation FROM lonja.schemas WHERE name = $1'
    const [row] = (await this.#read({ text, values: [schema] })).rows
    if (row === undefined) throw new Error(`The database has no schema ${schema}.`)
    return { logId: String(row[0]), incarnation: Number(row[1]) }
  }

  async close(): Promise<void> {
    await this.#connecting?.catch(() => undefined)
    this.#writer?.release()
    this.#writer = undefined
    await Promise.all([this.#writers.close(), this.#readers.close()])
  }

  #read(statement: Statement): Promise<Answer> {
    return mapped(this.#writers.read(statement))
  }
}

function logRow([
  topic,
  partition,
  generation,
  incarnation,
  first,
  last,
  appendedAt,
  body,
]: readonly unknown[]): LogRow {
  return { topic, partition, generation, incarnation, first, last, appendedAt, body } as LogRow
}
