// `npm run simulate`: histories by seed, one seed again, or the mutants.
import { runOnCores } from './cores.ts'
import { runMutants } from './mutant-table.ts'
import type { Options } from './options.ts'
import { HELP, readOptions } from './options.ts'
import type { Tally } from './series.ts'
import { missedOf, replay, reportOf, runSeries } from './series.ts'
import { openWorker } from './worker.ts'

const PROGRESS_EVERY_MS = 10_000
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
  let toldAt = startedAt
  let count = 0
  const tally = await runSeries(database, options, ({ config, failure }) => {
    count += 1
    if (failure !== undefined) say([`BROKEN seed ${config.seed}, ${failure.check}: ${failure.message}`])
    if (isWorker || performance.now() - toldAt < PROGRESS_EVERY_MS) return
    toldAt = performance.now()
    say([`${count} histories, now seed ${config.seed}`])
  })
  if (!isWorker) return told(tally, (performance.now() - startedAt) / 1000)
  await new Promise<void>((resolve) => void process.send?.(tally, () => resolve()))
  return 0
}

/** @returns the exit code: a run that is long enough to reach every rare branch has to. */
function told(tally: Tally, seconds: number): number {
  say(reportOf(tally, seconds))
  const isShort = tally.histories < ENOUGH_FOR_RARE
  return tally.failures.length === 0 && (isShort || missedOf(tally).length === 0) ? 0 : 1
}

async function onCores(options: Options): Promise<number> {
  const startedAt = performance.now()
  say([`From seed ${options.from} on, on ${options.cores} cores; options as --help tells.`])
  const tally = await runOnCores(options)
  return told(tally, (performance.now() - startedAt) / 1000)
}

process.exitCode = await main()
process.disconnect?.()
