// Inventory's part of the feed `order-pipeline`: its answers to the order service, and what became of the stock.
import { type FedFacts, fed, feed } from '../../../kernel/feed.ts'
import { momentOf } from '../../../kernel/inputs.ts'
import type { DataOf } from '../../../kernel/message.ts'
import {
  inventoryResponses,
  pipelineInventory,
  ReservationExpired,
  StockRefused,
  StockReleased,
  StockReserved,
} from '../contract.ts'

interface Moved {
  readonly orderId: string
  readonly units: number
}

/** An order that held nothing moves no stock. */
function moved({ orderId, units }: Moved, { type, appendedAt }: FedFacts) {
  if (units === 0) return undefined
  return { event_type: type, order_id: orderId, units, timestamp: momentOf(appendedAt) }
}

/** Nothing is missing where the order was cancelled before it could hold anything. */
function refused({ orderId, missing }: DataOf<typeof StockRefused>, { type, appendedAt }: FedFacts) {
  if (missing.length === 0) return undefined
  return {
    order_id: orderId,
    status: type,
    reason: 'Not enough stock',
    items: missing.map(({ sku, available, wanted }) => ({ product_id: sku, available, requested: wanted })),
    timestamp: momentOf(appendedAt),
  }
}

export const orderPipeline = feed('order-pipeline', [
  fed(StockReserved, { to: inventoryResponses, as: 'RESERVED' }, ({ orderId }, { type, appendedAt }) => ({
    order_id: orderId,
    status: type,
    timestamp: momentOf(appendedAt),
  })),
  fed(StockReserved, { to: pipelineInventory, as: 'INVENTORY_RESERVED' }, moved),
  fed(StockRefused, { to: inventoryResponses, as: 'INSUFFICIENT_STOCK' }, refused),
  fed(StockReleased, { to: pipelineInventory, as: 'INVENTORY_RELEASED' }, moved),
  fed(ReservationExpired, { to: pipelineInventory, as: 'INVENTORY_RELEASED' }, moved),
])
