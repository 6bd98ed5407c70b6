// Copies a SQLite database beside its running server, and puts a copy back as the shop's database.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync, backup } from 'node:sqlite'
import { lockSqlite } from './sqlite-lock.ts'

/** What can't be copied or put back, in a sentence for the person who asked. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** Pages a step: between steps the server writes on. */
const PAGES_A_STEP = 1000

/**
 * Copies the database as it is at one moment, checks the copy, and only then gives it its name.
 *
 * @param progress told the pages copied and the pages in all.
 * @throws {BackupError}
 */
export async function backupSqlite(
  path: string,
  file: string,
  progress: (copied: number, total: number) => void,
): Promise<void> {
  if (!existsSync(path)) throw new BackupError(`There is no database at ${path}: say which with --store.`)
  if (existsSync(file)) throw new BackupError(`${file} exists already: choose another name, or move it away.`)
  const partial = `${file}.partial`
  rmSync(partial, { force: true })
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    await backup(source, partial, {
      rate: PAGES_A_STEP,
      progress: ({ totalPages, remainingPages }) => progress(totalPages - remainingPages, totalPages),
    })
    requireIntact(partial)
    renameSync(partial, file)
  } finally {
    source.close()
    for (const end of ['', '-wal', '-shm']) rmSync(`${partial}${end}`, { force: true })
  }
}

/**
 * Makes a backup the database again. Its logs go on under the next incarnation at their present heads: who read
 * further in the lost database must not take the new records under old numbers for duplicates (a source that went back).
 *
 * @throws {BackupError}; {StoreInUse} when a server has the database.
 */
export async function restoreSqlite(file: string, path: string, { force }: { readonly force: boolean }): Promise<void> {
  if (!existsSync(file)) throw new BackupError(`There is no backup ${file}: check its name.`)
  const unlock = lockSqlite(path)
  try {
    if (existsSync(path) && !force) {
      throw new BackupError(`${path} exists already: move it away, or say --force to replace it.`)
    }
    requireIntact(file)
    const partial = `${path}.partial`
    rmSync(partial, { force: true })
    const source = new DatabaseSync(file, { readOnly: true })
    await backup(source, partial).finally(() => source.close())
    beginNextIncarnation(partial)
    // The log of the replaced database would be played into the new one.
    for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
    renameSync(partial, path)
  } finally {
    unlock()
  }
}

/** @throws {BackupError} when the file is no database of Lonja, or is damaged. */
function requireIntact(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const [row] = database.prepare('PRAGMA integrity_check').all()
    if (row?.['integrity_check'] !== 'ok')
      throw new BackupError(`${file} is damaged: ${String(row?.['integrity_check'])}.`)
    database.prepare('SELECT count(*) FROM lonja_schemas').get()
  } catch (error) {
    if (error instanceof BackupError) throw error
    throw new BackupError(`${file} is no database of Lonja: ${(error as Error).message}.`)
  } finally {
    database.close()
  }
}

function beginNextIncarnation(file: string): void {
  const database = new DatabaseSync(file)
  try {
    database.exec('BEGIN')
    const names = database.prepare('SELECT name FROM lonja_schemas').all()
    const schemas = names.map(({ name }) => String(name)).filter((name) => hasTable(database, `${name}_heads`))
    for (const schema of schemas) moveOwnCursors(database, schema, schemas)
    for (const schema of schemas) database.exec(`UPDATE ${schema}_heads SET incarnation = incarnation + 1`)
    database.exec('UPDATE lonja_schemas SET incarnation = incarnation + 1')
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}

/** Groups in the same backup have lost nothing: those that stood at a head go on under its new incarnation quietly. */
function moveOwnCursors(database: DatabaseSync, schema: string, sources: readonly string[]): void {
  if (!hasTable(database, `${schema}_cursors`)) return
  for (const source of sources) {
    database
      .prepare(
        `UPDATE ${schema}_cursors AS c SET incarnation = incarnation + 1 WHERE source = ? AND next >=
         (SELECT next FROM ${source}_heads AS h WHERE h.topic = c.topic AND h.partition = c.partition)`,
      )
      .run(source)
  }
}

function hasTable(database: DatabaseSync, name: string): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
}
