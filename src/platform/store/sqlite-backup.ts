// Copies a SQLite database beside its running server, and puts a copy back as the shop's database.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { lockSqlite } from './sqlite-lock.ts'
import { sealOf } from './sqlite-seal.ts'
import { incarnationsIn, startIncarnation } from './sqlite-incarnation.ts'

/** What can't be copied or put back, in a sentence for the person who asked. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** Pages a step: 8 MB, so that the progress moves. */
const PAGES_A_STEP = 1000
const BUSY_TIMEOUT_MS = 5000
const SIDE_FILES = ['-wal', '-shm', '-journal']

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
  await said(`${path} can't be copied to ${file}`, async () => {
    requireLonja(path)
    mkdirSync(dirname(file), { recursive: true })
    await intoPlace(file, async (partial) => {
      await copy(path, partial, progress)
      seal(partial)
    })
  })
}

/** What a restore did. */
export interface Restored {
  /** The incarnation under which the logs go on. */
  readonly incarnation: number
  /** Where the database that was replaced lies now. */
  readonly replaced: string | undefined
}

/**
 * Makes a backup the database again; what it replaces is moved aside. Its logs go on under a new incarnation at their
 * present heads: who read further in the lost database must not take the new records under old numbers for duplicates.
 *
 * @param now milliseconds since the epoch
 * @throws {BackupError}; {StoreInUse} when a server has the database.
 */
export async function restoreSqlite(
  file: string,
  path: string,
  { force, now = Date.now() }: { readonly force: boolean; readonly now?: number },
): Promise<Restored> {
  if (!existsSync(file)) throw new BackupError(`There is no backup ${file}: check its name.`)
  const unlock = lockSqlite(path)
  try {
    const seal = sealOf(path)
    if (seal !== undefined) {
      throw new BackupError(
        `The shop in ${path} lives in ${seal.other} now: a backup in its place would be a second shop with the same ` +
          'past. Where that is what you want, move the file away first.',
      )
    }
    if (existsSync(path) && !force) {
      throw new BackupError(`${path} exists already: move it away, or say --force to replace it.`)
    }
    return await said(`${file} can't be put back as ${path}`, () => restore(file, path, now))
  } finally {
    unlock()
  }
}

async function restore(file: string, path: string, now: number): Promise<Restored> {
  requireLonja(file)
  const lost = existsSync(path) ? incarnationsIn(path) : []
  const replaced = existsSync(path) ? freeName(`${path}.replaced`) : undefined
  let incarnation = 0
  await intoPlace(path, async (partial) => {
    await copy(file, partial, () => undefined)
    seal(partial)
    incarnation = startIncarnation(partial, { lost, now })
    if (replaced !== undefined) moveAside(path, replaced)
  })
  return { incarnation, replaced }
}

/**
 * One read transaction over all steps keeps to one moment. Without it every write of the server starts the copy over:
 * beside a busy one it never ended. The server writes on; its log grows until the copy is done.
 */
async function copy(from: string, to: string, progress: (copied: number, total: number) => void): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    source.exec('BEGIN')
    source.prepare('SELECT count(*) FROM sqlite_schema').get()
    await backup(source, to, {
      rate: PAGES_A_STEP,
      progress: ({ totalPages, remainingPages }) => progress(totalPages - remainingPages, totalPages),
    })
  } finally {
    source.close()
  }
}

/** Makes the copy one file without a log beside it, and checks each of its pages. @throws {BackupError} */
function seal(file: string): void {
  const database = new DatabaseSync(file)
  try {
    database.exec('PRAGMA journal_mode = DELETE')
    const found = database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check']
    if (found !== 'ok') throw new BackupError(`The database is damaged: ${String(found)}.`)
  } finally {
    database.close()
  }
}

/** @throws {BackupError} when the file is no database of Lonja. */
function requireLonja(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    database.prepare('SELECT count(*) FROM lonja_schemas').get()
  } catch (error) {
    throw new BackupError(`${file} is no database of Lonja: ${(error as Error).message}.`)
  } finally {
    database.close()
  }
}

/** Works on a file beside, which gets its name only when it is whole and on the disk. */
async function intoPlace(path: string, work: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${path}.partial`
  const clear = (): void => ['', ...SIDE_FILES].forEach((end) => rmSync(partial + end, { force: true }))
  clear()
  try {
    await work(partial)
    sync(partial)
    renameSync(partial, path)
    sync(dirname(path))
  } finally {
    clear()
  }
}

/** With its log, which may hold its last commits; the other side files say nothing without their server. */
function moveAside(path: string, aside: string): void {
  if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${aside}-wal`)
  renameSync(path, aside)
  for (const end of SIDE_FILES) rmSync(path + end, { force: true })
}

function freeName(wanted: string): string {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`
    if (!existsSync(name)) return name
  }
}

/** A name or a page that is not on the disk is gone with the next power cut. */
function sync(path: string): void {
  const opened = openSync(path, 'r')
  try {
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
}

async function said<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BackupError) throw error
    throw new BackupError(`${what}: ${(error as Error).message}. Nothing was changed.`)
  }
}
