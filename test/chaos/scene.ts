// What a fault is done to, and what it says of itself.
import type { Fleet } from './fleet.ts'
import type { Load } from './load.ts'

/** What a fault is done to. The shop serves and buyers buy when it begins, and again when it has ended. */
export interface Scene {
  readonly fleet: Fleet
  readonly load: Load
  /** Seeded. */
  readonly roll: () => number
}

/** What was done. */
export interface Strike {
  /** When the shop was started again or left in peace, by `performance.now()`: recovery counts from here. */
  readonly endedAtMs: number
  /** Processes killed with kill -9. */
  readonly kills: number
  /** Processes that were stopped in order; what they had under way is done again, too. */
  readonly stops?: number
  /** Kills and stops that certainly left a transaction open. */
  readonly openCommits: number
  /** What a customer must not feel and did. */
  readonly complaint?: string
}
