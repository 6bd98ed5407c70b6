// A file of archived dead letters: a line of JSON each, compressed, and on the disk before anything else happens.
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterHeaders } from './dead-letter-headers.ts'

const compress = promisify(gzip)
/** The records may hold personal data: they are for the owner of the process alone. */
const OWNER_ONLY = 0o600

/** All that a dead letter carries; `record` is the stored text, byte for byte: key, value and the record's headers. */
export function archivedLine(service: string, letter: DeadLetter, archivedAt: number): string {
  return JSON.stringify({ service, ...letter, headers: deadLetterHeaders(letter), archivedAt })
}

export class ArchiveFile {
  readonly path: string
  readonly #file: FileHandle

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** Makes a file that was not there before, and its folder. */
  static async create(folder: string, name: string): Promise<ArchiveFile> {
    await mkdir(folder, { recursive: true })
    const path = join(folder, name)
    const file = await open(path, 'ax', OWNER_ONLY)
    await syncFolder(folder)
    return new ArchiveFile(path, file)
  }

  /**
   * Resolves when the lines will survive a power cut. Each call is a gzip member of its own (RFC 1952, 2.2): where a
   * crash tears the last one, `zcat` still shows all before it.
   */
  async append(lines: readonly string[]): Promise<void> {
    await this.#file.writeFile(await compress(`${lines.join('\n')}\n`))
    await this.#file.sync()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** The file's name is on the disk with its folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
