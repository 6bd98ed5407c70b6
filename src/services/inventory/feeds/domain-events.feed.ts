// Inventory's part of the feed `domain-events`: inventory-events, with a type and its data.
import { type FedFacts, fed, feed } from '../../../kernel/feed.ts'
import {
  domainStock,
  ReservationExpired,
  StockAdjusted,
  StockCommitted,
  StockLow,
  StockReleased,
  StockReserved,
} from '../contract.ts'

interface Moved {
  readonly orderId: string
  readonly units: number
}

/** An order that held nothing moves no stock. */
function moved({ orderId, units }: Moved, { type }: FedFacts) {
  return units === 0 ? undefined : { eventType: type, data: { orderId, units } }
}

export const domainEvents = feed('domain-events', [
  fed(StockReserved, { to: domainStock, as: 'inventory.stock.reserved' }, moved),
  fed(StockReleased, { to: domainStock, as: 'inventory.stock.released' }, moved),
  fed(ReservationExpired, { to: domainStock, as: 'inventory.stock.released' }, moved),
  fed(StockCommitted, { to: domainStock, as: 'inventory.stock.committed' }, moved),
  fed(StockAdjusted, { to: domainStock, as: 'inventory.stock.updated' }, ({ sku, quantity, onHand }, { type }) => ({
    eventType: type,
    data: { sku, quantity, onHand },
  })),
  fed(StockLow, { to: domainStock, as: 'inventory.stock.low' }, ({ sku, available, threshold }, { type }) => ({
    eventType: type,
    data: { sku, available, threshold },
  })),
])
