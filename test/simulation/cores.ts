// Histories on several cores: each worker process has its own database and every so-many-th seed.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Options } from './options.ts'
import type { Tally } from './series.ts'
import { addTally, newTally } from './series.ts'

const PROGRAM = fileURLToPath(new URL('run.ts', import.meta.url))

/** What a worker says: how far it is, or at last what it came to. */
type Said = { readonly progress: Tally } | { readonly tally: Tally }

/** @param tell hears now and then how far the worker of this number is */
export async function runOnCores(
  options: Pick<Options, 'cores' | 'from' | 'histories' | 'seconds'> & Partial<Pick<Options, 'kafka'>>,
  tell: (worker: number, sofar: Tally) => void = () => undefined,
): Promise<Tally> {
  const { cores, from, histories, seconds, kafka = false } = options
  const tally = newTally()
  const workers = Array.from({ length: cores }, (_, index) => {
    const share = Math.floor((histories - index - 1) / cores) + 1
    const count = Number.isFinite(histories) ? ['--histories', String(share)] : []
    const time = Number.isFinite(seconds) ? ['--seconds', String(seconds)] : []
    const args = [
      '--from',
      String(from + index),
      '--step',
      String(cores),
      ...count,
      ...time,
      ...(kafka ? ['--kafka'] : []),
    ]
    return tallyOf(args, (sofar) => tell(index, sofar))
  })
  for (const own of await Promise.all(workers)) addTally(tally, own)
  return tally
}

/** What a worker process counted. */
function tallyOf(args: readonly string[], tell: (sofar: Tally) => void): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<Tally>()
  const child = fork(PROGRAM, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  let tally: Tally | undefined
  child.on('message', (message) => {
    const said = message as Said
    if ('tally' in said) tally = said.tally
    else tell(said.progress)
  })
  child.on('error', reject)
  child.on('exit', (code) => {
    if (tally === undefined) reject(new Error(`A worker ended with code ${code} before it had counted.`))
    else resolve(tally)
  })
  return promise
}
