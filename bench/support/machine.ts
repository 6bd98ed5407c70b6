// Says on what a figure was measured: machine, versions, commit, and the load before.
import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type as systemType } from 'node:os'
import metadata from '../../package.json' with { type: 'json' }

export interface Machine {
  readonly cores: number
  readonly processor: string
  readonly memoryGigabytes: number
  readonly system: string
  readonly node: string
  readonly sqlite: string
  readonly postgres: string
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${systemType()} ${release()}`,
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? 'unknown',
    postgres: Object.values(metadata.optionalDependencies)[0] ?? 'unknown',
  }
}

/** The commit, and how many files differ from it: a figure of changed code belongs to no commit. */
export function describeCommit(): string {
  const commit = git('rev-parse', '--short', 'HEAD')
  const changed = git('status', '--porcelain')
    .split('\n')
    .filter((line) => line !== '').length
  if (commit === '') return 'unknown'
  return changed === 0 ? commit : `${commit} and ${changed} changed file${changed === 1 ? '' : 's'}`
}

function git(...args: readonly string[]): string {
  const { stdout, status } = spawnSync('git', [...args], { cwd: import.meta.dirname, encoding: 'utf8' })
  return status === 0 ? stdout.trimEnd() : ''
}

/** From statfs(2): what lies there is in memory, so no commit waits for a disk. */
const TMPFS = 0x01_02_19_94

export function machineLines({ cores, processor, memoryGigabytes, system, ...versions }: Machine, folder: string) {
  const disk = statfsSync(folder).type === TMPFS ? ' IN MEMORY, so commits cost nothing: set TMPDIR to a disk' : ''
  const { node, sqlite, postgres } = versions
  return [
    `machine   ${cores} cores, ${processor}, ${memoryGigabytes} GB, ${system}`,
    `versions  Node ${node}, SQLite ${sqlite}, PostgreSQL ${postgres}`,
    `commit    ${describeCommit()}`,
    `folder    ${folder}${disk}`,
    `load      ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')} before the run`,
  ]
}
