// What inventory publishes, takes and refuses: stock on hand, held for orders, committed, returned.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { id, quantity, sku, text } from '../../kernel/shapes.ts'

export const inventoryContract = contract('inventory')

/** The topic of the feed `domain-events`. */
export const domainStock = inventoryContract.outward('inventory-events', {
  partitions: 4,
  keep: '14 d',
  compression: 'gzip',
})

/** The topics of the feed `order-pipeline`. Its own name for the second is taken by our log: hence the prefix. */
export const inventoryResponses = inventoryContract.outward('inventory.responses', {
  partitions: 3,
  keep: '1 d',
  compression: 'lz4',
})
export const pipelineInventory = inventoryContract.outward('pipeline.inventory.events', {
  partitions: 3,
  keep: '7 d',
  compression: 'snappy',
})

/** A SKU named twice is summed. */
export const stockLine = z.object({ sku, quantity })
export type StockLine = z.output<typeof stockLine>
const lines = z.array(stockLine).min(1).max(500)
const order = { orderId: id }
/** Pieces over all lines: what analytics sums. */
const units = z.int()

export const ReserveStock = inventoryContract.command('ReserveStock', {
  key: 'orderId',
  body: { ...order, items: lines, holdMs: z.int().positive() },
})
/** `items` names the stocks to load; how much is given back or taken off is what the reservation itself remembers. */
const reserved = { ...order, items: lines }

export const ReleaseStock = inventoryContract.command('ReleaseStock', { key: 'orderId', body: reserved })
export const CommitStock = inventoryContract.command('CommitStock', { key: 'orderId', body: reserved })
export const RestockOrder = inventoryContract.command('RestockOrder', { key: 'orderId', body: reserved })
export const ExpireReservation = inventoryContract.command('ExpireReservation', { key: 'orderId', body: reserved })
export const RestockReturn = inventoryContract.command('RestockReturn', {
  key: 'orderId',
  body: { ...order, returnId: id, items: lines },
})
export const TakeBackReturn = inventoryContract.command('TakeBackReturn', {
  key: 'orderId',
  body: { ...order, returnId: id, items: lines },
})
/** `quantity` is what is added or, negative, taken away; `adjustmentId` makes it happen once. */
export const AdjustStock = inventoryContract.command('AdjustStock', {
  key: 'sku',
  body: { sku, location: text(64), quantity: z.int(), reason: text(200), adjustmentId: id },
})

export const StockReserved = inventoryContract.event('StockReserved', { key: 'orderId', body: { ...order, units } })
export const StockRefused = inventoryContract.event('StockRefused', {
  key: 'orderId',
  body: { ...order, missing: z.array(z.object({ sku, wanted: z.int(), available: z.int() })) },
})
/** `units` is 0 where nothing was held. */
export const StockReleased = inventoryContract.event('StockReleased', { key: 'orderId', body: { ...order, units } })
export const StockCommitted = inventoryContract.event('StockCommitted', { key: 'orderId', body: { ...order, units } })
export const StockCommitRefused = inventoryContract.event('StockCommitRefused', {
  key: 'orderId',
  body: { ...order, state: z.string() },
})
export const OrderRestocked = inventoryContract.event('OrderRestocked', { key: 'orderId', body: { ...order, units } })
export const ReturnRestocked = inventoryContract.event('ReturnRestocked', {
  key: 'orderId',
  body: { ...order, returnId: id, units },
})
export const ReturnTakenBack = inventoryContract.event('ReturnTakenBack', {
  key: 'orderId',
  body: { ...order, returnId: id, units },
})
export const ReservationExpired = inventoryContract.event('ReservationExpired', {
  key: 'orderId',
  body: { ...order, units },
})
/** `onHand` is the SKU's sum over all locations. A product's opening stock is said so too. */
export const StockAdjusted = inventoryContract.event('StockAdjusted', {
  key: 'sku',
  body: { sku, location: z.string(), quantity: z.int(), onHand: z.int(), reason: z.string() },
})
export const StockLow = inventoryContract.event('StockLow', {
  key: 'sku',
  body: { sku, available: z.int(), threshold: z.int() },
})

export const inventoryCodes = {
  STOCK_NOT_FOUND: { status: 404, title: 'Nothing is known of the stock of this SKU. Add the product first.' },
  STOCK_BELOW_HELD: {
    status: 409,
    title: 'The adjustment would leave less on hand than orders hold. Cancel orders or adjust by less.',
  },
  STOCK_LOCATIONS_FULL: { status: 422, title: 'The SKU lies at as many locations as it may. Use one of them.' },
  STOCK_ABOVE_LIMIT: { status: 422, title: 'More would be on hand than can be counted. Check the quantity.' },
  RESERVATION_NOT_FOUND: { status: 404, title: 'No stock was ever asked for this order. Check the order id.' },
} as const satisfies CodeTable
