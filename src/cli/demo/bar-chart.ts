// Sales by day as bars of text: days while they are few, weeks or months where they would not fit the terminal.

export interface DaySales {
  /** Such as 2011-08-31. */
  readonly day: string
  readonly orders: number
  /** Confirmed orders, in whole units of the currency. */
  readonly revenue: number
}

export interface ChartSize {
  readonly columns: number
  readonly rows: number
}

type Grain = 'day' | 'week' | 'month'

const DAY_MS = 86_400_000
const WEEK_DAYS = 7
/** 1 January 1970 was a Thursday; weeks begin on Monday. */
const EPOCH_WEEKDAY = 3

/** One line a bar below a heading; nothing where nothing was sold. */
export function barChart(days: readonly DaySales[], currency: string, { columns, rows }: ChartSize): string[] {
  if (days.length === 0) return []
  const grain = grainOf(days, rows)
  const bars = grouped(days, grain)
  const most = Math.max(...bars.map(({ revenue }) => revenue))
  const labels = bars.map(
    ({ revenue, orders }) => `${Math.round(revenue).toLocaleString('en-US')} in ${orders.toLocaleString('en-US')}`,
  )
  const labelWidth = Math.max(...labels.map((label) => label.length))
  const nameWidth = bars[0]?.day.length ?? 0
  const room = Math.max(1, columns - nameWidth - labelWidth - 2 * GAP.length)
  return [
    `Sales by ${grain} (${currency}, in confirmed orders)`,
    ...bars.map(({ day, revenue }, at) => {
      return `${day}${GAP}${(labels[at] ?? '').padStart(labelWidth)}${GAP}${bar(revenue, most, room)}`.trimEnd()
    }),
  ]
}

const GAP = '  '

function grainOf(days: readonly DaySales[], rows: number): Grain {
  const fits = (grain: Grain): boolean => new Set(days.map(({ day }) => nameOf(day, grain))).size <= rows
  return fits('day') ? 'day' : fits('week') ? 'week' : 'month'
}

/** What a day is counted under: itself, the Monday of its week, or its month. */
function nameOf(day: string, grain: Grain): string {
  if (grain === 'day') return day
  if (grain === 'month') return day.slice(0, 'YYYY-MM'.length)
  const number = Date.parse(`${day}T00:00:00Z`) / DAY_MS
  const monday = number - ((number + EPOCH_WEEKDAY) % WEEK_DAYS)
  return new Date(monday * DAY_MS).toISOString().slice(0, day.length)
}

function grouped(days: readonly DaySales[], grain: Grain): DaySales[] {
  const sums = new Map<string, { day: string; orders: number; revenue: number }>()
  for (const { day, orders, revenue } of days) {
    const name = nameOf(day, grain)
    const sum = sums.get(name) ?? { day: name, orders: 0, revenue: 0 }
    sums.set(name, { day: name, orders: sum.orders + orders, revenue: sum.revenue + revenue })
  }
  return [...sums.values()].toSorted((one, other) => (one.day < other.day ? -1 : 1))
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function bar(value: number, most: number, room: number): string {
  const eighths = most <= 0 ? 0 : Math.round((value / most) * room * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
}
