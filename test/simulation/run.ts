// `npm run simulate`: histories by seed, one seed again, or the mutants.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { runMutants } from './mutant-table.ts'
import type { Options } from './options.ts'
import { HELP, readOptions } from './options.ts'
import type { Tally } from './series.ts'
import { addTally, newTally, replay, reportOf, runSeries } from './series.ts'
import { openWorker } from './worker.ts'

const PROGRESS_EVERY_MS = 10_000

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.help) return say([HELP])
  if (options.mutants) return (await runMutants(options, (line) => say([line]))) ? 0 : 1
  if (options.seed !== undefined) return replayOne(options)
  return process.send === undefined && options.cores > 1 ? onCores(options) : inThisProcess(options)
}

function say(lines: readonly string[]): 0 {
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

async function replayOne(options: Options): Promise<number> {
  const { failed, lines } = await replay(await openWorker(), options, {})
  say(lines)
  return failed ? 1 : 0
}

async function inThisProcess(options: Options): Promise<number> {
  const isWorker = process.send !== undefined
  if (!isWorker) say([`From seed ${options.from} on; options as --help tells.`])
  const database = await openWorker()
  const startedAt = performance.now()
  let toldAt = startedAt
  let count = 0
  const tally = await runSeries(database, options, ({ config, failure }) => {
    count += 1
    if (failure !== undefined) say([`BROKEN seed ${config.seed}, ${failure.check}: ${failure.message}`])
    if (isWorker || performance.now() - toldAt < PROGRESS_EVERY_MS) return
    toldAt = performance.now()
    say([`${count} histories, now seed ${config.seed}`])
  })
  if (isWorker) await new Promise<void>((resolve) => void process.send?.(tally, () => resolve()))
  else say(reportOf(tally, (performance.now() - startedAt) / 1000))
  return tally.failures.length === 0 ? 0 : 1
}

/** Each core has every so-many-th seed. */
async function onCores(options: Options): Promise<number> {
  const { cores, from, histories, seconds } = options
  const startedAt = performance.now()
  const tally = newTally()
  const workers = Array.from({ length: cores }, (_, index) => {
    const share = Number.isFinite(histories) ? ['--histories', String(Math.ceil(histories / cores))] : []
    const time = Number.isFinite(seconds) ? ['--seconds', String(seconds)] : []
    const args = ['--from', String(from + index), '--step', String(cores), ...share, ...time]
    return tallyOf(args)
  })
  for (const worker of workers) addTally(tally, await worker)
  say(reportOf(tally, (performance.now() - startedAt) / 1000))
  return tally.failures.length === 0 ? 0 : 1
}

function tallyOf(args: readonly string[]): Promise<Tally> {
  const { promise, resolve, reject } = Promise.withResolvers<Tally>()
  const child = fork(fileURLToPath(import.meta.url), args, { stdio: 'inherit' })
  child.on('message', (tally) => resolve(tally as Tally))
  child.on('exit', (code) => reject(new Error(`A worker ended with code ${code} before it had counted.`)))
  return promise
}

process.exitCode = await main()
process.disconnect?.()
