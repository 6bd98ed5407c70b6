// An example client, two products, and orders of them, for the tests of orders.
import type { AnyRef } from '../kernel/handler.ts'
import type { DataOf, Message } from '../kernel/message.ts'
import * as contract from '../services/orders/contract.ts'
import { clientCopy, productById, productBySku } from '../services/orders/copies.ts'
import type { ProductCopy } from '../services/orders/copies.ts'
import { TEST_NOW } from './handle.ts'

export const orderId = '00000000-0000-7000-8000-0000000000aa'
export const clientId = '00000000-0000-7000-8000-0000000000cc'
export const returnId = '00000000-0000-7000-8000-0000000000bb'

export const lamp: ProductCopy = {
  sku: 'LAMP',
  productId: '00000000-0000-7000-8000-000000000001',
  name: 'Lamp',
  price: '10.00',
  currency: 'EUR',
  active: true,
}
export const rug: ProductCopy = {
  sku: 'RUG',
  productId: '00000000-0000-7000-8000-000000000002',
  name: 'Rug',
  price: '99.99',
  currency: 'EUR',
  active: true,
}

/** A product as the orders service keeps it: by SKU and by id. */
export function copied(product: ProductCopy): readonly (readonly [AnyRef, ProductCopy])[] {
  return [
    [productBySku(product.sku), product],
    [productById(product.productId), product],
  ]
}

/** A shop that knows one client, the lamp and the rug. */
export const shop: readonly (readonly [AnyRef, unknown])[] = [
  [clientCopy.at(clientId), { name: 'João Silva' }],
  ...copied(lamp),
  ...copied(rug),
]

/** Two lamps and a rug at the catalog's prices, with these fields changed. */
export function placeOrder(change: Partial<DataOf<typeof contract.PlaceOrder>> = {}): Message {
  return contract.PlaceOrder({
    orderId,
    clientId,
    items: [
      { sku: 'LAMP', quantity: 2 },
      { productId: rug.productId, quantity: 1 },
    ],
    source: 'tester',
    mayQuote: false,
    ...change,
  })
}

/** The event that `placeOrder()` leads to, with these fields changed. */
export function orderPlaced(
  change: Partial<DataOf<typeof contract.OrderPlaced>> = {},
): Message<'OrderPlaced', DataOf<typeof contract.OrderPlaced>> {
  return contract.OrderPlaced({
    orderId,
    clientId,
    clientName: 'João Silva',
    items: [
      { sku: 'LAMP', productId: lamp.productId, name: 'Lamp', quantity: 2, price: '10.00' },
      { sku: 'RUG', productId: rug.productId, name: 'Rug', quantity: 1, price: '99.99' },
    ],
    subtotal: '119.99',
    tax: '0.00',
    shipping: '0.00',
    total: '119.99',
    currency: 'EUR',
    payments: [{ method: 'card', amount: '119.99' }],
    priced: 'catalog',
    reference: '',
    source: 'tester',
    orderedAt: TEST_NOW,
    placedAt: TEST_NOW,
    ...change,
  })
}

/** What every turn of the example order says of it. */
export function summary(at = TEST_NOW) {
  const sums = { total: '119.99', currency: 'EUR', lines: 2, units: 3 }
  return { orderId, clientId, clientName: 'João Silva', ...sums, orderedAt: TEST_NOW, at }
}

export const orderPaid = contract.OrderPaid(summary())
export const orderConfirmed = contract.OrderConfirmed(summary())
export const orderCancelled = contract.OrderCancelled({ ...summary(), reason: 'CLIENT' })
