// Preloaded into a measured server: inventory fails at some products for ever, as a fault in a handler would make it.
import { openStock } from '../../src/services/inventory/adjust-stock.ts'
import { TROUBLED_SKU } from './shop.ts'

/** What a handler would do that meets a value which nobody thought of: it throws each time, for this key only. */
const { handle } = openStock

// The registry takes the handler when the application is put together, which is after this.
Object.assign(openStock, {
  handle: (...[product, ...rest]: Parameters<typeof handle>) => {
    const { sku } = product as { readonly sku: string }
    if (sku.startsWith(TROUBLED_SKU)) throw new Error('The bench wants this product to be in trouble.')
    return handle(product, ...rest)
  },
})
