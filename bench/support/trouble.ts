// Preloaded into a measured server: inventory fails at some products for ever, as a fault in a handler would make it.
import { openStock } from '../../src/services/inventory/adjust-stock.ts'
import { TROUBLED_SKU } from './shop.ts'

const { handle } = openStock

// The registry takes the handler when the application is put together, which is after this.
Object.assign(openStock, {
  handle: (...[product, ...rest]: Parameters<typeof handle>) => {
    const { sku } = product as { readonly sku: string }
    if (sku.startsWith(TROUBLED_SKU)) throw new Error('The bench wants this product to be in trouble.')
    return handle(product, ...rest)
  },
})
