// The command `lonja copy`: moves an embedded installation to PostgreSQL, and seals the file that it came from.
import { servicesWith } from '../app.ts'
import { CopyError } from '../platform/copy/moves.ts'
import { copyDatabase, type CopyReport } from '../platform/copy/copy-database.ts'
import { buildRegistry } from '../platform/runtime/registry.ts'
import type { Settings } from '../platform/settings.ts'
import { storeAddress, Unfit } from '../platform/settings/parsers.ts'
import { IN_MEMORY } from '../platform/store/open-databases.ts'
import { StoreInUse } from '../platform/store/sqlite-lock.ts'
import { systemClock } from '../platform/system.ts'
import type { Call } from './command.ts'
import { CommandError, EXIT, isSet, noWords, textFlag, UsageError } from './command.ts'
import { tableOf, type Terminal } from './terminal.ts'
import { leaveSoon, untilStopped } from './until-stopped.ts'

export async function copy(call: Call): Promise<number> {
  noWords(call)
  const { settings, terminal } = call
  const addresses = { from: sourceOf(call), to: targetOf(call) }
  const { signal } = untilStopped()
  const startedAt = performance.now()
  const report = await said(() =>
    copyDatabase({
      ...addresses,
      registry: buildRegistry(servicesWith(settings)),
      clock: systemClock,
      signal,
      progress: (text) => terminal.progress(text),
    }),
  )
  terminal.endProgress()
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  if (isSet(call, 'json')) terminal.json({ ...report, rows: rowsOf(report), seconds })
  else tell(report, { terminal, settings, seconds })
  leaveSoon(EXIT.ok)
  return EXIT.ok
}

/** @throws {UsageError} */
function sourceOf(call: Call): string {
  const text = textFlag(call, 'from')
  if (text === undefined) throw new UsageError('--from sqlite:PATH is missing.')
  const address = addressOf('from', text)
  if (address.kind === 'sqlite' && address.path !== IN_MEMORY) return address.path
  throw new UsageError('--from names a SQLite file, such as sqlite:var/lonja.sqlite: only from there a shop is moved.')
}

/** From the setting where no flag names it: a password on the command line can be read by others on the machine. */
function targetOf(call: Call): string {
  const text = textFlag(call, 'to')
  const address = text === undefined ? call.settings.store : addressOf('to', text)
  if (address.kind === 'postgres') return address.url
  throw new UsageError('--to postgres://user:password@host:5432/database is missing (or STORE_URL, with the same).')
}

function addressOf(flag: string, text: string) {
  try {
    return storeAddress(text)
  } catch (error) {
    // Its text is not repeated: it may hold a password.
    if (error instanceof Unfit) throw new UsageError(`--${flag} can't be read: ${error.message}.`)
    throw error
  }
}

async function said<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof CopyError || error instanceof StoreInUse ? new CommandError(error.message) : error
  }
}

function rowsOf({ tables }: CopyReport): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0)
}

interface Telling {
  readonly terminal: Terminal
  readonly settings: Settings
  readonly seconds: number
}

function tell(report: CopyReport, { terminal, settings, seconds }: Telling): void {
  const { from, to, copied, tables } = report
  if (copied) {
    const filled = tables.filter(({ rows }) => rows > 0)
    const lines = filled.map(({ table, rows }) => [table, rows.toLocaleString('en')])
    for (const line of tableOf([['Table', 'Rows, the same on both sides'], ...lines])) terminal.line(line)
    const rows = rowsOf(report).toLocaleString('en')
    terminal.line(`${rows} rows of ${filled.length} tables were copied and compared in ${seconds} s.`)
  } else terminal.line('All rows were copied by an earlier run.')
  terminal.line(`The shop lives in ${to} now; ${from} is sealed, and no server starts on it any more.`)
  const isArchived = tables.some(({ table, rows }) => table.endsWith('.archived_letters') && rows > 0)
  if (isArchived && settings.deadLetterFolder === undefined) {
    terminal.line(`Dead letters that went to files stay beside ${from}: name their folder with --dead-letter-folder.`)
  }
}
