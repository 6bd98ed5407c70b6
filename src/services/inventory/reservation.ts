// What one order holds of the stock: it ends committed, released or expired, and each of these is final.
import { entity } from '../../kernel/entity.ts'
import type { Held } from '../../kernel/handler.ts'
import type { Allocation } from './stock.ts'
import { moveStock, release, unitsOf } from './stock.ts'

export type ReservationStatus = 'none' | 'refused' | 'held' | 'committed' | 'released' | 'expired' | 'restocked'

export interface Reservation {
  readonly status: ReservationStatus
  /** Where each piece lies that is held or was taken. */
  readonly allocations: readonly Allocation[]
  /** What a refused order lacked. */
  readonly missing: readonly { readonly sku: string; readonly wanted: number; readonly available: number }[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** The undo of the commit came before the commit, which is therefore refused. */
  readonly commitUndone: boolean
}

export const reservation = entity<Reservation>('reservation', {
  initial: () => ({ status: 'none', allocations: [], missing: [], expiresAt: 0, commitUndone: false }),
})

/** Ends a hold and gives its pieces back. @returns how many */
export function endHold(held: Held, orderId: string, status: 'released' | 'expired'): number {
  const ref = reservation.at(orderId)
  const before = held.get(ref)
  moveStock(held, before.allocations, release)
  held.put(ref, { ...before, status })
  return unitsOf(before.allocations)
}
