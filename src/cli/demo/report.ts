// The demo's report: for people on one screen of 80 by 40, and for programs as one object.
import { windowReport } from '../../services/analytics/window-report.ts'
import type { WindowView } from '../../services/analytics/read-windows.ts'
import { hanging, tableOf } from '../terminal.ts'
import { barChart, type DaySales } from './bar-chart.ts'
import type { PlayResult } from './results.ts'

export interface Verdict {
  readonly ok: boolean
  readonly problems: readonly string[]
}

export interface Report {
  readonly result: PlayResult
  readonly compensations: number
  readonly verdict: Verdict
  readonly days: readonly DaySales[]
  readonly currency: string
  readonly window: WindowView | undefined
}

/** The chart gets what the other parts leave of 40 lines. */
const CHART_ROWS = 14
const PROBLEMS_SHOWN = 10
/** Where the figures begin: behind the longest name. */
const FIGURES_AT = 'Accepted  '.length
const WINDOW_FIGURES_AT = '  notifications  '.length

export function reportLines(report: Report, columns: number): string[] {
  const { days, currency, window, verdict } = report
  return [
    '',
    ...tableOf(figureRows(report)).flatMap((line) => hanging(line, FIGURES_AT, columns)),
    '',
    ...barChart(days, currency, { columns, rows: CHART_ROWS }),
    '',
    ...windowLines(window, columns),
    ...verdictLines(verdict),
  ]
}

function windowLines(window: WindowView | undefined, columns: number): string[] {
  if (window === undefined) return []
  const [heading = '', ...lines] = windowReport(window)
  return [heading, ...lines.flatMap((line) => hanging(line, WINDOW_FIGURES_AT, columns)), '']
}

function figureRows({ result, compensations }: Report): string[][] {
  const { placed, existing, confirmed, failed, returns, latencyMs, seconds, registrationSeconds } = result
  const { acceptedP50, acceptedP99, settledP50, settledP99 } = latencyMs
  const perSecond = rates(result)
  return [
    ['Orders', `${count(placed)} placed with ${count(result.items)} items${also(existing, 'placed before')}`],
    ['', `${count(confirmed)} confirmed${also(failed, 'failed')}`],
    ['', `${count(cancelled(result))} cancelled: ${reasons(result.cancelledBy)}`],
    ['Returns', `${count(returns.done)} of ${count(returns.asked)} made; ${count(returns.unmatched)} found no order`],
    ['Undone', `${count(compensations)} steps of sagas`],
    ['Left out', `${count(skipped(result))} of ${count(result.rowsRead)} rows: ${reasons(result.rowsSkipped)}`],
    ['Speed', `${perSecond.orders} orders and ${count(perSecond.items)} items a second, ${seconds} s in all`],
    ['', `before that ${count(result.clients)} clients, ${count(result.products)} products: ${registrationSeconds} s`],
    ['Accepted', `${acceptedP50} ms p50, ${acceptedP99} ms p99`],
    ['Settled', `${settledP50} ms p50, ${settledP99} ms p99`],
  ]
}

function verdictLines({ ok, problems }: Verdict): string[] {
  if (ok) return ['Check: everything adds up.']
  const more = problems.length - PROBLEMS_SHOWN
  return [
    `Check: ${count(problems.length)} problems.`,
    ...problems.slice(0, PROBLEMS_SHOWN).map((problem) => `  - ${problem}`),
    ...(more > 0 ? [`  … and ${more} more: \`lonja check\` lists them.`] : []),
  ]
}

/** What `--json` prints last. */
export function reportObject({ result, compensations, verdict, days, currency, window }: Report) {
  const { placed, existing, confirmed, cancelledBy, failed, returns, items, rowsSkipped, latencyMs } = result
  return {
    orders: { placed, confirmed, cancelled: cancelled(result), failed, returned: returns.done, existing },
    cancelledBy,
    items,
    returns,
    rowsRead: result.rowsRead,
    rowsSkipped,
    clients: result.clients,
    products: result.products,
    compensations,
    perSecond: rates(result),
    latencyMs,
    registrationSeconds: result.registrationSeconds,
    seconds: result.seconds,
    currency,
    days,
    window: window ?? null,
    check: { ok: verdict.ok, problems: verdict.problems },
  }
}

function rates({ placed, items, seconds }: PlayResult): { readonly orders: number; readonly items: number } {
  const perSecond = (amount: number): number => (seconds === 0 ? 0 : Math.round(amount / seconds))
  return { orders: perSecond(placed), items: perSecond(items) }
}

function cancelled({ cancelledBy }: PlayResult): number {
  return Object.values(cancelledBy).reduce((sum, each) => sum + each, 0)
}

function skipped({ rowsSkipped }: PlayResult): number {
  return Object.values(rowsSkipped).reduce((sum, each) => sum + each, 0)
}

function reasons(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, each]) => each > 0)
  const ranked = some.toSorted(([, one], [, other]) => other - one)
  return ranked.length === 0 ? 'none' : ranked.map(([reason, each]) => `${reason} ${count(each)}`).join(', ')
}

function also(amount: number, what: string): string {
  return amount === 0 ? '' : `, ${count(amount)} ${what}`
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
