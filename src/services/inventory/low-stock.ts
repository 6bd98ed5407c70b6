// Low stock: said once when few pieces are left, and not again until there were more in between.
import type { Held } from '../../kernel/handler.ts'
import type { MessageOf } from '../../kernel/message.ts'
import { StockLow } from './contract.ts'
import { availableOf, stocksOf } from './stock.ts'

/** For a handler that took stock away: says which of the SKUs have just become low, and remembers that it was said. */
export function sayLowStock(held: Held, taken: readonly { readonly sku: string }[]): MessageOf<typeof StockLow>[] {
  return stocksOf(taken).flatMap((ref) => {
    const stock = held.get(ref)
    const available = availableOf(stock)
    if (stock.low || available > stock.lowAt) return []
    held.put(ref, { ...stock, low: true })
    return [StockLow({ sku: ref.key, available, threshold: stock.lowAt })]
  })
}
