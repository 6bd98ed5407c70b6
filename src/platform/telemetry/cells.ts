// Counters and histograms that take whole batches at once; prom-client's own ask for one call a measurement.
import type { Metric, Registry } from 'prom-client'

export interface Counter {
  add(amount: number, labels: readonly string[]): void
}

export interface Histogram {
  /** Counts `count` measurements of one value: a batch of 400 messages is one call, not 400. */
  observe(value: number, count: number, labels: readonly string[]): void
}

export interface CellOptions {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** Labels come from declarations, never from callers; this bounds the mistake of passing an id as one. */
const MAX_CELLS = 5000
const OTHER = 'other'

/** A counter that only rises, by labels. */
export function counter(registry: Registry, options: CellOptions): Counter {
  const cellFor = createCells(options.labels, () => ({ value: 0 }))
  expose(registry, options, 'counter', () => cellFor.all().map(({ labels, cell }) => ({ labels, value: cell.value })))
  return {
    add(amount, labels) {
      cellFor(labels).value += amount
    },
  }
}

/** Counts by upper bounds, with sum and total count, by labels. */
export function histogram(
  registry: Registry,
  options: CellOptions & { readonly bounds: readonly number[] },
): Histogram {
  const { bounds, name } = options
  const cellFor = createCells(options.labels, () => ({ counts: bounds.map(() => 0), count: 0, sum: 0 }))
  expose(registry, options, 'histogram', () =>
    cellFor.all().flatMap(({ labels, cell }): Sample[] => {
      const buckets = cumulative(cell.counts).map((value, index): Sample => ({
        metricName: `${name}_bucket`,
        labels: { ...labels, le: bounds[index] ?? '' },
        value,
      }))
      return [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: cell.count },
        { metricName: `${name}_sum`, labels, value: cell.sum },
        { metricName: `${name}_count`, labels, value: cell.count },
      ]
    }),
  )
  return {
    observe(value, count, labels) {
      const cell = cellFor(labels)
      cell.count += count
      cell.sum += value * count
      const index = bounds.findIndex((bound) => value <= bound)
      if (index >= 0) cell.counts[index] = (cell.counts[index] ?? 0) + count
    },
  }
}

interface Labelled<Cell> {
  readonly labels: Readonly<Record<string, string>>
  readonly cell: Cell
}

interface Cells<Cell> {
  (labels: readonly string[]): Cell
  all(): readonly Labelled<Cell>[]
}

function createCells<Cell>(names: readonly string[], empty: () => Cell): Cells<Cell> {
  const cells = new Map<string, Labelled<Cell>>()
  const open = (key: string, values: readonly string[]): Cell => {
    const labels = Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
    const opened = { labels, cell: empty() }
    cells.set(key, opened)
    return opened.cell
  }
  const cellFor = (values: readonly string[]): Cell => {
    const key = values.length === 1 ? (values[0] ?? '') : values.join('\n')
    const known = cells.get(key)
    if (known !== undefined) return known.cell
    if (cells.size < MAX_CELLS) return open(key, values)
    return (
      cells.get(OTHER)?.cell ??
      open(
        OTHER,
        names.map(() => OTHER),
      )
    )
  }
  return Object.assign(cellFor, { all: () => [...cells.values()] })
}

function cumulative(counts: readonly number[]): number[] {
  let sum = 0
  return counts.map((count) => (sum += count))
}

// The registry asks each metric for `get()` alone; its type names the classes that it usually holds.
function expose(
  registry: Registry,
  { name, help }: CellOptions,
  type: 'counter' | 'histogram',
  values: () => readonly Sample[],
): void {
  const metric = { name, help, type, get: () => Promise.resolve({ name, help, type, values: values() }), reset() {} }
  registry.registerMetric(metric as unknown as Metric)
}
