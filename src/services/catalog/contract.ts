// What catalog publishes and answers: what is sold, and for how much.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { amount, currency, id, sku, text } from '../../kernel/shapes.ts'

export const catalogContract = contract('catalog')

const product = {
  sku,
  productId: id,
  name: text(200),
  description: z.string().max(5000),
  price: amount,
  currency,
  active: z.boolean(),
}

export const AddProduct = catalogContract.command('AddProduct', {
  key: 'sku',
  body: { ...product, openingQuantity: z.int().min(0) },
})
export const ChangeProduct = catalogContract.command('ChangeProduct', { key: 'sku', body: product })
/** `openingQuantity` is what inventory starts the SKU with. */
export const ProductAdded = catalogContract.event('ProductAdded', {
  key: 'sku',
  body: { ...product, openingQuantity: z.int().min(0) },
})
export const ProductChanged = catalogContract.event('ProductChanged', { key: 'sku', body: product })

export const catalogCodes = {
  PRODUCT_NOT_FOUND: { status: 404, title: 'No product has this SKU or id. Check it, or add the product first.' },
  SKU_TAKEN: { status: 409, title: 'Another product has this SKU. Choose another one, or change that product.' },
} as const satisfies CodeTable
