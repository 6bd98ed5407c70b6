// Connections to PostgreSQL: how each is set up, how statements leave in one burst, how a broken one is replaced.
import pg from 'pg'
import { StoreRefused, StoreUnavailable } from '../ports.ts'
import type { Cell } from '../ports.ts'
import { systemClock } from '../system.ts'
import { asStoreError, endsTheSession, sqlState } from './postgres-errors.ts'

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
}

/** Rows are arrays of cells; statements give no other type back. */
export type Answer = pg.QueryArrayResult<Cell[]>

/** No transaction, statement or snapshot lives longer: an open one slows all heads, a stopped one holds them. */
export const TRANSACTION_LIMIT_MS = 2000
/** Below the statement's limit, so that waiting for a lock ends as a conflict and not as a timeout. */
const LOCK_LIMIT_MS = 1000
/** The server looks this often whether the client of a running statement is still there. */
const CLIENT_CHECK_MS = 1000
const KEEPALIVE_IDLE_MS = 5000
const CONNECT_TRY_LIMIT_MS = 3000
const FIRST_RETRY_MS = 25
const LONGEST_RETRY_MS = 400
/** Texts above this number are sent unprepared: only a caller that builds SQL from values has so many. */
const PREPARED_LIMIT = 1000

/** Settings that a server may not know, or not take, are left out: some came with PostgreSQL 14 and 17. */
const sessionSettings: Readonly<Record<string, string>> = {
  statement_timeout: String(TRANSACTION_LIMIT_MS),
  lock_timeout: String(LOCK_LIMIT_MS),
  idle_in_transaction_session_timeout: String(TRANSACTION_LIMIT_MS),
  transaction_timeout: String(2 * TRANSACTION_LIMIT_MS),
  client_connection_check_interval: String(CLIENT_CHECK_MS),
  // Compiling a statement takes longer than running any of ours.
  jit: 'off',
}

/** Statements by key: a plan made while a table was small must not scan it once it has grown. */
export const keyedSettings: Readonly<Record<string, string>> = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  plan_cache_mode: 'force_generic_plan',
}

/** Without BEGIN READ WRITE nothing is written: were a BEGIN ever cancelled, what follows would commit row by row. */
export const readOnlySettings: Readonly<Record<string, string>> = { default_transaction_read_only: 'on' }

const settingsSql = `SELECT s.name, set_config(s.name, wanted.value, false)
  FROM unnest($1::text[], $2::text[]) AS wanted(name, value) JOIN pg_settings AS s ON s.name = wanted.name
  WHERE s.name <> 'client_connection_check_interval' OR version() LIKE '%linux%'`

/** A transaction that publishes must be on disk when it is answered, whatever the role or database is set to. */
const durableSql = `SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') = 'off'`

/** The types int8 and numeric: what sum() and count() give, too. */
const INTEGER_TYPES: ReadonlySet<number> = new Set([20, 1700])

/** Integers come as numbers, as from SQLite; one that a number can't hold is an error, never a rounded value. */
function parseInteger(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`The integer ${text} in the database is too large for a number.`)
  }
  return value
}

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid) => (INTEGER_TYPES.has(oid) ? parseInteger : pg.types.getTypeParser(oid)),
}

const names = new Map<string, string>()

/** One name a text in all sessions; pg prepares it in a session at its first use there. */
function nameOf(text: string): string | undefined {
  const known = names.get(text)
  if (known !== undefined || names.size >= PREPARED_LIMIT) return known
  const name = `lonja_${names.size}`
  names.set(text, name)
  return name
}

/** A newer program has added a column to a table of which all columns are read: what was prepared is of no use. */
function isOfOtherColumns(error: unknown): boolean {
  return sqlState(error) === '0A000' && (error as Error).message.includes('cached plan must not change result type')
}

let renewals = 0

/** Prepared anew, in every session, under another name. */
function renew(text: string): void {
  renewals += 1
  names.set(text, `lonja_${names.get(text)?.split('_')[1] ?? 0}_${renewals}`)
}

const prepared = new WeakMap<pg.PoolClient, Set<string>>()

/** What a session has prepared stays with it, whoever uses it next. */
function preparedOn(client: pg.PoolClient): Set<string> {
  let known = prepared.get(client)
  if (known === undefined) prepared.set(client, (known = new Set()))
  return known
}

interface NamedQuery {
  readonly name: string | undefined
  readonly text: string
  readonly values: readonly unknown[]
}

type SessionPlan = Pick<ConnectionPlan, 'onSent' | 'answerWithinMs'> & { readonly reused: boolean }

/** One session. Whatever is sent in one turn of the event loop leaves together and is answered in order. */
export class Connection {
  readonly #client: pg.PoolClient
  readonly #plan: SessionPlan
  readonly #prepared: Set<string>
  #preparing: Promise<unknown> | undefined
  #broken: Error | undefined

  constructor(client: pg.PoolClient, plan: SessionPlan) {
    this.#client = client
    this.#plan = plan
    this.#prepared = preparedOn(client)
    client.on('error', this.#breaks)
    client.on('end', this.#ends)
  }

  #breaks = (error: Error): void => {
    this.#broken ??= error
  }

  #ends = (): void => {
    this.#broken ??= new Error('the server ended it')
  }

  /** Why nothing can be sent any more. */
  get broken(): Error | undefined {
    return this.#broken
  }

  /** It broke, and had been used before: a new one may do better. */
  get wasStale(): boolean {
    return this.#broken !== undefined && this.#plan.reused
  }

  onNotification(listener: (payload: string) => void): void {
    this.#client.on('notification', ({ payload = '' }) => listener(payload))
  }

  async send(statement: Statement): Promise<Answer> {
    const [outcome] = await this.burst([statement])
    if (outcome?.status !== 'fulfilled') throw outcome?.reason ?? new Error('no answer')
    return outcome.value
  }

  /**
   * Sends all in one piece and waits for every answer. An error inside a transaction fails all that follows it.
   *
   * @throws {StoreUnavailable} or {Conflict} when the session ended before: nothing was sent.
   */
  async burst(statements: readonly Statement[]): Promise<PromiseSettledResult<Answer>[]> {
    const queries = statements.map(({ text, values = [] }) => ({ name: nameOf(text), text, values }))
    while (this.#preparing !== undefined) await this.#preparing
    if (queries.every(({ name }) => name === undefined || this.#prepared.has(name))) return this.#send(queries)
    // Preparing fails inside a transaction that failed. A second burst sent meanwhile would already count on it.
    const outcomes = this.#send(queries)
    this.#preparing = outcomes.then(
      () => (this.#preparing = undefined),
      () => (this.#preparing = undefined),
    )
    return outcomes
  }

  async #send(queries: readonly NamedQuery[]): Promise<PromiseSettledResult<Answer>[]> {
    if (this.#broken !== undefined) throw asStoreError(this.#broken)
    const { onSent, answerWithinMs } = this.#plan
    onSent(queries.length)
    const { stream } = streamOf(this.#client)
    const cancelLimit = endLater(this.#client, answerWithinMs)
    stream.cork()
    const answers = queries.map(({ name, text, values }) => {
      return this.#client.query<Cell[]>({ text, values: [...values], rowMode: 'array', ...(name && { name }) })
    })
    stream.uncork()
    const outcomes = await Promise.allSettled(answers)
    cancelLimit()
    for (const [at, outcome] of outcomes.entries()) this.#learn(queries[at]?.name, outcome)
    return outcomes
  }

  #learn(name: string | undefined, outcome: PromiseSettledResult<Answer>): void {
    if (outcome.status === 'rejected' && endsTheSession(outcome.reason)) this.#broken ??= outcome.reason
    if (outcome.status === 'fulfilled' && name !== undefined) this.#prepared.add(name)
  }

  release(): void {
    this.#client.off('error', this.#breaks)
    this.#client.off('end', this.#ends)
    this.#client.release(this.#broken)
  }
}

export interface ConnectionPlan {
  readonly url: string
  /** Connections opened at most. */
  readonly limit: number
  readonly settings: Readonly<Record<string, string>>
  /** How long a call waits for a database that can't be reached. */
  readonly connectWithinMs: number
  /** Longer than any statement may run: past it the network has swallowed the answer, and the session is given up. */
  readonly answerWithinMs: number
  readonly onSent: (count: number) => void
}

/** How long the server may take to answer. */
export const ANSWER_WITHIN_MS = 10_000

/** Opens sessions when they are needed and replaces those that broke. */
export class Connections {
  readonly #plan: ConnectionPlan
  readonly #pool: pg.Pool
  readonly #ready = new WeakSet<pg.PoolClient>()

  /** @throws {StoreUnavailable} when the address can't be understood. */
  constructor(plan: ConnectionPlan) {
    this.#plan = plan
    placeOf(plan.url)
    this.#pool = new pg.Pool({
      connectionString: plan.url,
      application_name: 'lonja',
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_IDLE_MS,
      connectionTimeoutMillis: CONNECT_TRY_LIMIT_MS,
      idleTimeoutMillis: 0,
      max: plan.limit,
      types,
    })
    // An idle session that ends is replaced at the next use; nobody waits for it.
    this.#pool.on('error', () => undefined)
  }

  /** @throws {StoreUnavailable} when there is none in time; {StoreRefused} when there will be none. */
  async acquire(): Promise<Connection> {
    const { url, connectWithinMs } = this.#plan
    const end = systemClock.now() + connectWithinMs
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)) {
      try {
        return await this.#session()
      } catch (error) {
        if (isHopeless(error)) throw refused(url, error as Error)
        if (systemClock.now() + waitMs > end) throw unreachable(url, error as Error)
      }
      await new Promise<void>((resolve) => void systemClock.after(waitMs, resolve))
    }
  }

  async #session(): Promise<Connection> {
    const client = await this.#pool.connect()
    if (this.#ready.has(client)) return new Connection(client, { ...this.#plan, reused: true })
    try {
      await setUp(client, { ...sessionSettings, ...this.#plan.settings }, this.#plan.answerWithinMs)
    } catch (error) {
      client.release(true)
      throw error
    }
    this.#ready.add(client)
    return new Connection(client, { ...this.#plan, reused: false })
  }

  /** A session on which the first work, which must be harmless to repeat, succeeded. */
  async acquireWith(work: (connection: Connection) => Promise<void>): Promise<Connection> {
    for (;;) {
      const connection = await this.acquire()
      try {
        await work(connection)
        return connection
      } catch (error) {
        connection.release()
        // It had ended while it lay idle, which nobody noticed yet. There are at most as many as the limit.
        if (!connection.wasStale) throw error
      }
    }
  }

  /** Sends one reading statement on whichever session is free. */
  async read(statement: Statement): Promise<Answer> {
    let answer: Answer | undefined
    const connection = await this.acquireWith(async (connection) => {
      answer = await connection.send(statement).catch((error: unknown) => {
        if (!isOfOtherColumns(error)) throw error
        renew(statement.text)
        return connection.send(statement)
      })
    })
    connection.release()
    return answer as Answer
  }

  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end()
  }
}

/** Under the limit of every answer: a network that went away just behind the handshake held its caller for good. */
async function setUp(
  client: pg.PoolClient,
  settings: Readonly<Record<string, string>>,
  answerWithinMs: number,
): Promise<void> {
  const cancelLimit = endLater(client, answerWithinMs)
  const values = [Object.keys(settings), Object.values(settings)]
  // What its queries fail by is said once more as an event, which ends the process where nobody listens.
  client.on('error', nothing)
  try {
    await Promise.all([client.query(settingsSql, values), client.query(durableSql)])
  } finally {
    client.off('error', nothing)
    cancelLimit()
  }
}

function nothing(): void {}

/** Ends the session unless it is cancelled before: the driver itself waits for an answer without end. */
function endLater(client: pg.PoolClient, afterMs: number): () => void {
  const { stream } = streamOf(client)
  return systemClock.after(afterMs, () => stream.destroy(new Error('no answer in time')))
}

function streamOf(client: pg.PoolClient): pg.Connection {
  return (client as unknown as { readonly connection: pg.Connection }).connection
}

/** A wrong password or database does not mend itself while one waits. */
function isHopeless(error: unknown): boolean {
  const state = sqlState(error)
  return state !== undefined && (state.startsWith('28') || state.startsWith('3D'))
}

function unreachable(url: string, error: Error): StoreUnavailable {
  // Node gathers the failures of several addresses in an error without words of its own.
  const reason = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message
  return new StoreUnavailable(
    `PostgreSQL at ${placeOf(url)} can't be reached: ${reason}. Is it running, and is the address right?`,
  )
}

function refused(url: string, { message }: Error): StoreRefused {
  return new StoreRefused(
    `PostgreSQL at ${placeOf(url)} refuses: ${message}. Mend user, password or database in --store or STORE_URL.`,
  )
}

/**
 * Host, port and database for a sentence; never the password.
 *
 * @throws {StoreRefused} when the address has another form; its own error would hold the whole address.
 */
function placeOf(url: string): string {
  if (!URL.canParse(url) || !/^postgres(?:ql)?:\/\//.test(url)) {
    throw new StoreRefused('The address of PostgreSQL is none: write postgres://user:password@host:port/database.')
  }
  const { hostname, port, pathname } = new URL(url)
  return `${decodeURIComponent(hostname) || 'localhost'}:${port || '5432'}${pathname}`
}
