// The demo's report: what fits the screen, and figures that people can trust.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart, type DaySales } from './bar-chart.ts'
import { reportLines, reportObject } from './report.ts'
import { percentile, type PlayResult } from './results.ts'

const DAY_MS = 86_400_000

function daysFrom(first: string, count: number): DaySales[] {
  return Array.from({ length: count }, (_, at) => ({
    day: new Date(Date.parse(first) + at * DAY_MS).toISOString().slice(0, first.length),
    orders: 1,
    revenue: 100 * (at + 1),
  }))
}

const widest = (lines: readonly string[]): number => Math.max(...lines.map((line) => line.length))

test('days are bars while they fit, then weeks that begin on Monday, then months', () => {
  const size = { columns: 80, rows: 14 }
  const days = barChart(daysFrom('2010-12-01', 14), 'GBP', size)
  assert.match(days[0] ?? '', /^Sales by day \(GBP/)
  assert.equal(days.length, 15)
  const weeks = barChart(daysFrom('2010-12-01', 30), 'GBP', size)
  assert.match(weeks[0] ?? '', /^Sales by week/)
  assert.match(weeks[1] ?? '', /^2010-11-29 .* 1,500 in 5 /)
  const months = barChart(daysFrom('2010-12-01', 274), 'GBP', size)
  assert.deepEqual([months.length, months[9]?.slice(0, 7)], [10, '2011-08'])
})

test('the longest bar ends at the last column, and no line is longer', () => {
  for (const columns of [40, 80, 200]) {
    assert.equal(widest(barChart(daysFrom('2010-12-01', 9), 'GBP', { columns, rows: 14 })), columns)
  }
  assert.deepEqual(barChart([], 'GBP', { columns: 80, rows: 14 }), [])
})

test('percentiles are values that were measured', () => {
  const values = Array.from({ length: 200 }, (_, at) => 200 - at)
  assert.deepEqual([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99)], [100, 198, 7])
  assert.equal(percentile([], 0.5), 0)
})

const result: PlayResult = {
  rowsRead: 1000,
  rowsSkipped: {
    'bad encoding': 0,
    'broken row': 2,
    'no order number': 0,
    'no customer': 300,
    'no goods code': 4,
    'quantity of zero or of the wrong sign': 0,
    'price of zero or less': 0,
    'price with more than two decimals': 0,
    'bad date': 0,
  },
  clients: 20,
  products: 50,
  placed: 100,
  existing: 0,
  confirmed: 90,
  cancelledBy: { OUT_OF_STOCK: 7, PAYMENT_DECLINED: 2 },
  failed: 1,
  items: 2000,
  returns: { asked: 10, done: 8, unmatched: 2, requests: 9, rejected: 0 },
  registrationSeconds: 0.5,
  seconds: 0.25,
  latencyMs: { acceptedP50: 1, acceptedP99: 2, settledP50: 3, settledP99: 4 },
}
const report = {
  result,
  compensations: 2,
  verdict: { ok: true, problems: [] },
  days: daysFrom('2010-12-01', 274),
  currency: 'GBP',
  window: undefined,
}

test('the report fits a screen of 80 by 40 and adds up', () => {
  const lines = reportLines(report, 80)
  assert.ok(lines.length <= 30 && widest(lines) <= 80, `${lines.length} lines, ${widest(lines)} columns`)
  const { orders, perSecond, check } = reportObject(report)
  assert.deepEqual(orders, { placed: 100, confirmed: 90, cancelled: 9, failed: 1, returned: 8, existing: 0 })
  assert.deepEqual(
    [perSecond, check],
    [
      { orders: 400, items: 8000 },
      { ok: true, problems: [] },
    ],
  )
})

test('what the check found is shown, the first ten of it', () => {
  const problems = Array.from({ length: 12 }, (_, at) => `problem ${at}`)
  const lines = reportLines({ ...report, verdict: { ok: false, problems } }, 80)
  assert.ok(lines.includes('Check: 12 problems.') && lines.includes('  - problem 9'))
  assert.match(lines.at(-1) ?? '', /2 more/)
})
