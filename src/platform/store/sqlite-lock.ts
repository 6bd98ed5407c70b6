// Keeps a second server off a SQLite file: a lock of the operating system, which a kill -9 releases as well.
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** Another server works on the file; the message says what to do. */
export class StoreInUse extends Error {
  override readonly name = 'StoreInUse'
}

/**
 * Makes the folder and locks `<path>.lock`, an empty database beside the file, for as long as the process lives. The
 * database itself can't be locked, since reading tools work beside the server; a file with a process id would outlive
 * a kill -9.
 *
 * @returns what gives the lock back.
 * @throws {StoreInUse} when another server has it.
 */
export function lockSqlite(path: string): () => void {
  const lockPath = `${path}.lock`
  makeFolder(path)
  const database = openLock(path, lockPath)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const code = (error as { readonly errcode?: number }).errcode ?? 0
    if ((code & 0xff) === SQLITE_BUSY || (code & 0xff) === SQLITE_LOCKED) throw inUse(path, lockPath)
    throw error
  }
  return () => {
    if (database.isOpen) database.close()
  }
}

function makeFolder(path: string): void {
  const folder = dirname(path)
  try {
    // Not `recursive`: below /proc Node 24 then tries for ever.
    for (const missing of missingFolders(folder)) mkdirSync(missing)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`The folder ${folder} for the database can't be made: ${message}. Name another one with --store.`, {
      cause: error,
    })
  }
}

function missingFolders(folder: string): readonly string[] {
  return existsSync(folder) ? [] : [...missingFolders(dirname(folder)), folder]
}

function openLock(path: string, lockPath: string): DatabaseSync {
  try {
    return new DatabaseSync(lockPath, { timeout: 0 })
  } catch (error) {
    throw new Error(`The lock ${lockPath} of the database ${path} can't be opened: ${(error as Error).message}.`, {
      cause: error,
    })
  }
}

function inUse(path: string, lockPath: string): StoreInUse {
  return new StoreInUse(
    `Another Lonja works on ${path} (it holds ${lockPath}). Stop it, or name another file with --store sqlite:PATH.`,
  )
}
