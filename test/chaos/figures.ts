// What a run of chaos counted, for each kind of fault, and how it is told.
import { FAULT_NAMES, type FaultName } from './faults.ts'
import type { Dialect } from './fleet.ts'

/** Of one kind of fault on one store. Times in milliseconds, from the end of the fault. */
export interface Figures {
  cycles: number
  /** Acknowledged while the fault was on or being recovered from. */
  orders: number
  kills: number
  openCommits: number
  losses: number
  doubles: number
  /** Orders whose answer was awaited when the connection broke, for each cycle. */
  readonly inFlight: number[]
  /** Until the next order was acknowledged. */
  readonly nextMs: number[]
  /** Until all orders had ended that were acknowledged by then. */
  readonly settledMs: number[]
}

export function noFigures(): Figures {
  return {
    cycles: 0,
    orders: 0,
    kills: 0,
    openCommits: 0,
    losses: 0,
    doubles: 0,
    inFlight: [],
    nextMs: [],
    settledMs: [],
  }
}

export type FiguresByFault = Partial<Record<FaultName, Figures>>

export function addFigures(to: FiguresByFault, more: FiguresByFault): void {
  for (const name of FAULT_NAMES) {
    const one = more[name]
    if (one === undefined) continue
    const sum = (to[name] ??= noFigures())
    for (const count of ['cycles', 'orders', 'kills', 'openCommits', 'losses', 'doubles'] as const)
      sum[count] += one[count]
    for (const list of ['inFlight', 'nextMs', 'settledMs'] as const) sum[list].push(...one[list])
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
}

/** All kinds of a store together. */
export function totalOf(byFault: FiguresByFault): Figures {
  const total: FiguresByFault = {}
  for (const figures of Object.values(byFault)) addFigures(total, { kill: figures })
  return total.kill ?? noFigures()
}

/** One kind of fault, as an object for programs: lists become their middle and their highest value. */
export function summaryOf({ inFlight, nextMs, settledMs, ...counts }: Figures) {
  return {
    ...counts,
    inFlightMinimum: inFlight.length === 0 ? 0 : Math.min(...inFlight),
    nextP50Ms: percentile(nextMs, 0.5),
    nextMaxMs: percentile(nextMs, 1),
    settledP50Ms: percentile(settledMs, 0.5),
    settledMaxMs: percentile(settledMs, 1),
  }
}

export const TABLE_HEAD = [
  'store',
  'fault',
  'cycles',
  'orders',
  'kills',
  'open commits',
  'losses',
  'doubles',
  'next order p50/max ms',
  'all settled p50/max ms',
]

/** The rows of a store under `TABLE_HEAD`, the last one its sums. */
export function tableRows(dialect: Dialect, byFault: FiguresByFault): string[][] {
  const rows = FAULT_NAMES.flatMap((name) => {
    const figures = byFault[name]
    return figures === undefined ? [] : [rowOf(dialect, name, figures)]
  })
  return rows.length > 1 ? [...rows, rowOf(dialect, 'all', totalOf(byFault))] : rows
}

function rowOf(dialect: Dialect, name: string, figures: Figures): string[] {
  const { cycles, orders, kills, openCommits, losses, doubles, ...times } = summaryOf(figures)
  const counts = [cycles, orders, kills, openCommits, losses, doubles].map((count) => count.toLocaleString('en'))
  const { nextP50Ms, nextMaxMs, settledP50Ms, settledMaxMs } = times
  return [dialect, name, ...counts, `${nextP50Ms} / ${nextMaxMs}`, `${settledP50Ms} / ${settledMaxMs}`]
}
