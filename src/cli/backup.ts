// The commands `lonja backup` and `lonja restore`: an online copy of the SQLite database, and putting one back.
import { backupSqlite, restoreSqlite, BackupError } from '../platform/store/sqlite-backup.ts'
import { StoreInUse } from '../platform/store/sqlite-lock.ts'
import type { Call } from './command.ts'
import { CommandError, EXIT, isSet, onlyWord } from './command.ts'

/** Copies the database beside the running server. */
export async function backup(call: Call): Promise<number> {
  const { terminal } = call
  const file = onlyWord(call, 'FILE')
  const path = sqlitePath(call)
  await said(() => backupSqlite(path, file, (copied, total) => terminal.progress(`${copied} of ${total} pages copied`)))
  terminal.endProgress()
  if (isSet(call, 'json')) terminal.json({ database: path, backup: file })
  else terminal.line(`${path} was copied to ${file}, and the copy is intact.`)
  return EXIT.ok
}

/** Makes a backup the database again; no server may be running. */
export async function restore(call: Call): Promise<number> {
  const { terminal } = call
  const file = onlyWord(call, 'FILE')
  const path = sqlitePath(call)
  const { incarnation, replaced } = await said(() => restoreSqlite(file, path, { force: isSet(call, 'force') }))
  if (isSet(call, 'json')) {
    terminal.json({ database: path, backup: file, incarnation, replaced: replaced ?? null })
    return EXIT.ok
  }
  terminal.line(`${path} is ${file} again; its logs go on under incarnation ${incarnation}.`)
  if (replaced !== undefined) terminal.line(`What was there before is kept as ${replaced}: remove it when all is well.`)
  return EXIT.ok
}

function sqlitePath({ settings: { store } }: Call): string {
  if (store.kind === 'sqlite' && store.path !== ':memory:') return store.path
  throw new CommandError('Only a SQLite file can be copied so; for PostgreSQL see docs/guides/back-up-and-restore.md.')
}

async function said<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const isSaid = error instanceof BackupError || error instanceof StoreInUse
    throw isSaid ? new CommandError(error.message) : error
  }
}
