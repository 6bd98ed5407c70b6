// Sales by day: of the business date that an order carries, not of the day on which we heard of it.
import { toMinor } from '../../kernel/money.ts'
import type { RecordFacts, RowOf } from '../../kernel/projection.ts'
import { projection } from '../../kernel/projection.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, OrderPlaced, ReturnCompleted } from '../orders/contract.ts'

export const DAY_MS = 24 * 60 * 60_000

/** Days are closed this long after their end; orders that are placed into them later (imports) count as late. */
export const DAY_GRACE_MS = DAY_MS

/** Such as 2026-11-21, in UTC. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, '2026-11-21'.length)
}

export function isLateForDay(orderedAt: number, appendedAt: number): boolean {
  return appendedAt > Math.floor(orderedAt / DAY_MS) * DAY_MS + DAY_MS + DAY_GRACE_MS
}

const columns = {
  day: 'text',
  partition: 'integer',
  currency: 'text',
  placed: 'integer',
  confirmed: 'integer',
  /** Given up ones, too: they are no sale either. */
  cancelled: 'integer',
  returned: 'integer',
  /** Of confirmed orders: lines, pieces, and the total in minor units. */
  lines: 'integer',
  units: 'integer',
  revenue: 'integer',
  /** Paid back for returns, in minor units. */
  refunds: 'integer',
  late: 'integer',
} as const
export type DayRow = RowOf<typeof columns>

const nothing = {
  placed: 0,
  confirmed: 0,
  cancelled: 0,
  returned: 0,
  lines: 0,
  units: 0,
  revenue: 0,
  refunds: 0,
  late: 0,
}

interface Dated {
  readonly orderedAt: number
  readonly currency: string
}

function keyOf({ orderedAt, currency }: Dated, { partition }: RecordFacts): [string, number, string] {
  return [dayOf(orderedAt), partition, currency]
}

function rowOf(row: DayRow | undefined, dated: Dated, facts: RecordFacts): DayRow {
  if (row !== undefined) return row
  const [day, partition, currency] = keyOf(dated, facts)
  return { day, partition, currency, ...nothing }
}

/** All columns come from one topic, and a row from one of its partitions. */
export const days = projection('days', {
  key: ['day', 'partition', 'currency'],
  columns,
  folds: (fold) => [
    fold(OrderPlaced, keyOf, (before, placed, facts) => {
      const row = rowOf(before, placed, facts)
      const late = isLateForDay(placed.orderedAt, facts.appendedAt) ? 1 : 0
      return { ...row, placed: row.placed + 1, late: row.late + late }
    }),
    fold(OrderConfirmed, keyOf, (before, confirmed, facts) => {
      const row = rowOf(before, confirmed, facts)
      return {
        ...row,
        confirmed: row.confirmed + 1,
        lines: row.lines + confirmed.lines,
        units: row.units + confirmed.units,
        revenue: row.revenue + Number(toMinor(confirmed.total, confirmed.currency)),
      }
    }),
    ...[OrderCancelled, OrderFailed].map((event) =>
      fold(event, keyOf, (before, ended, facts) => {
        const row = rowOf(before, ended, facts)
        return { ...row, cancelled: row.cancelled + 1 }
      }),
    ),
    fold(ReturnCompleted, keyOf, (before, completed, facts) => {
      const row = rowOf(before, completed, facts)
      const refunds = row.refunds + Number(toMinor(completed.amount, completed.currency))
      return { ...row, returned: row.returned + 1, refunds }
    }),
  ],
})
