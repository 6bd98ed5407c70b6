// What a service says of messages that its handlers can not handle: how long to try, and what becomes of their key.
import type { Duration } from './duration.ts'

/**
 * - hold: later messages of the key wait until a person redrives or discards the dead one.
 * - skip: the dead one is taken out and the later ones go on; the order of that key is given up from there on.
 */
export type DeadPolicy = 'hold' | 'skip'

export interface ParkingRules {
  /** For all topics, or by topic; `hold` where nothing is said. */
  readonly whenDead?: DeadPolicy | Readonly<Record<string, DeadPolicy>>
  /** Tries of one message before it is dead, the quick ones in place included. */
  readonly tries?: number
  /** How long after its first failure a message is still tried. */
  readonly tryFor?: Duration
  /** Keys that may be parked at a time, and messages; at a limit the cursor stands still, with an alarm. */
  readonly maxKeys?: number
  readonly maxMessages?: number
}

/** What a service declares: for its handlers and sagas, and for its projections. */
export interface ServiceParking extends ParkingRules {
  readonly projections?: ParkingRules
}

/** Fifteen tries with their pauses take some twenty minutes: longer than a deployment or a restart. */
export const DEFAULT_TRIES = 15
export const DEFAULT_TRY_FOR: Duration = '6 h'
/** All parked keys of a group are kept in memory, at some 300 bytes each. */
export const DEFAULT_MAX_KEYS = 10_000
export const DEFAULT_MAX_MESSAGES = 100_000

/** What becomes of a key of this topic when one of its messages is dead. */
export function whenDead({ whenDead: policy = 'hold' }: ParkingRules, topic: string): DeadPolicy {
  return typeof policy === 'string' ? policy : (policy[topic] ?? 'hold')
}
