// Analytics over HTTP.
import { z } from 'zod'
import { millisecondsOf, momentInput } from '../../kernel/inputs.ts'
import { toAmount } from '../../kernel/money.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import type { Request } from '../../kernel/route.ts'
import { get } from '../../kernel/route.ts'
import { WindowAnswer, readWindows } from './read-windows.ts'

/** An hour of windows; a day of them at most. */
const DEFAULT_WINDOWS = 12
const MAX_WINDOWS = 288

const listingWindows = get('/v1/analytics/windows', {
  summary: 'Windows of five minutes over what happened, newest first: orders, revenue, stock, notifications, events.',
  role: 'reader',
  query: z.strictObject({
    from: momentInput.optional().describe('Windows that begin then or later.'),
    to: momentInput.optional().describe('Windows that begin before.'),
    limit: z.coerce.number().int().min(1).max(MAX_WINDOWS).default(DEFAULT_WINDOWS),
  }),
  answers: { 200: z.object({ items: z.array(WindowAnswer) }) },
  handle: async ({ query: { from, to, limit }, read }) => {
    const items = await readWindows(read, { fromMs: millisecondsOf(from), toMs: millisecondsOf(to), limit })
    return { status: 200, body: { items } }
  },
})

const SUMS = ['placed', 'confirmed', 'cancelled', 'returned', 'lines', 'units', 'revenue', 'refunds', 'late'] as const
type DaySums = { readonly day: string; readonly currency: string } & Readonly<Record<(typeof SUMS)[number], string>>

const DayAnswer = z.object({
  day: z.string().describe('Of the business date of its orders, in UTC.'),
  currency: z.string(),
  orders: z.object({ placed: z.int(), confirmed: z.int(), cancelled: z.int(), returned: z.int() }),
  items: z.int().describe('Lines of the confirmed orders.'),
  units: z.int().describe('Pieces of the confirmed orders.'),
  revenue: z.string().describe('Of the confirmed orders.'),
  refunds: z.string().describe('Paid back for returns of the orders of this day.'),
  late: z.int().describe('Orders that were placed into the day more than a day after its end, as imports are.'),
})

const daysQuery = z.strictObject({
  ...pageQuery(['string', 'string']),
  from: z.iso.date().optional().describe('The first day.'),
  to: z.iso.date().optional().describe('The last day.'),
})

function dayView({ day, currency, ...sums }: DaySums): z.output<typeof DayAnswer> {
  const amount = (minor: string) => toAmount(BigInt(minor), currency)
  const { placed, confirmed, cancelled, returned } = sums
  return {
    day,
    currency,
    orders: {
      placed: Number(placed),
      confirmed: Number(confirmed),
      cancelled: Number(cancelled),
      returned: Number(returned),
    },
    items: Number(sums.lines),
    units: Number(sums.units),
    revenue: amount(sums.revenue),
    refunds: amount(sums.refunds),
    late: Number(sums.late),
  }
}

const listingDays = get('/v1/analytics/days', {
  summary: 'Sales by day of their business date and currency, oldest first.',
  role: 'reader',
  query: daysQuery,
  answers: { 200: pageShape(DayAnswer) },
  handle: async ({ query, read }: Request<unknown, z.output<typeof daysQuery>, unknown>) => {
    const { after: [day = '', currency = ''] = [], from = '', to = '9999-12-31', limit } = query
    const sums = SUMS.map((name) => `CAST(SUM(${name}) AS TEXT) AS ${name}`).join(', ')
    const rows = await read.rows<DaySums>(
      `SELECT day, currency, ${sums} FROM {days} WHERE day >= ? AND day <= ? AND (day, currency) > (?, ?)
       GROUP BY day, currency ORDER BY day, currency LIMIT ?`,
      [from, to, day, currency, limit + 1],
    )
    const { items, next } = cutPage(rows, limit, (row) => [row.day, row.currency])
    return { status: 200, body: { items: items.map(dayView), next } }
  },
})

export const analyticsRoutes = [listingWindows, listingDays]
