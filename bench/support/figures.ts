// What a bench finds out: figures with a value for each run, what is asked of them, and sentences about the run.

/** One figure: its name, and the value of each run. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly values: readonly number[]
  /** What is asked of its median. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number } | undefined
  /** Cores that others kept busy in each run. */
  readonly foreign?: readonly number[]
}

export interface Report {
  readonly figures: readonly Figure[]
  /** Sentences about how it went. */
  readonly notes: readonly string[]
}

/** The unit of figures that are a multiple of the reference measured beside them. */
export const RATIO = '× reference'

const DIGITS_KEPT = 4

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? 0, sorted[Math.floor(middle)] ?? 0]
  return (low + high) / 2
}

/** The value that this share of all values lies below. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Four digits at most, and no more decimals than a figure of its size deserves. */
export function shown(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: decimals, minimumFractionDigits: decimals })
}

/** The figures by name, as `--json` prints them. */
export function figuresOf({ figures }: Report): Readonly<Record<string, number>> {
  return Object.fromEntries(figures.map(({ name, values }) => [name, Number(median(values).toPrecision(DIGITS_KEPT))]))
}
