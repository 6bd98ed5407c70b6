// How stock comes to be known and is corrected: the catalog opens it, a person adjusts it with a reason.
import { entity } from '../../kernel/entity.ts'
import { on } from '../../kernel/handler.ts'
import { refuse } from '../../kernel/refuse.ts'
import { ProductAdded } from '../catalog/contract.ts'
import { AdjustStock, StockAdjusted, StockLow } from './contract.ts'
import { sayLowStock } from './low-stock.ts'
import { MAIN_LOCATION, MAX_LOCATIONS, MAX_ON_HAND, adjust, locationOf, onHandOf, open, stock } from './stock.ts'
import type { Stock } from './stock.ts'

/** The reason of the first StockAdjusted of each SKU. */
export const OPENING_REASON = 'opening stock'

/** Who corrected what, when and why; `at` is 0 as long as the adjustment has not happened. */
export interface Adjustment {
  readonly at: number
  readonly sku: string
  readonly location: string
  readonly quantity: number
  readonly reason: string
  readonly by: string
}

export const adjustment = entity<Adjustment>('adjustment', {
  initial: () => ({ at: 0, sku: '', location: '', quantity: 0, reason: '', by: '' }),
})

export const openStock = on(ProductAdded, {
  says: [StockAdjusted],
  loads: ({ sku }) => [stock.at(sku)],
  handle: ({ sku, openingQuantity }, held) => {
    const before = held.get(stock.at(sku))
    if (before.opened) return []
    const opened = open(before, openingQuantity)
    held.put(stock.at(sku), opened)
    const quantity = openingQuantity
    return StockAdjusted({ sku, location: MAIN_LOCATION, quantity, onHand: onHandOf(opened), reason: OPENING_REASON })
  },
})

export const adjustStock = on(AdjustStock, {
  says: [StockAdjusted, StockLow],
  loads: ({ sku, adjustmentId }) => [stock.at(sku), adjustment.at(adjustmentId)],
  handle: ({ sku, location, quantity, reason, adjustmentId }, held, { now, principal }) => {
    if (held.get(adjustment.at(adjustmentId)).at > 0) return []
    const before = held.get(stock.at(sku))
    refuseUnsound(before, { location, quantity })
    const adjusted = adjust(before, { location, quantity })
    held.put(stock.at(sku), adjusted)
    held.put(adjustment.at(adjustmentId), { at: now, sku, location, quantity, reason, by: principal })
    const low = quantity < 0 ? sayLowStock(held, [{ sku }]) : []
    return [StockAdjusted({ sku, location, quantity, onHand: onHandOf(adjusted), reason }), ...low]
  },
})

function refuseUnsound(stock: Stock, { location, quantity }: { readonly location: string; readonly quantity: number }) {
  refuse(!stock.opened, 'STOCK_NOT_FOUND')
  const { onHand, held } = locationOf(stock, location)
  refuse(onHand + quantity < held, 'STOCK_BELOW_HELD', { location, onHand, held, quantity })
  refuse(onHandOf(stock) + quantity > MAX_ON_HAND, 'STOCK_ABOVE_LIMIT', { limit: MAX_ON_HAND })
  const isKnown = stock.locations.some(({ name }) => name === location)
  refuse(!isKnown && stock.locations.length >= MAX_LOCATIONS, 'STOCK_LOCATIONS_FULL', { limit: MAX_LOCATIONS })
}
