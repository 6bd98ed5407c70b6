// What an error of PostgreSQL means for a batch: run it again, wait, or find out whose value it was.
import { BadData, CommitUnknown, Conflict, SchemaTooNew, SchemaTooOld, StoreUnavailable } from '../ports.ts'
import { CONFLICT_MARK, UNDECLARED_MARK } from './postgres-statements.ts'

/**
 * What pg sets on an error that the server sent.
 *
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
interface ServerError extends Error {
  readonly code?: string
  readonly severity?: string
}

/** SQLSTATE codes (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const CONFLICTS: ReadonlySet<string> = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '23505', // unique_violation
  '25P02', // in_failed_sql_transaction: an earlier statement of the batch said why
  '25P03', // idle_in_transaction_session_timeout: this process stood still, the store is well
  '25P04', // transaction_timeout
])
const BAD_DATA: ReadonlySet<string> = new Set(['22', '23', '54'])
/** Connection exceptions, insufficient resources, operator intervention, system errors. */
const UNAVAILABLE: ReadonlySet<string> = new Set(['08', '53', '57', '58'])
/** Read-only transaction and a function refused in recovery: both are a standby's words. */
const STANDBY: ReadonlySet<string> = new Set(['25006', '55000'])

const OURS = [BadData, CommitUnknown, Conflict, SchemaTooNew, SchemaTooOld, StoreUnavailable]

const DISK_FULL = '53100'
const CAST_FAILED = '22P02'
const SQLSTATE = /^[0-9A-Z]{5}$/

/** Codes of the operating system can look the same: a broken connection says EPIPE, which is no word of the server. */
export function sqlState(error: unknown): string | undefined {
  const { code, errno } = error as ServerError & { readonly errno?: unknown }
  return typeof code === 'string' && SQLSTATE.test(code) && errno === undefined ? code : undefined
}

/** The server process ended with this error; what it was doing is rolled back unless it was the COMMIT itself. */
export function endsTheSession(error: unknown): error is Error {
  const { severity } = error as ServerError
  return severity === 'FATAL' || severity === 'PANIC'
}

/** The error of a statement after which certainly nothing was committed. */
export function asStoreError(error: unknown): Error {
  const { message } = error as Error
  const code = sqlState(error)
  if (code === undefined) return asConnectionError(error as Error)
  if (code === CAST_FAILED && message.includes(CONFLICT_MARK)) return new Conflict(afterMark(message, CONFLICT_MARK))
  if (code === CAST_FAILED && message.includes(UNDECLARED_MARK)) return undeclared(message)
  if (CONFLICTS.has(code)) return new Conflict(`${message} (${code})`)
  if (code === DISK_FULL) return new StoreUnavailable('The disk of PostgreSQL is full: make room, nothing was lost.')
  if (STANDBY.has(code)) {
    return new StoreUnavailable(
      `PostgreSQL takes no writes here, as a standby does: connect to the primary (${message}).`,
    )
  }
  const kind = code.slice(0, 2)
  if (BAD_DATA.has(kind)) return new BadData(`${message} (${code})`)
  if (UNAVAILABLE.has(kind)) return new StoreUnavailable(`PostgreSQL can't go on: ${message} (${code}).`)
  return error as Error
}

function undeclared(message: string): Error {
  const heads = afterMark(message, UNDECLARED_MARK)
  return new Error(`The topic or partition ${heads} was never declared in this database.`)
}

/** What a guard said, out of PostgreSQL's words around it: `… "mark: sentence"`. */
function afterMark(message: string, mark: string): string {
  return message.slice(message.indexOf(mark) + mark.length + 2).replace(/"$/, '')
}

/** What pg and Node say of a connection: they have codes such as ECONNRESET, or none. */
function asConnectionError(error: Error): Error {
  if (OURS.some((known) => error instanceof known)) return error
  return new StoreUnavailable(`The connection to PostgreSQL broke: ${error.message}.`)
}

/**
 * What became of a burst whose last statement is COMMIT, from the first error in it. Any error that the server sent for
 * an earlier statement means a rollback, as the session goes on to a COMMIT that rolls back, or ends.
 */
export function commitError(error: unknown, atCommit: boolean): Error {
  const code = sqlState(error)
  if (code === undefined)
    return new CommitUnknown(`The connection broke before the answer to COMMIT: ${(error as Error).message}.`)
  if (atCommit && endsTheSession(error)) return new CommitUnknown(`The session ended at COMMIT: ${error.message}.`)
  return asStoreError(error)
}

/** Waits, and turns what fails into the store's own errors. */
export async function mapped<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw asStoreError(error)
  }
}
