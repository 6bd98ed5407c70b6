// What catalog publishes and answers: what is sold, and for how much.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { amount, currency, id, sku, text } from '../../kernel/shapes.ts'

export const catalogContract = contract('catalog')

/** The topic of the feed `domain-events`. */
export const domainProducts = catalogContract.outward('product-events', {
  partitions: 3,
  keep: '30 d',
  compression: 'gzip',
})

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
/**
 * The product keeps its id, so the command does not name it. `expectedVersion` is what the caller saw; without it the
 * change is made whatever happened in between.
 */
export const ChangeProduct = catalogContract.command('ChangeProduct', {
  key: 'sku',
  body: {
    sku,
    name: product.name,
    description: product.description,
    price: amount,
    currency,
    active: product.active,
    expectedVersion: z.int().optional(),
  },
})
/** `openingQuantity` is what inventory starts the SKU with; it answers with StockAdjusted, also where that is zero. */
export const ProductAdded = catalogContract.event('ProductAdded', {
  key: 'sku',
  body: { ...product, openingQuantity: z.int().min(0) },
})
export const ProductChanged = catalogContract.event('ProductChanged', { key: 'sku', body: product })

export const catalogCodes = {
  PRODUCT_NOT_FOUND: { status: 404, title: 'No product has this SKU or id. Check it, or add the product first.' },
  SKU_TAKEN: { status: 409, title: 'Another product has this SKU. Choose another one, or change that product.' },
  PRODUCT_ID_TAKEN: { status: 409, title: 'Another product has this id. Leave it out, and the server makes one.' },
  PRODUCT_CHANGED: {
    status: 409,
    title: 'Somebody changed the product in between. Read it again and repeat the change.',
  },
  PRICE_INVALID: {
    status: 422,
    title: 'The price does not fit its currency. Write it as a decimal with its decimals.',
  },
} as const satisfies CodeTable
