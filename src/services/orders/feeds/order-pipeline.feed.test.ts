// Orders' part of the feed `order-pipeline`: the flows of its readers, with their amounts and their words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderPlaced, summary } from '../../../testing/example-order.ts'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed } from '../contract.ts'
import { orderPipeline } from './order-pipeline.feed.ts'

const at = Date.parse('2024-01-15T10:30:00.000Z')
const order = { orderId: 'abc-123', clientId: 'customer-123', total: '1059.97' }
const productId = '00000000-0000-7000-8000-000000000009'

test('an order that was placed is created, and its stock is asked for', () => {
  const items = [
    { sku: 'LAPTOP-001', productId, name: 'Laptop', quantity: 1, price: '999.99' },
    { sku: 'MOUSE-001', productId, name: 'Mouse', quantity: 2, price: '29.99' },
  ]
  assert.deepEqual(fedBy(orderPipeline, orderPlaced({ ...order, items }), at), {
    'pipeline.orders.events': inOneLine(`{
      "event_type": "ORDER_CREATED", "order_id": "abc-123", "customer_id": "customer-123", "status": "PENDING",
      "items": [
        { "product_id": "LAPTOP-001", "quantity": 1, "price": 999.99 },
        { "product_id": "MOUSE-001", "quantity": 2, "price": 29.99 }
      ],
      "total": 1059.97, "timestamp": "2024-01-15T10:30:00.000Z"
    }`),
    'inventory.requests': inOneLine(`{
      "order_id": "abc-123", "action": "RESERVE",
      "items": [{ "product_id": "LAPTOP-001", "quantity": 1 }, { "product_id": "MOUSE-001", "quantity": 2 }],
      "timestamp": "2024-01-15T10:30:00.000Z"
    }`),
  })
})

test('an order that is confirmed is told to its client', () => {
  assert.deepEqual(fedBy(orderPipeline, OrderConfirmed({ ...summary(), ...order }), at), {
    'pipeline.orders.events': inOneLine(`{
      "event_type": "ORDER_CONFIRMED", "order_id": "abc-123", "customer_id": "customer-123", "status": "CONFIRMED",
      "total": 1059.97, "timestamp": "2024-01-15T10:30:00.000Z"
    }`),
    'notifications.requests': inOneLine(`{
      "notification_id": "abc-123.order-confirmed", "order_id": "abc-123", "type": "ORDER_CONFIRMED"
    }`),
  })
})

test('an order that is cancelled is told to its client, and its stock is given back', () => {
  const cancelled = OrderCancelled({ ...summary(), ...order, reason: 'OUT_OF_STOCK' })
  const rollback = '{ "order_id": "abc-123", "action": "ROLLBACK", "timestamp": "2024-01-15T10:30:00.000Z" }'
  const event = `{
    "event_type": "ORDER_CANCELLED", "order_id": "abc-123", "customer_id": "customer-123", "status": "CANCELLED",
    "reason": "Not enough stock", "total": 1059.97, "timestamp": "2024-01-15T10:30:00.000Z"
  }`
  assert.deepEqual(fedBy(orderPipeline, cancelled, at), {
    'pipeline.orders.events': inOneLine(event),
    'inventory.requests': inOneLine(rollback),
    'notifications.requests': inOneLine(`{
      "notification_id": "abc-123.order-cancelled", "order_id": "abc-123", "type": "ORDER_CANCELLED"
    }`),
  })
  const givenUp = OrderFailed({ ...summary(), ...order, reason: 'nobody answers' })
  assert.deepEqual(fedBy(orderPipeline, givenUp, at), {
    'pipeline.orders.events': inOneLine(event.replace('Not enough stock', 'nobody answers')),
    'inventory.requests': inOneLine(rollback),
  })
})

test('its topics are kept as its readers keep them', () => {
  const topics = [...new Set(orderPipeline.rules.map(({ to }) => to))]
  assert.deepEqual(
    topics.map(({ name, partitions, keep, compression }) => [name, partitions, keep, compression]),
    [
      ['pipeline.orders.events', 3, '7 d', 'snappy'],
      ['inventory.requests', 3, '1 d', 'lz4'],
      ['notifications.requests', 3, '2 d', 'gzip'],
    ],
  )
})
