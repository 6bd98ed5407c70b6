// Histories on several cores: each worker process has its own database and every so-many-th seed.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Options } from './options.ts'
import type { Tally } from './series.ts'
import { addTally, newTally } from './series.ts'

const PROGRAM = fileURLToPath(new URL('run.ts', import.meta.url))

export async function runOnCores(options: Pick<Options, 'cores' | 'from' | 'histories' | 'seconds'>): Promise<Tally> {
  const { cores, from, histories, seconds } = options
  const tally = newTally()
  const workers = Array.from({ length: cores }, (_, index) => {
    const share = Math.floor((histories - index - 1) / cores) + 1
    const count = Number.isFinite(histories) ? ['--histories', String(share)] : []
    const time = Number.isFinite(seconds) ? ['--seconds', String(seconds)] : []
    return tallyOf(['--from', String(from + index), '--step', String(cores), ...count, ...time])
  })
  for (const own of await Promise.all(workers)) addTally(tally, own)
  return tally
}

/** What a worker process counted. */
function tallyOf(args: readonly string[]): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<Tally>()
  const child = fork(PROGRAM, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  let tally: Tally | undefined
  child.on('message', (message) => (tally = message as Tally))
  child.on('error', reject)
  child.on('exit', (code) => {
    if (tally === undefined) reject(new Error(`A worker ended with code ${code} before it had counted.`))
    else resolve(tally)
  })
  return promise
}
