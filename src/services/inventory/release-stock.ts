// The two ways in which a hold ends unused: the order gives it back, or its time runs out.
import { on, schedule } from '../../kernel/handler.ts'
import { ExpireReservation, ReleaseStock, ReservationExpired, StockReleased } from './contract.ts'
import { endHold, reservation } from './reservation.ts'
import { stocksOf } from './stock.ts'

/** Before the reserve came it leaves a tombstone; whatever else is true, afterwards the order holds nothing. */
export const releaseStock = on(ReleaseStock, {
  says: [StockReleased],
  loads: ({ orderId, items }) => [reservation.at(orderId), ...stocksOf(items)],
  handle: ({ orderId }, held) => {
    const before = held.get(reservation.at(orderId))
    if (before.status === 'held') return StockReleased({ orderId, units: endHold(held, orderId, 'released') })
    if (before.status === 'none') held.put(reservation.at(orderId), { ...before, status: 'released' })
    return StockReleased({ orderId, units: 0 })
  },
})

export const expireReservation = on(ExpireReservation, {
  says: [ReservationExpired],
  loads: ({ orderId, items }) => [reservation.at(orderId), ...stocksOf(items)],
  handle: ({ orderId, items }, held, { now }) => {
    const { status, expiresAt } = held.get(reservation.at(orderId))
    if (status !== 'held') return []
    // A clock that was set back may fire the timer early; without another one the hold would stay for ever.
    if (now < expiresAt) return schedule(ExpireReservation({ orderId, items }), expiresAt)
    return ReservationExpired({ orderId, units: endHold(held, orderId, 'expired') })
  },
})
