// Catalog's part of the feed `domain-events`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy } from '../../../testing/feeding.ts'
import { ProductAdded, ProductChanged } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const product = {
  sku: 'LAPTOP-001',
  productId: 'p-1',
  name: 'Laptop',
  description: 'Light',
  price: '999.99',
  currency: 'EUR',
  active: true,
}
const data = '{"productId":"p-1","sku":"LAPTOP-001","name":"Laptop","price":999.99,"currency":"EUR","active":true}'

test('a product is created and updated', () => {
  assert.deepEqual(fedBy(domainEvents, ProductAdded({ ...product, openingQuantity: 3 })), {
    'product-events': `{"eventType":"product.created","data":${data}}`,
  })
  assert.deepEqual(fedBy(domainEvents, ProductChanged(product)), {
    'product-events': `{"eventType":"product.updated","data":${data}}`,
  })
})
