// Membership of the only process of a database, such as an embedded one: it holds every partition, and nobody calls.
import type { Membership } from '../ports.ts'

/**
 * Nothing ever moves and no other process has anything to announce, so its listeners are never called.
 *
 * @param hasDied whether the process that had the database before left it without a stop in order.
 */
export function membershipAlone({ hasDied = false } = {}): Membership {
  let isTold = !hasDied
  return {
    inherited: () => {
      if (isTold) return []
      isTold = true
      return 'all'
    },
    start: async () => undefined,
    holds: () => true,
    onChange: () => undefined,
    announce: () => undefined,
    onAnnounced: () => undefined,
    members: async () => [{ id: 'alone', partitions: ['all'], expiresAt: Number.MAX_SAFE_INTEGER }],
    stop: async () => undefined,
  }
}
