// Reserving stock: all lines of an order or none. Asked twice, held once.
import { on, schedule } from '../../kernel/handler.ts'
import { ExpireReservation, ReserveStock, StockLow, StockRefused, StockReserved } from './contract.ts'
import { sayLowStock } from './low-stock.ts'
import { reservation } from './reservation.ts'
import type { Reservation } from './reservation.ts'
import { availableOf, chooseLocations, hold, moveStock, quantityBySku, stock, stocksOf, unitsOf } from './stock.ts'

export const reserveStock = on(ReserveStock, {
  says: [StockReserved, StockRefused, StockLow],
  loads: ({ orderId, items }) => [reservation.at(orderId), ...stocksOf(items)],
  handle: ({ orderId, items, holdMs }, held, { now }) => {
    const before = held.get(reservation.at(orderId))
    if (before.status !== 'none') return sayAgain(orderId, before)
    const wanted = quantityBySku(items)
    const missing = wanted.flatMap(({ sku, quantity }) => {
      const available = availableOf(held.get(stock.at(sku)))
      return available < quantity ? [{ sku, wanted: quantity, available }] : []
    })
    if (missing.length > 0) {
      held.put(reservation.at(orderId), { ...before, status: 'refused', missing })
      return StockRefused({ orderId, missing })
    }
    const allocations = wanted.flatMap(({ sku, quantity }) =>
      chooseLocations(held.get(stock.at(sku)), quantity).map((pieces) => ({ sku, ...pieces })),
    )
    moveStock(held, allocations, hold)
    const expiresAt = now + holdMs
    held.put(reservation.at(orderId), { ...before, status: 'held', allocations, expiresAt })
    return [
      StockReserved({ orderId, units: unitsOf(allocations) }),
      ...sayLowStock(held, allocations),
      schedule(ExpireReservation({ orderId, items }), expiresAt),
    ]
  },
})

/** A refused order stays refused: a second try would hold stock for a saga that has gone on without it. */
function sayAgain(orderId: string, { status, allocations, missing }: Reservation) {
  const isReserved = status === 'held' || status === 'committed'
  // Released means that the undo came first and left a tombstone, or that the order is over.
  return isReserved
    ? StockReserved({ orderId, units: unitsOf(allocations) })
    : StockRefused({ orderId, missing: [...missing] })
}
