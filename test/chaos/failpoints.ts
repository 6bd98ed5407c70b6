// Places at a commit where the shipped process is struck by a signal; nothing of the product knows of them.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import pg from 'pg'

/**
 * - before commit: all that the transaction writes was sent, its COMMIT not.
 * - in flight: the COMMIT has left and nobody will read its answer; on SQLite, where a commit is one synchronous piece,
 *   the process is struck between BEGIN and COMMIT, right after a row of the log was written.
 * - after commit: it is on disk, and nobody was told.
 */
export const FAILPOINTS = ['before-commit', 'in-flight', 'after-commit'] as const
export type Failpoint = (typeof FAILPOINTS)[number]

/** A process that is struck here leaves a transaction open. */
export const OPEN_COMMITS: ReadonlySet<Failpoint> = new Set(['before-commit', 'in-flight'])

export interface Ambush {
  readonly at: Failpoint
  /** Counted from the moment when it is laid. */
  readonly nth: number
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

let ambush: Ambush | undefined
let left = 0

/** The next so many commits pass; then the process is struck, once. */
export function lay(given: Ambush): void {
  ambush = given
  left = given.nth
}

/** From now on every commit of this process passes the failpoints. */
export function watchCommits(): void {
  watchSqlite()
  watchPostgres()
}

function isDue(place: Failpoint): boolean {
  if (place !== ambush?.at) return false
  left -= 1
  return left <= 0
}

function strike(): void {
  const signal = ambush?.signal
  // One that was only stopped goes on later, and is left alone then.
  ambush = undefined
  if (signal !== undefined) process.kill(process.pid, signal)
}

function strikeAt(place: Failpoint): void {
  if (isDue(place)) strike()
}

const LOG_INSERT = /^INSERT INTO \w+_log\b/

function watchSqlite(): void {
  const { prepare, exec } = DatabaseSync.prototype
  const passing = <Outcome>(commit: () => Outcome): Outcome => {
    strikeAt('before-commit')
    const outcome = commit()
    strikeAt('after-commit')
    return outcome
  }
  // What makes the tables commits this way.
  DatabaseSync.prototype.exec = function execWatched(sql: string): void {
    if (sql === 'COMMIT') passing(() => exec.call(this, sql))
    else exec.call(this, sql)
  }
  DatabaseSync.prototype.prepare = function prepareWatched(sql: string): StatementSync {
    const statement = prepare.call(this, sql)
    const run = statement.run.bind(statement)
    if (sql === 'COMMIT') statement.run = () => passing(run)
    if (LOG_INSERT.test(sql)) {
      statement.run = (...values: unknown[]) => {
        const outcome = run(...(values as SQLInputValue[]))
        strikeAt('in-flight')
        return outcome
      }
    }
    return statement
  }
}

/** What the adapter calls; the socket is corked while a burst is gathered. */
interface Sending {
  query(query: { readonly text: string }): Promise<unknown>
  readonly connection: { readonly stream: { uncork(): void } }
}

function watchPostgres(): void {
  const prototype = pg.Client.prototype as unknown as Sending
  const query = prototype.query
  prototype.query = function queryWatched(this: Sending, asked, ...rest: readonly unknown[]) {
    const isCommit = asked.text === 'COMMIT'
    if (isCommit && isDue('before-commit')) {
      this.connection.stream.uncork()
      strike()
    }
    const answer = Reflect.apply(query, this, [asked, ...rest]) as Promise<unknown>
    if (isCommit && isDue('in-flight')) process.nextTick(strike)
    if (isCommit) void answer.then(() => strikeAt('after-commit'), ignored)
    return answer
  }
}

// The adapter itself looks at the error.
function ignored(): void {}
