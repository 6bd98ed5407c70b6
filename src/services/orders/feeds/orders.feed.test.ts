// The feeds in seed 3's shape: its own examples, field by field.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Feed } from '../../../kernel/feed.ts'
import { clientId, lamp, orderId, orderPlaced, summary } from '../../../testing/example-order.ts'
import { OrderCancelled, OrderFailed, OrderPaid } from '../contract.ts'
import { ordersCancelled, ordersCreated, ordersFailed, ordersPaid } from './orders.feed.ts'

const placedAt = Date.parse('2024-01-15T10:30:00.000Z')
const at = Date.parse('2024-01-15T10:35:00.000Z')
const written = (feed: Feed, data: unknown) => JSON.stringify(feed.record(data).value)

test('orders.created', () => {
  const items = [{ sku: 'LAMP', productId: lamp.productId, name: 'Lamp', quantity: 1, price: '4500.00' }]
  const { data } = orderPlaced({ items, total: '4500.00', placedAt })
  assert.equal(
    written(ordersCreated, data),
    `{"orderId":"${orderId}","clientId":"${clientId}","total":4500,"status":"PENDENTE",` +
      `"items":[{"productId":"${lamp.productId}","quantity":1,"price":4500}],"itemsCount":1,` +
      '"createdAt":"2024-01-15T10:30:00.000Z"}',
  )
})

test('orders.paid and orders.failed', () => {
  const turn = { ...summary(at), total: '4500.00' }
  const expected = (status: string) =>
    `{"orderId":"${orderId}","clientId":"${clientId}","clientName":"João Silva","status":"${status}","total":4500,` +
    '"updatedAt":"2024-01-15T10:35:00.000Z"}'
  assert.equal(written(ordersPaid, OrderPaid(turn).data), expected('PAGO'))
  assert.equal(written(ordersCancelled, OrderCancelled({ ...turn, reason: 'CLIENT' }).data), expected('CANCELADO'))
  assert.equal(written(ordersFailed, OrderFailed({ ...turn, reason: 'GIVEN_UP' }).data), expected('FALHA'))
})

test('each record lies under its order', () => {
  assert.deepEqual(
    [ordersCreated, ordersPaid, ordersCancelled, ordersFailed].map(({ topic, event }) => [topic, event.type]),
    [
      ['orders.created', 'OrderPlaced'],
      ['orders.paid', 'OrderPaid'],
      ['orders.failed', 'OrderCancelled'],
      ['orders.failed', 'OrderFailed'],
    ],
  )
  assert.equal(ordersCreated.record(orderPlaced().data).key, orderId)
  assert.equal(ordersPaid.record(summary()).key, orderId)
})
