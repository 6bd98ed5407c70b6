// Reads, without opening a store, whether the shop in a SQLite file has left it for another database.
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

export interface Seal {
  /** Of the copy. */
  readonly id: string
  /** Where the shop lives now. */
  readonly other: string
}

const BUSY_TIMEOUT_MS = 5000

/** Undefined where the file has no seal, or is no database that could have one. */
export function sealOf(path: string): Seal | undefined {
  if (!existsSync(path)) return undefined
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    const row = database.prepare("SELECT id, other FROM lonja_moves WHERE state = 'left'").get()
    return row === undefined ? undefined : { id: String(row['id']), other: String(row['other']) }
  } catch {
    return undefined
  } finally {
    database?.close()
  }
}
