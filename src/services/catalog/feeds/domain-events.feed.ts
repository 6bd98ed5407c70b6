// Catalog's part of the feed `domain-events`: product-events, with a type and its data.
import { type FedFacts, fed, feed, numberOf } from '../../../kernel/feed.ts'
import type { DataOf } from '../../../kernel/message.ts'
import { domainProducts, ProductAdded, ProductChanged } from '../contract.ts'

/** The price as it is at that moment, in the product's currency. */
function described(product: DataOf<typeof ProductChanged>, { type }: FedFacts) {
  const { productId, sku, name, price, currency, active } = product
  return { eventType: type, data: { productId, sku, name, price: numberOf(price), currency, active } }
}

export const domainEvents = feed('domain-events', [
  fed(ProductAdded, { to: domainProducts, as: 'product.created' }, described),
  fed(ProductChanged, { to: domainProducts, as: 'product.updated' }, described),
])
