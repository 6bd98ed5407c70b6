// Inventory's part of the feed `order-pipeline`: its answers, and what became of the stock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { ReservationExpired, StockRefused, StockReleased, StockReserved } from '../contract.ts'
import { orderPipeline } from './order-pipeline.feed.ts'

const at = Date.parse('2024-01-15T10:30:00.000Z')
const timestamp = '"timestamp":"2024-01-15T10:30:00.000Z"'
const order = { orderId: 'abc-123', units: 3 }

test('stock that is held is answered, and told', () => {
  assert.deepEqual(fedBy(orderPipeline, StockReserved(order), at), {
    'inventory.responses': `{"order_id":"abc-123","status":"RESERVED",${timestamp}}`,
    'pipeline.inventory.events': `{"event_type":"INVENTORY_RESERVED","order_id":"abc-123","units":3,${timestamp}}`,
  })
})

test('stock that is missing is answered with what there was', () => {
  const missing = [{ sku: 'LAPTOP-001', wanted: 100, available: 50 }]
  assert.deepEqual(fedBy(orderPipeline, StockRefused({ orderId: 'abc-123', missing }), at), {
    'inventory.responses': inOneLine(`{
      "order_id": "abc-123", "status": "INSUFFICIENT_STOCK", "reason": "Not enough stock",
      "items": [{ "product_id": "LAPTOP-001", "available": 50, "requested": 100 }], ${timestamp}
    }`),
  })
})

test('an order that was cancelled before it held anything is no lack of stock', () => {
  assert.deepEqual(fedBy(orderPipeline, StockRefused({ orderId: 'abc-123', missing: [] }), at), {})
})

test('stock that is given back is told, where any was held', () => {
  const released = {
    'pipeline.inventory.events': `{"event_type":"INVENTORY_RELEASED","order_id":"abc-123","units":3,${timestamp}}`,
  }
  assert.deepEqual(fedBy(orderPipeline, StockReleased(order), at), released)
  assert.deepEqual(fedBy(orderPipeline, ReservationExpired(order), at), released)
  assert.deepEqual(fedBy(orderPipeline, StockReleased({ ...order, units: 0 }), at), {})
})

test('its topics are kept as its readers keep them', () => {
  const topics = [...new Set(orderPipeline.rules.map(({ to }) => to))]
  assert.deepEqual(
    topics.map(({ name, partitions, keep, compression }) => [name, partitions, keep, compression]),
    [
      ['inventory.responses', 3, '1 d', 'lz4'],
      ['pipeline.inventory.events', 3, '7 d', 'snappy'],
    ],
  )
})
