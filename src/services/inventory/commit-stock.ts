// Committing takes held stock off the stock on hand, between payment and shipment; its undo puts it back.
import { on } from '../../kernel/handler.ts'
import { CommitStock, OrderRestocked, RestockOrder, StockCommitRefused, StockCommitted } from './contract.ts'
import { reservation } from './reservation.ts'
import { commit, moveStock, restock, stocksOf, unitsOf } from './stock.ts'

/** Refused when the hold has run out: its pieces may be another order's by now, so this one must not be shipped. */
export const commitStock = on(CommitStock, {
  says: [StockCommitted, StockCommitRefused],
  loads: ({ orderId, items }) => [reservation.at(orderId), ...stocksOf(items)],
  handle: ({ orderId }, held) => {
    const before = held.get(reservation.at(orderId))
    const { status, allocations, commitUndone } = before
    const units = unitsOf(allocations)
    if (status === 'committed') return StockCommitted({ orderId, units })
    if (status !== 'held') return StockCommitRefused({ orderId, state: status })
    if (commitUndone) return StockCommitRefused({ orderId, state: 'restocked' })
    moveStock(held, allocations, commit)
    held.put(reservation.at(orderId), { ...before, status: 'committed' })
    return StockCommitted({ orderId, units })
  },
})

/** Before the commit came it leaves a tombstone; a hold stays held for the ReleaseStock that follows. */
export const restockOrder = on(RestockOrder, {
  says: [OrderRestocked],
  loads: ({ orderId, items }) => [reservation.at(orderId), ...stocksOf(items)],
  handle: ({ orderId }, held) => {
    const before = held.get(reservation.at(orderId))
    if (before.status === 'committed') {
      moveStock(held, before.allocations, restock)
      held.put(reservation.at(orderId), { ...before, status: 'restocked' })
      return OrderRestocked({ orderId, units: unitsOf(before.allocations) })
    }
    if (before.status === 'none' || before.status === 'held') {
      held.put(reservation.at(orderId), { ...before, commitUndone: true })
    }
    return OrderRestocked({ orderId, units: 0 })
  },
})
