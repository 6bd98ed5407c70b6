// The list of products by SKU.
import { projection } from '../../kernel/projection.ts'
import { ProductAdded, ProductChanged } from './contract.ts'

export const productList = projection('product_list', {
  key: ['sku'],
  columns: { sku: 'text', product_id: 'text', name: 'text', price: 'text', currency: 'text', active: 'integer' },
  folds: (fold) =>
    [ProductAdded, ProductChanged].map((event) =>
      fold(
        event,
        ({ sku }) => [sku],
        (_, { sku, productId, name, price, currency, active }) => ({
          sku,
          product_id: productId,
          name,
          price,
          currency,
          active: active ? 1 : 0,
        }),
      ),
    ),
})
