// A disk that can be filled and emptied at will: a file system in memory, which only root on Linux may mount.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Room for PostgreSQL and some ten thousand orders; only what is written takes memory. */
const ROOMY_BYTES = 2 * 2 ** 30

const mounted = new Set<SmallDisk>()
// A mount must not outlive a run that is broken off.
process.on('exit', () => {
  for (const disk of mounted) disk.unmount()
})

export class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'lonja-disk-'))

  private constructor() {
    // PostgreSQL does not run as root, and must get in.
    chmodSync(this.folder, 0o755)
  }

  /** @throws with what the machine says where it does not allow it. */
  static mount(): SmallDisk {
    const disk = new SmallDisk()
    try {
      mount('-t', 'tmpfs', '-o', `size=${ROOMY_BYTES},mode=755`, 'lonja-chaos', disk.folder)
    } catch (error) {
      rmdirSync(disk.folder)
      throw error
    }
    mounted.add(disk)
    return disk
  }

  /** Leaves so much room beside what is written already, give or take a page. */
  leave(bytes: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.folder)
    const size = (blocks - bfree) * bsize + bytes
    mount('-o', `remount,size=${size}`, this.folder)
  }

  makeRoom(): void {
    mount('-o', `remount,size=${ROOMY_BYTES}`, this.folder)
  }

  /** Calling it twice does no harm. */
  unmount(): void {
    if (!mounted.delete(this)) return
    // Lazily: whoever still has a file open there loses it later.
    spawnSync('umount', ['-l', this.folder])
    rmdirSync(this.folder)
  }
}

function mount(...words: readonly string[]): void {
  const { status, error, stderr } = spawnSync('mount', words, { encoding: 'utf8' })
  if (status === 0) return
  throw new Error(`mount says: ${error?.message ?? stderr.trim()}`)
}
