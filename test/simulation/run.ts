// `npm run simulate`: histories by seed, one seed again, or the mutants.
import { writeFileSync } from 'node:fs'
import { runOnCores } from './cores.ts'
import { runMutants } from './mutant-table.ts'
import type { Options } from './options.ts'
import { HELP, readOptions } from './options.ts'
import type { Tally } from './series.ts'
import { Progress } from './progress.ts'
import { missedOf, replay, reportOf, runSeries, summaryOf } from './series.ts'
import { openWorker } from './worker.ts'

const PROGRESS_EVERY_MS = 60_000
/** So many histories have always met the rarest branch. */
const ENOUGH_FOR_RARE = 20_000

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
  const progress = new Progress(options.histories)
  let toldAt = startedAt
  const tally = await runSeries(database, options, ({ config, failure }, sofar) => {
    if (failure !== undefined) say([`BROKEN seed ${config.seed}, ${failure.check}: ${failure.message}`])
    if (performance.now() - toldAt < PROGRESS_EVERY_MS) return
    toldAt = performance.now()
    if (isWorker) process.send?.({ progress: sofar })
    else say([progress.line(0, sofar)])
  })
  if (!isWorker) return told(tally, options, (performance.now() - startedAt) / 1000)
  await new Promise<void>((resolve) => void process.send?.({ tally }, () => resolve()))
  return 0
}

/** @returns the exit code: a run that is long enough to reach every rare branch has to. */
function told(tally: Tally, { json }: Options, seconds: number): number {
  say(reportOf(tally, seconds))
  if (json !== '') writeFileSync(json, `${JSON.stringify(summaryOf(tally, seconds), undefined, 2)}\n`)
  const isShort = tally.histories < ENOUGH_FOR_RARE
  return tally.failures.length === 0 && (isShort || missedOf(tally).length === 0) ? 0 : 1
}

async function onCores(options: Options): Promise<number> {
  const startedAt = performance.now()
  say([`From seed ${options.from} on, on ${options.cores} cores; options as --help tells.`])
  const progress = new Progress(options.histories)
  const tally = await runOnCores(options, (worker, sofar) => say([progress.line(worker, sofar)]))
  return told(tally, options, (performance.now() - startedAt) / 1000)
}

process.exitCode = await main()
process.disconnect?.()
