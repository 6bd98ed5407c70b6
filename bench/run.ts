// `npm run bench [name]`: lists the benches, or runs one of them or all and prints what it found.
import { createTerminal, tableOf, type Terminal } from '../src/cli/terminal.ts'
import { growth } from './growth.ts'
import { kafka } from './kafka.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { parked } from './parked.ts'
import { replay } from './replay.ts'
import { sagas } from './sagas.ts'
import { start } from './start.ts'
import { baselineLine, readBaseline, record } from './support/baseline.ts'
import type { Bench } from './support/bench.ts'
import { figuresOf } from './support/figures.ts'
import { describeMachine, machineLines } from './support/machine.ts'
import { OPTIONS_HELP, readOptions, type Options } from './support/options.ts'
import { Places } from './support/places.ts'
import { endPrograms } from './support/programs.ts'
import { reportLines } from './support/report.ts'

const benches: readonly Bench[] = [sagas, latency, replay, start, memory, parked, growth, kafka]

const EXIT_FAILED = 1

type Figures = Readonly<Record<string, number>>

async function runBench(bench: Bench, options: Options, terminal: Terminal): Promise<Figures> {
  const places = new Places()
  try {
    terminal.line(`${bench.name}: ${bench.summary}`)
    for (const line of machineLines(describeMachine(), places.folder)) terminal.line(line)
    const recorded = readBaseline(bench.name)
    terminal.line(baselineLine(recorded))
    const report = await bench.run({ options, places, progress: (text) => terminal.progress(text) })
    terminal.line()
    for (const line of reportLines(report, recorded)) terminal.line(line)
    terminal.line()
    if (options.record) record(bench.name, report)
    return figuresOf(report)
  } finally {
    endPrograms()
    await places.stop()
  }
}

/** The figures of all benches, each under its bench's name. */
async function runAll(options: Options, terminal: Terminal): Promise<Figures> {
  const all: Record<string, number> = {}
  for (const bench of benches) {
    const figures = await runBench(bench, options, terminal)
    for (const [name, value] of Object.entries(figures)) all[`${bench.name}.${name}`] = value
  }
  return all
}

function list(terminal: Terminal): void {
  terminal.line('npm run bench NAME [-- OPTIONS]')
  for (const line of tableOf([...benches, ALL].map(({ name, summary }) => [`  ${name}`, summary]))) terminal.line(line)
  terminal.line()
  for (const line of OPTIONS_HELP) terminal.line(`  ${line}`)
}

const ALL = { name: 'all', summary: 'one after the other; growth alone takes some ten minutes' }

async function run(terminal: Terminal): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const { name } = options
  if (name === undefined) return list(terminal)
  if (process.platform !== 'linux') throw new Error('The benches read /proc, so they run on Linux only.')
  const bench = benches.find((one) => one.name === name)
  if (bench === undefined && name !== ALL.name) {
    throw new Error(`There is no bench ${name}: ${benches.map((one) => one.name).join(', ')} or all.`)
  }
  const figures = bench === undefined ? await runAll(options, terminal) : await runBench(bench, options, terminal)
  if (options.json) terminal.json({ name, figures })
}

// Servers and folders must not outlive a bench that is broken off.
process.on('exit', endPrograms)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(EXIT_FAILED))
const terminal = createTerminal(process.stdout, process.stderr)
try {
  await run(terminal)
} catch (error) {
  terminal.note(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = EXIT_FAILED
}
