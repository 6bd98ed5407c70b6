// The last recorded figures of each bench, with the machine and the commit that they belong to.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figuresOf, median, RATIO, type Figure, type Report } from './figures.ts'
import { describeCommit, describeMachine, type Machine } from './machine.ts'

const FILE = join(import.meta.dirname, '../baseline.json')

export interface Baseline {
  readonly recordedAt: string
  readonly commit: string
  readonly machine: Machine
  readonly figures: Readonly<Record<string, number>>
}

type Recorded = Readonly<Record<string, Baseline>>

function readAll(): Recorded {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Recorded) : {}
}

export function readBaseline(name: string): Baseline | undefined {
  return readAll()[name]
}

/** Keeps what other benches recorded. */
export function record(name: string, report: Report): void {
  const recordedAt = new Date().toISOString()
  const entry: Baseline = {
    recordedAt,
    commit: describeCommit(),
    machine: describeMachine(),
    figures: figuresOf(report),
  }
  writeFileSync(FILE, `${JSON.stringify({ ...readAll(), [name]: entry }, undefined, 2)}\n`)
}

/** Ratios compare over machines; a figure in its own unit only with the same machine. */
export function differenceTo(recorded: Baseline | undefined, { name, unit, values }: Figure): string {
  const before = recorded?.figures[name]
  if (recorded === undefined || before === undefined || before === 0) return ''
  const { cores, processor } = describeMachine()
  const isSameMachine = recorded.machine.cores === cores && recorded.machine.processor === processor
  if (unit !== RATIO && !isSameMachine) return ''
  const percent = Math.round((median(values) / before - 1) * 100)
  return `${percent >= 0 ? '+' : ''}${percent} %`
}

export function baselineLine(recorded: Baseline | undefined): string {
  if (recorded === undefined) return 'recorded  nothing yet; --record does it'
  return `recorded  ${recorded.recordedAt.slice(0, 10)}, ${recorded.commit}, ${recorded.machine.processor}`
}
