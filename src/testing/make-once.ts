// Makes a folder in the user's cache once for all checkouts of this machine: what a tool downloads, or unpacks.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where what is fetched lies, so that it outlives checkouts. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lonja')
}

/**
 * Fills `folder` unless it is there. All is made beside it and moved there by a rename, so that nobody ever sees half
 * of it, and of two processes at once both go on.
 *
 * @throws what `make` throws.
 */
export async function makeOnce(folder: string, make: (partial: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return
  const partial = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}.partial`
  mkdirSync(partial, { recursive: true })
  try {
    await make(partial)
    renameSync(partial, folder)
  } catch (error) {
    // Another process may have been faster, and what it made is as good as ours.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}
