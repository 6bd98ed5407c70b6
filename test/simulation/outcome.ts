// What a history comes to, and within which limits.
import type { HistoryConfig } from './config.ts'
import type { Fault } from './faults.ts'
import type { Mutant } from './mutant.ts'
import type { RareCounts } from './rare.ts'

/** What a history came to. */
export interface Outcome {
  readonly config: HistoryConfig
  /** The first promise that was broken. */
  readonly failure: { readonly check: string; readonly message: string } | undefined
  readonly rare: RareCounts
  readonly traceHash: number
  readonly trace: readonly string[] | undefined
  readonly faultsHappened: readonly Fault[]
  readonly calls: number
  readonly steps: number
  readonly commits: number
}

export interface HistoryOptions {
  readonly mutant?: Mutant
  readonly traces?: boolean
  /** Every commit and read goes to SQLite at once, as in strict histories. */
  readonly isDirect?: boolean
}

/** Faults go on this long after the last command. */
export const UNREST_MS = 20_000
/** Without faults everything ends within this: a manual payment waits a day, an effect seven hours, refunds as long. */
export const REST_WITHIN_MS = 60 * 3_600_000
/** A history that takes more steps than this never ends. */
export const MAX_STEPS = 200_000
