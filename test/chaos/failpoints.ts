// Preloaded into the shipped process (`node --import failpoints.ts?at=…&nth=…`): kills it with SIGKILL at a commit.
// It counts only once SIGUSR2 has armed it, so that the load is on when it strikes; nothing of the product knows of it.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import pg from 'pg'

/**
 * - before commit: all that the transaction writes was sent, its COMMIT not.
 * - in flight: the COMMIT has left and nobody will read its answer; on SQLite, where a commit is one synchronous piece,
 *   the process dies between BEGIN and COMMIT, right after a row of the log was written.
 * - after commit: it is on disk, and nobody was told.
 */
export const FAILPOINTS = ['before-commit', 'in-flight', 'after-commit'] as const
export type Failpoint = (typeof FAILPOINTS)[number]

const { searchParams } = new URL(import.meta.url)
const chosen = searchParams.get('at')
let left = Number(searchParams.get('nth'))
let armed = false

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

function isDue(place: Failpoint): boolean {
  if (!armed || place !== chosen) return false
  left -= 1
  return left <= 0
}

function strikeAt(place: Failpoint): void {
  if (isDue(place)) die()
}

const LOG_INSERT = /^INSERT INTO \w+_log\b/

function watchSqlite(): void {
  const prepare = DatabaseSync.prototype.prepare
  DatabaseSync.prototype.prepare = function prepareWatched(sql: string): StatementSync {
    const statement = prepare.call(this, sql)
    const run = statement.run.bind(statement)
    if (sql === 'COMMIT') {
      statement.run = () => {
        strikeAt('before-commit')
        const outcome = run()
        strikeAt('after-commit')
        return outcome
      }
    }
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
      die()
    }
    const answer = Reflect.apply(query, this, [asked, ...rest]) as Promise<unknown>
    if (isCommit && isDue('in-flight')) process.nextTick(die)
    if (isCommit) void answer.then(() => strikeAt('after-commit'), ignored)
    return answer
  }
}

// The adapter itself looks at the error.
function ignored(): void {}

if (chosen !== null) {
  process.on('SIGUSR2', () => (armed = true))
  watchSqlite()
  watchPostgres()
}
