// `npm run chaos`: breaks the shipped program in every way that it promises to survive, and counts what came of it.
import { describeCommit, describeMachine, machineLines } from '../../bench/support/machine.ts'
import { createTerminal, tableOf, type Terminal } from '../../src/cli/terminal.ts'
import { faultsFor, type FaultName } from './faults.ts'
import { addFigures, summaryOf, TABLE_HEAD, tableRows, totalOf, type FiguresByFault } from './figures.ts'
import type { Dialect } from './fleet.ts'
import { HELP, readOptions, type Options } from './options.ts'
import { SmallDisk } from './small-disk.ts'
import { tellStory, type StoryReport } from './story.ts'

const EXIT_FAILED = 1
const EXIT_BROKEN_OFF = 130
/** After so many faults a fresh database: what is checked at the end stays small, and a seed is quick to repeat. */
const STORY_CYCLES = 24
const FAILED_STORIES_LIMIT = 3
const MINUTE_MS = 60_000

interface Failed {
  readonly again: string
  readonly violations: readonly string[]
  readonly leftBehind: string
}

/** One run over all its stories. */
class Run {
  readonly options: Options
  readonly #terminal: Terminal
  readonly #signal: AbortSignal
  readonly #startedAtMs = performance.now()
  readonly #left: Record<Dialect, number>
  readonly figures: Record<Dialect, FiguresByFault> = { sqlite: {}, postgres: {}, kafka: {} }
  readonly sums = { orders: 0, refused: 0, replays: 0, unavailable: 0, timeouts: 0 }
  readonly mails = { mails: 0, repeated: 0, mostCopies: 0 }
  readonly failed: Failed[] = []
  /** Why PostgreSQL's disk can't be filled here; empty where it can. */
  noSmallDisk = ''
  /** The story that was under way was not judged. */
  isBrokenOff = false

  constructor(options: Options, terminal: Terminal, signal: AbortSignal) {
    this.options = options
    this.#terminal = terminal
    this.#signal = signal
    const { cycles = Infinity } = options
    this.#left = { sqlite: cycles, postgres: cycles, kafka: cycles }
  }

  async tellAll(): Promise<void> {
    this.#probeDisk()
    const { seed, stores } = this.options
    for (let story = 0; this.#goesOn(); story += 1) {
      for (const dialect of stores) if (this.#goesOn()) await this.#tellOne(dialect, seed + story)
    }
  }

  #goesOn(): boolean {
    if (this.failed.length >= FAILED_STORIES_LIMIT || performance.now() >= this.#untilMs) return false
    return this.options.stores.some((dialect) => this.#left[dialect] > 0 && this.#faultsOf(dialect).length > 0)
  }

  get #untilMs(): number {
    return this.#startedAtMs + (this.options.minutes ?? Infinity) * MINUTE_MS
  }

  #faultsOf(dialect: Dialect): readonly FaultName[] {
    const names = faultsFor(dialect, this.options.faults, this.options.nodes)
    return dialect === 'postgres' && this.noSmallDisk !== '' ? names.filter((name) => name !== 'disk') : names
  }

  #probeDisk(): void {
    const { stores, faults } = this.options
    if (!stores.includes('postgres') || !faults.includes('disk')) return
    try {
      SmallDisk.mount().unmount()
    } catch (error) {
      this.noSmallDisk = (error as Error).message
    }
  }

  async #tellOne(dialect: Dialect, seed: number): Promise<void> {
    const faults = this.#faultsOf(dialect)
    const cycles = Math.min(STORY_CYCLES, this.#left[dialect])
    if (cycles <= 0 || faults.length === 0) return
    const { damages } = this.options
    const report = await tellStory({
      dialect,
      seed,
      cycles,
      faults,
      onSmallDisk: dialect === 'postgres' && faults.includes('disk'),
      damages,
      nodes: this.options.nodes,
      signal: this.#signal,
      untilMs: this.#untilMs,
      told: (cycle, fault, load) => this.#show({ dialect, seed, cycle, fault, orders: load.acknowledged.size }),
    })
    this.#left[dialect] -= cycles
    this.#add(dialect, report)
    if (report.violations.length === 0) return
    const { violations, leftBehind } = report
    const brokers = this.options.nodes === 3 ? ' --nodes 3' : ''
    const words = `--seed ${seed} --stores ${dialect}${brokers} --cycles ${cycles} --faults ${faults.join(',')}`
    const again = `npm run chaos -- ${words}${damages.length === 0 ? '' : ` --damage ${damages.join(',')}`}`
    // At once, for whoever watches a run of hours.
    for (const violation of violations) this.#terminal.note(`BROKEN PROMISE (${again}): ${violation}`)
    this.failed.push({ again, violations, leftBehind })
  }

  #add(dialect: Dialect, { figures, mails, ...counts }: StoryReport): void {
    addFigures(this.figures[dialect], figures)
    for (const name of ['orders', 'refused', 'replays', 'unavailable', 'timeouts'] as const) {
      this.sums[name] += counts[name]
    }
    this.mails.mails += mails?.mails ?? 0
    this.mails.repeated += mails?.repeated ?? 0
    this.mails.mostCopies = Math.max(this.mails.mostCopies, mails?.mostCopies ?? 0)
  }

  #show(now: { dialect: Dialect; seed: number; cycle: number; fault: FaultName; orders: number }): void {
    const minutes = ((performance.now() - this.#startedAtMs) / MINUTE_MS).toFixed(1)
    const off = this.failed.length === 0 ? '' : `, ${this.failed.length} stories failed`
    this.#terminal.progress(
      `${minutes} min: ${now.dialect}, seed ${now.seed}, cycle ${now.cycle + 1}: ${now.fault}; ` +
        `${(this.sums.orders + now.orders).toLocaleString('en')} orders${off}`,
    )
  }
}

function report(run: Run, terminal: Terminal): void {
  const { options, figures, sums, mails, failed, noSmallDisk } = run
  const rows = options.stores.flatMap((dialect) => tableRows(dialect, figures[dialect]))
  terminal.line()
  for (const line of tableOf([TABLE_HEAD, ...rows])) terminal.line(line)
  terminal.line()
  terminal.line(
    `${sums.orders} orders and ${sums.refused} refusals; ${sums.replays} answers replayed, ` +
      `${sums.unavailable} answers 503, ${sums.timeouts} without any; ${mails.mails} mails, ` +
      `${mails.repeated} of them repeated, at most ${mails.mostCopies} copies`,
  )
  if (noSmallDisk !== '') {
    const why = `which needs a mount that this machine refuses: ${noSmallDisk}`
    terminal.line(`NOT TRIED: a full disk under PostgreSQL, ${why}`)
  }
  for (const { again, violations, leftBehind } of failed) {
    terminal.line(`BROKEN PROMISE, seen again with: ${again}`)
    for (const violation of violations) terminal.line(`  ${violation}`)
    if (leftBehind !== '') terminal.line(`  look into ${leftBehind}`)
  }
  const judged = options.stores.reduce((cycles, dialect) => cycles + totalOf(figures[dialect]).cycles, 0)
  if (run.isBrokenOff)
    terminal.line(`Broken off: what was under way was not judged, beside the ${judged} cycles above.`)
  else if (failed.length === 0) terminal.line(`Nothing lost, nothing doubled. Seed ${options.seed}.`)
}

function reportObject({ options, figures, sums, mails, failed, noSmallDisk, isBrokenOff }: Run): object {
  const stores = options.stores.map((dialect) => {
    const byFault = Object.entries(figures[dialect]).map(([name, one]) => [name, summaryOf(one)] as const)
    return [dialect, { ...Object.fromEntries(byFault), all: summaryOf(totalOf(figures[dialect])) }] as const
  })
  const on = { commit: describeCommit(), machine: describeMachine() }
  return {
    seed: options.seed,
    ...on,
    stores: Object.fromEntries(stores),
    ...sums,
    mails,
    failed,
    noSmallDisk,
    isBrokenOff,
  }
}

/** @returns the exit code. */
async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const options = readOptions(argv)
  if (options.help) {
    for (const line of HELP) terminal.line(line)
    return 0
  }
  const breaking = new AbortController()
  // The next one ends it at once.
  process.once('SIGINT', () => breaking.abort())
  process.once('SIGTERM', () => breaking.abort())
  for (const line of machineLines(describeMachine(), process.env['TMPDIR'] ?? '/tmp')) terminal.line(line)
  terminal.line(`seed      ${options.seed}`)
  const run = new Run(options, terminal, breaking.signal)
  try {
    await run.tellAll()
  } catch (error) {
    // Whatever was waited for then says so in words of its own.
    if (!breaking.signal.aborted) throw error
    run.isBrokenOff = true
  }
  report(run, terminal)
  if (options.json) terminal.json(reportObject(run))
  if (run.failed.length > 0) return EXIT_FAILED
  return run.isBrokenOff ? EXIT_BROKEN_OFF : 0
}

const terminal = createTerminal(process.stdout, process.stderr)
try {
  process.exitCode = await main(process.argv.slice(2), terminal)
} catch (error) {
  terminal.note(`chaos: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = EXIT_FAILED
}
