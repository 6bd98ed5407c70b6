// Windows as they are read: partial rows summed, shares and levels computed.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { toAmount } from '../../kernel/money.ts'
import type { Reader } from '../../kernel/route.ts'
import { CANCEL_REASONS } from '../orders/contract.ts'
import { WINDOW_MS } from './contract.ts'
import type { Count } from './window-counts.ts'
import { COUNTS, reasonCount } from './window-counts.ts'
import { ALL_TIME } from './windows.projection.ts'

const amount = z.string().describe('A decimal string.')
const share = z.number().nullable().describe('From 0 to 1; null where there is nothing to take a share of.')

export const WindowAnswer = z.object({
  start: z.string(),
  end: z.string(),
  orders: z.object({
    created: z.int(),
    confirmed: z.int(),
    cancelled: z.int(),
    failed: z.int(),
    returned: z.int(),
    cancelledBy: z.record(z.enum(CANCEL_REASONS), z.int()),
    conversion: share.describe('Confirmed of all that ended.'),
  }),
  revenue: z.array(
    z.object({
      currency: z.string(),
      placed: amount,
      confirmed: amount,
      lost: amount.describe('Of orders that were cancelled or given up.'),
      returned: amount,
      pending: amount.describe('Of all orders under way at the end of the window.'),
    }),
  ),
  stock: z.object({ onHand: z.int(), held: z.int(), available: z.int() }).describe('At the end of the window.'),
  notifications: z.object({ sent: z.int(), failed: z.int(), successRate: share }),
  events: z.int(),
  eventsPerHour: z.int(),
  late: z.int().describe('Records whose own time lies in a window that was over for more than the grace of a minute.'),
})
export type WindowView = z.output<typeof WindowAnswer>

/** Which windows: those that begin from `fromMs` on and before `toMs`, the newest first. */
export interface WindowRange {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly limit: number
}

/** Everything since the beginning lies before this. */
const END_OF_TIME_MS = Date.UTC(9999, 11, 31)
/** The sums of all windows after those that are listed. */
const AFTERWARDS = -1

/** Windows in which something happened, newest first. */
export async function readWindows(
  read: Pick<Reader, 'rows'>,
  { fromMs = 1, toMs = END_OF_TIME_MS, limit }: WindowRange,
): Promise<WindowView[]> {
  const rows = await read.rows<{ readonly window_start: number }>(
    `SELECT DISTINCT window_start FROM {windows} WHERE window_start >= ? AND window_start < ?
     ORDER BY window_start DESC LIMIT ?`,
    [Math.max(fromMs, ALL_TIME + 1), toMs, limit],
  )
  return viewsOf(
    read,
    rows.map((row) => row.window_start),
  )
}

/** The window that begins then, also when nothing happened in it. */
export async function readWindow(read: Pick<Reader, 'rows'>, startMs: number): Promise<WindowView> {
  const [view] = await viewsOf(read, [startMs])
  if (view === undefined) throw new Error('A window that was asked for was not read.')
  return view
}

type Sums = Readonly<Record<Count, bigint>>
/** By currency; what has none lies under the empty one. */
type SumsByCurrency = ReadonlyMap<string, Sums>
type SumRow = { readonly bucket: number; readonly currency: string } & Readonly<Record<Count, string>>

// SUM is numeric on PostgreSQL and may pass 2^53 on both, so sums travel as text.
const SUM_COLUMNS = COUNTS.map((count) => `CAST(SUM(${count}) AS TEXT) AS ${count}`).join(', ')

/** One statement, so that levels and windows are of one moment. Starts are given newest first. */
async function viewsOf(read: Pick<Reader, 'rows'>, starts: readonly number[]): Promise<WindowView[]> {
  const [newest] = starts
  const oldest = starts.at(-1)
  if (newest === undefined || oldest === undefined) return []
  const rows = await read.rows<SumRow>(
    `SELECT CASE WHEN window_start > ? THEN ${AFTERWARDS} ELSE window_start END AS bucket, currency, ${SUM_COLUMNS}
     FROM {windows} WHERE window_start = ${ALL_TIME} OR window_start >= ? GROUP BY 1, 2`,
    [newest, oldest],
  )
  const buckets = bucketsOf(rows)
  const bucket = (start: number): SumsByCurrency => buckets.get(start) ?? new Map<string, Sums>()
  // Levels at the end of the newest window, then backwards window by window.
  let level = minus(bucket(ALL_TIME), bucket(AFTERWARDS))
  return starts.map((start) => {
    const view = viewOf(start, bucket(start), level)
    level = minus(level, bucket(start))
    return view
  })
}

function bucketsOf(rows: readonly SumRow[]): ReadonlyMap<number, SumsByCurrency> {
  const buckets = new Map<number, Map<string, Sums>>()
  for (const row of rows) {
    const sums = Object.fromEntries(COUNTS.map((count) => [count, BigInt(row[count])])) as Sums
    buckets.set(row.bucket, (buckets.get(row.bucket) ?? new Map<string, Sums>()).set(row.currency, sums))
  }
  return buckets
}

function minus(from: SumsByCurrency, taken: SumsByCurrency): SumsByCurrency {
  return new Map(
    [...from].map(([currency, sums]) => {
      const less = taken.get(currency)
      const left = COUNTS.map((count) => [count, sums[count] - (less?.[count] ?? 0n)] as const)
      return [currency, Object.fromEntries(left) as Sums]
    }),
  )
}

function viewOf(start: number, window: SumsByCurrency, level: SumsByCurrency): WindowView {
  const count = (name: Count) => totalOf(window, name)
  const [onHand, held] = [totalOf(level, 'on_hand_change'), totalOf(level, 'held_change')]
  const [confirmed, cancelled, failed] = [count('confirmed'), count('cancelled'), count('failed')]
  const [sent, unsent] = [count('notifications_sent'), count('notifications_failed')]
  const reasons = CANCEL_REASONS.map((reason) => [reason, countOfReason(window, reason)] as const)
  return {
    start: momentOf(start),
    end: momentOf(start + WINDOW_MS),
    orders: {
      created: count('created'),
      confirmed,
      cancelled,
      failed,
      returned: count('returned'),
      cancelledBy: Object.fromEntries(reasons) as WindowView['orders']['cancelledBy'],
      conversion: shareOf(confirmed, confirmed + cancelled + failed),
    },
    revenue: [...level].flatMap(([currency, sums]) =>
      currency === '' ? [] : [revenueOf(currency, window.get(currency), sums)],
    ),
    stock: { onHand, held, available: onHand - held },
    notifications: { sent, failed: unsent, successRate: shareOf(sent, sent + unsent) },
    events: count('events'),
    eventsPerHour: Math.round((count('events') * 3_600_000) / WINDOW_MS),
    late: count('late'),
  }
}

function totalOf(sums: SumsByCurrency, count: Count): number {
  return Number([...sums.values()].reduce((total, one) => total + one[count], 0n))
}

function countOfReason(window: SumsByCurrency, reason: string): number {
  const count = reasonCount(reason)
  return count === undefined ? 0 : totalOf(window, count)
}

function revenueOf(currency: string, window: Sums | undefined, level: Sums): WindowView['revenue'][number] {
  const text = (minor: bigint) => toAmount(minor, currency)
  return {
    currency,
    placed: text(window?.revenue_placed ?? 0n),
    confirmed: text(window?.revenue_confirmed ?? 0n),
    lost: text(window?.revenue_lost ?? 0n),
    returned: text(window?.revenue_returned ?? 0n),
    pending: text(level.revenue_placed - level.revenue_confirmed - level.revenue_lost),
  }
}

const SHARE_DIGITS = 4

function shareOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Number((part / whole).toFixed(SHARE_DIGITS))
}
