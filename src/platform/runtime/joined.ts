// The start of a membership: waited for, but not for ever.
import type { Clock, Membership } from '../ports.ts'

/** How long the start waits for a share of the partitions. */
const JOIN_PATIENCE_MS = 1000

/**
 * Resolves with a share, or without one when the time is over.
 *
 * After a kill -9 the dead process's lease may last some seconds: commands and reads need not wait.
 */
export function joined(membership: Membership, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.after(JOIN_PATIENCE_MS, resolve)
  membership.start().then(resolve, reject)
  return promise.finally(cancel)
}
