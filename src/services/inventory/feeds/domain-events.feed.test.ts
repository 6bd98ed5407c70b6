// Inventory's part of the feed `domain-events`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy } from '../../../testing/feeding.ts'
import * as contract from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const order = { orderId: '12345', units: 3 }
const fed = (type: string, data: string) => ({
  'inventory-events': `{"eventType":"inventory.stock.${type}","data":${data}}`,
})

test('stock that moves for an order', () => {
  const data = '{"orderId":"12345","units":3}'
  assert.deepEqual(fedBy(domainEvents, contract.StockReserved(order)), fed('reserved', data))
  assert.deepEqual(fedBy(domainEvents, contract.StockReleased(order)), fed('released', data))
  assert.deepEqual(fedBy(domainEvents, contract.ReservationExpired(order)), fed('released', data))
  assert.deepEqual(fedBy(domainEvents, contract.StockCommitted(order)), fed('committed', data))
  assert.deepEqual(fedBy(domainEvents, contract.StockReleased({ ...order, units: 0 })), {})
})

test('stock that somebody adjusts, and that runs low', () => {
  const adjusted = { sku: 'MOUSE-001', location: 'main', quantity: -2, onHand: 198, reason: 'broken by Ana' }
  assert.deepEqual(
    fedBy(domainEvents, contract.StockAdjusted(adjusted)),
    fed('updated', '{"sku":"MOUSE-001","quantity":-2,"onHand":198}'),
  )
  assert.deepEqual(
    fedBy(domainEvents, contract.StockLow({ sku: 'MOUSE-001', available: 4, threshold: 5 })),
    fed('low', '{"sku":"MOUSE-001","available":4,"threshold":5}'),
  )
})
