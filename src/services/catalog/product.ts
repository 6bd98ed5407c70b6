// A product: added once, changed as a whole, known by its SKU and by its id.
import { entity } from '../../kernel/entity.ts'
import { on } from '../../kernel/handler.ts'
import type { DataOf } from '../../kernel/message.ts'
import { MoneyError, toAmount, toMinor } from '../../kernel/money.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import { StockAdjusted } from '../inventory/contract.ts'
import { AddProduct, ChangeProduct, ProductAdded, ProductChanged } from './contract.ts'

/** `version` counts the changes, 0 where there is no product; it is the ETag. */
export interface Product {
  readonly version: number
  readonly details?: DataOf<typeof ProductChanged>
  /** Inventory has said that it knows the SKU: from then on an order finds its stock. */
  readonly stocked: boolean
}

export const product = entity<Product>('product', { initial: () => ({ version: 0, stocked: false }) })

/** Which SKU an id stands for. */
export const productAlias = entity<{ readonly sku: string }>('product_alias', { initial: () => ({ sku: '' }) })

export const addProduct = on(AddProduct, {
  says: [ProductAdded],
  loads: ({ sku, productId }) => [product.at(sku), productAlias.at(productId)],
  handle: ({ openingQuantity, ...given }, held) => {
    const { sku, productId } = given
    const ref = product.at(sku)
    const alias = productAlias.at(productId)
    refuse(held.get(ref).version > 0, 'SKU_TAKEN', { sku })
    refuse(held.get(alias).sku !== '', 'PRODUCT_ID_TAKEN', { productId })
    const details = { ...given, price: canonicalPrice(given.price, given.currency) }
    held.put(ref, { version: 1, details, stocked: false })
    held.put(alias, { sku })
    return ProductAdded({ ...details, openingQuantity })
  },
})

export const changeProduct = on(ChangeProduct, {
  says: [ProductChanged],
  loads: ({ sku }) => [product.at(sku)],
  handle: ({ expectedVersion, ...given }, held) => {
    const ref = product.at(given.sku)
    const { version, details: before, stocked } = held.get(ref)
    if (before === undefined) throw new Refusal('PRODUCT_NOT_FOUND', { sku: given.sku })
    refuse(expectedVersion !== undefined && expectedVersion !== version, 'PRODUCT_CHANGED', { version })
    const { productId } = before
    const details = { ...given, productId, price: canonicalPrice(given.price, given.currency) }
    held.put(ref, { version: version + 1, details, stocked })
    return ProductChanged(details)
  },
})

/**
 * Inventory says StockAdjusted of every SKU that it opens: a service reads only its own tables, so this is how the
 * route that added a product learns that its stock can be sold.
 */
export const noteStocked = on(StockAdjusted, {
  says: [],
  loads: ({ sku }) => [product.at(sku)],
  handle: ({ sku }, held) => {
    const ref = product.at(sku)
    const known = held.get(ref)
    if (known.version > 0 && !known.stocked) held.put(ref, { ...known, stocked: true })
  },
})

/** With exactly its currency's decimals, so that everybody who compares prices compares the same text. */
function canonicalPrice(price: string, currency: string): string {
  try {
    return toAmount(toMinor(price, currency), currency)
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new Refusal('PRICE_INVALID', { ...error.details, problem: error.code })
  }
}
