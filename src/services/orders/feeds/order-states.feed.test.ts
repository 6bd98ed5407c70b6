// The feed `order-states` against the shape that its readers were given, example by example.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderPlaced, summary } from '../../../testing/example-order.ts'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, OrderPaid } from '../contract.ts'
import { orderStates } from './order-states.feed.ts'

const order = { orderId: '507f1f77bcf86cd799439011', clientId: '1', total: '4500.00' }

test('orders.created is the example', () => {
  const placed = orderPlaced({
    ...order,
    items: [{ sku: 'NOTEBOOK', productId: '1', name: 'Notebook', quantity: 1, price: '4500.00' }],
    placedAt: Date.parse('2024-01-15T10:30:00.000Z'),
  })
  const example = `{
    "orderId": "507f1f77bcf86cd799439011",
    "clientId": "1",
    "total": 4500.00,
    "status": "PENDENTE",
    "items": [
      {
        "productId": "1",
        "quantity": 1,
        "price": 4500.00
      }
    ],
    "itemsCount": 1,
    "createdAt": "2024-01-15T10:30:00.000Z"
  }`
  assert.deepEqual(fedBy(orderStates, placed), { 'orders.created': inOneLine(example) })
})

test('orders.paid is the example', () => {
  const paid = OrderPaid({ ...summary(Date.parse('2024-01-15T10:35:00.000Z')), ...order })
  const example = `{
    "orderId": "507f1f77bcf86cd799439011",
    "clientId": "1",
    "clientName": "João Silva",
    "status": "PAGO",
    "total": 4500.00,
    "updatedAt": "2024-01-15T10:35:00.000Z"
  }`
  assert.deepEqual(fedBy(orderStates, paid), { 'orders.paid': inOneLine(example) })
})

test('orders.failed is the example, and an order that was given up is FALHA', () => {
  const ended = { ...summary(Date.parse('2024-01-15T10:40:00.000Z')), ...order, reason: 'CLIENT' }
  const example = `{
    "orderId": "507f1f77bcf86cd799439011",
    "clientId": "1",
    "clientName": "João Silva",
    "status": "CANCELADO",
    "total": 4500.00,
    "updatedAt": "2024-01-15T10:40:00.000Z"
  }`
  assert.deepEqual(fedBy(orderStates, OrderCancelled(ended)), { 'orders.failed': inOneLine(example) })
  assert.deepEqual(fedBy(orderStates, OrderFailed(ended)), {
    'orders.failed': inOneLine(example.replace('CANCELADO', 'FALHA')),
  })
})

test('a confirmed order is no news to its readers', () => {
  assert.deepEqual(fedBy(orderStates, OrderConfirmed(summary())), {})
})

test('each topic has one partition, kept for a week', () => {
  const topics = [...new Set(orderStates.rules.map(({ to }) => to))]
  assert.deepEqual(
    topics.map(({ name, partitions, keep }) => [name, partitions, keep]),
    [
      ['orders.created', 1, '7 d'],
      ['orders.paid', 1, '7 d'],
      ['orders.failed', 1, '7 d'],
    ],
  )
})
