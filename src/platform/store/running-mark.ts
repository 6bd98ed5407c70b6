// A file beside a SQLite database that is there while a server runs: one that is found at a start tells of a death.
import { existsSync, rmSync, writeFileSync } from 'node:fs'

export interface RunningMark {
  /** Whether the server before this one never came to its end in order. */
  readonly hasDied: boolean
  /** The server stops in order. */
  readonly clear: () => void
}

/**
 * Call it once the database is locked: then whoever made the mark that is found is dead. A power cut may take the mark
 * along; such a death is then not counted, which costs nothing but one more.
 */
export function markRunning(path: string): RunningMark {
  const file = `${path}.running`
  const hasDied = existsSync(file)
  writeFileSync(file, '')
  return { hasDied, clear: () => rmSync(file, { force: true }) }
}
