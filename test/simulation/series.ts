// Runs histories one after the other, seed by seed, and adds up what they came to.
import { describeConfig } from './config.ts'
import type { HistoryConfig } from './config.ts'
import type { Database } from './database.ts'
import type { HistoryOptions, Outcome } from './outcome.ts'
import { runHistory } from './run-history.ts'
import type { Options } from './options.ts'
import type { RareBranch } from './rare.ts'
import { RARE_BRANCHES, RareCounts } from './rare.ts'
import { configOf } from './seeds.ts'
import { shrink } from './shrink.ts'

/** What many histories came to; plain, so that a worker can send it. */
export interface Tally {
  histories: number
  commits: number
  steps: number
  commands: number
  faults: number
  /** Of the processes that ran them, in seconds. */
  cpuSeconds: number
  /** The heap of the process at last. */
  heapBytes: number
  readonly failures: { readonly seed: number; readonly check: string; readonly message: string }[]
  readonly rare: Record<string, number>
}

export function newTally(): Tally {
  return {
    histories: 0,
    commits: 0,
    steps: 0,
    commands: 0,
    faults: 0,
    cpuSeconds: 0,
    heapBytes: 0,
    failures: [],
    rare: {},
  }
}

export function addOutcome(tally: Tally, { config, commits, steps, faultsHappened, failure, rare }: Outcome): void {
  tally.histories += 1
  tally.commits += commits
  tally.steps += steps
  tally.commands += config.commands.length
  tally.faults += faultsHappened.length
  if (failure !== undefined) tally.failures.push({ seed: config.seed, ...failure })
  addRare(tally, rare.plain())
}

function addRare(tally: Tally, counts: Readonly<Record<string, number>>): void {
  for (const [branch, count] of Object.entries(counts)) tally.rare[branch] = (tally.rare[branch] ?? 0) + count
}

export function addTally(tally: Tally, other: Tally): void {
  for (const name of ['histories', 'commits', 'steps', 'commands', 'faults', 'cpuSeconds'] as const)
    tally[name] += other[name]
  tally.failures.push(...other.failures)
  addRare(tally, other.rare)
}

/** Failures in a series are named up to this many; then it ends. */
const MAX_FAILURES = 10

/** Asking costs more than a millisecond. */
const HEAP_EVERY = 100

/** Runs seeds until their number or the time is over. */
export async function runSeries(
  database: Database,
  { from, step, histories, seconds, kafka }: Pick<Options, 'from' | 'step' | 'histories' | 'seconds' | 'kafka'>,
  tell: (outcome: Outcome, tally: Tally) => void = () => undefined,
): Promise<Tally> {
  const tally = newTally()
  const { user, system } = process.cpuUsage()
  const endsAt = performance.now() + seconds * 1000
  // Refusals and conflicts come by the dozen, and nobody reads where from: `--seed` tells that.
  Error.stackTraceLimit = 0
  for (let seed = from; tally.histories < histories && performance.now() < endsAt; seed += step) {
    const outcome = await runHistory(database, configOf(seed, { kafka }))
    addOutcome(tally, outcome)
    const cpu = process.cpuUsage()
    tally.cpuSeconds = (cpu.user - user + cpu.system - system) / 1e6
    if (tally.histories % HEAP_EVERY === 0) tally.heapBytes = process.memoryUsage().heapUsed
    tell(outcome, tally)
    if (tally.failures.length >= MAX_FAILURES) break
    // Otherwise signals and messages would wait for the end.
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return tally
}

/** One seed again, without some of its faults; a failure is shrunk and told with its trace. */
export async function replay(
  database: Database,
  { seed = 1, without, trace, kafka }: Pick<Options, 'seed' | 'without' | 'trace' | 'kafka'>,
  { mutant }: HistoryOptions,
): Promise<{ readonly failed: boolean; readonly lines: readonly string[] }> {
  const options: HistoryOptions = { traces: true, ...(mutant === undefined ? {} : { mutant }) }
  const whole = configOf(seed, { kafka })
  const config: HistoryConfig = { ...whole, faults: whole.faults.filter(({ id }) => !without.includes(id)) }
  const outcome = await runHistory(database, config, options)
  const lines = [describeConfig(config), `hash of the trace ${outcome.traceHash}, database ${await database.hash()}`]
  if (outcome.failure === undefined) {
    return { failed: false, lines: [...(trace ? (outcome.trace ?? []) : []), ...lines, 'Everything held.'] }
  }
  const small = await shrink(database, outcome, options)
  const left = small.config.faults.map(({ id }) => id)
  const dropped = whole.faults.map(({ id }) => id).filter((id) => !left.includes(id))
  const told = trace ? outcome : small
  return {
    failed: true,
    lines: [
      ...(told.trace ?? []),
      ...lines,
      `BROKEN ${outcome.failure.check}: ${outcome.failure.message}`,
      `Shrunk to ${small.config.commands.length} commands and the faults ${left.join(', ') || '(none)'}.`,
      ...(dropped.length === 0
        ? []
        : [`Again without the other faults: --seed ${seed} --without ${dropped.join(',')}${kafka ? ' --kafka' : ''}`]),
    ],
  }
}

/** Rare branches that were not reached. */
export function missedOf(tally: Tally): readonly RareBranch[] {
  const counts = new RareCounts()
  counts.add(tally.rare)
  return counts.missed()
}

/** The report of a series for machines: what was counted, each rare branch with its count, what was missed. */
export function summaryOf(tally: Tally, seconds: number): unknown {
  const { histories, commands, commits, steps, faults, failures, cpuSeconds, rare } = tally
  const rates = { seconds, cpuSeconds, perSecond: histories / seconds, perCpuSecond: histories / cpuSeconds }
  const branches = Object.fromEntries(RARE_BRANCHES.map((branch) => [branch, rare[branch] ?? 0]))
  return { histories, ...rates, commands, commits, steps, faults, failures, rare: branches, missed: missedOf(tally) }
}

/** The report of a series, line by line. */
export function reportOf(tally: Tally, seconds: number): string[] {
  const { histories, commands, commits, faults, failures, cpuSeconds } = tally
  const counts = new RareCounts()
  counts.add(tally.rare)
  const reached = RARE_BRANCHES.filter((branch) => counts.count(branch) > 0)
  return [
    `${histories} histories in ${seconds.toFixed(1)} s, ${(histories / seconds).toFixed(1)} a second; ` +
      `${(histories / cpuSeconds).toFixed(1)} a second of CPU; ` +
      `${commands} commands, ${commits} commits, ${faults} faults.`,
    ...reached.map((branch) => `${String(counts.count(branch)).padStart(9)}  ${branch}`),
    ...counts.missed().map((branch) => `    never  ${branch}`),
    ...failures.map(({ seed, check, message }) => `BROKEN seed ${seed}, ${check}: ${message}`),
    failures.length === 0 ? 'Everything held.' : `${failures.length} histories broke a promise: --seed shows one.`,
  ]
}
