// What the player counts, and what it tells the demo's own process while it plays and at the end.
import type { SkipReason } from '../import/retail.ts'

/** What the demo's process asks of the player. */
export interface PlayOrder {
  readonly url: string
  readonly key?: string | undefined
  readonly file: string
  readonly limit: number
  readonly callers: number
}

export interface Latencies {
  readonly acceptedP50: number
  readonly acceptedP99: number
  readonly settledP50: number
  readonly settledP99: number
}

export interface PlayResult {
  readonly rowsRead: number
  readonly rowsSkipped: Readonly<Record<SkipReason, number>>
  readonly clients: number
  readonly products: number
  readonly placed: number
  /** Orders that an earlier run had placed already. */
  readonly existing: number
  readonly confirmed: number
  readonly cancelledBy: Readonly<Record<string, number>>
  readonly failed: number
  /** Items of the placed orders. */
  readonly items: number
  readonly returns: ReturnCounts
  readonly registrationSeconds: number
  /** From the first order to the last that ended, returns among them. */
  readonly seconds: number
  readonly latencyMs: Latencies
}

/** Of the returns in the file. */
export interface ReturnCounts {
  readonly asked: number
  /** Those of which something went back. */
  readonly done: number
  /** Those of which nothing was bought. */
  readonly unmatched: number
  /** Single returns: one an order. */
  readonly requests: number
  readonly rejected: number
}

export type PlayNews =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'done'; readonly result: PlayResult }
  | { readonly kind: 'failed'; readonly sentence: string }

/** The value below which the share of all values lies (nearest rank); 0 where there is none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).toSorted()
  const at = Math.max(0, Math.ceil(share * sorted.length) - 1)
  return Math.round((sorted[at] ?? 0) * 10) / 10
}
