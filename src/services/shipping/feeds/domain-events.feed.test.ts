// Shipping's part of the feed `domain-events`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy } from '../../../testing/feeding.ts'
import { ShipmentBooked, ShipmentCancelled, ShipmentRefused, TrackingStepRecorded } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const orderId = '12345'
const fed = (type: string, data: string) => ({ 'shipping-events': `{"eventType":"shipment.${type}","data":${data}}` })

test('a shipment from its booking to its tracking', () => {
  assert.deepEqual(
    fedBy(domainEvents, ShipmentBooked({ orderId, carrier: 'simulated', trackingNumber: 'T1' })),
    fed('created', '{"orderId":"12345","carrier":"simulated","trackingNumber":"T1"}'),
  )
  assert.deepEqual(
    fedBy(domainEvents, ShipmentRefused({ orderId, reason: 'too heavy' })),
    fed('refused', '{"orderId":"12345","reason":"too heavy"}'),
  )
  assert.deepEqual(fedBy(domainEvents, ShipmentCancelled({ orderId })), fed('cancelled', '{"orderId":"12345"}'))
  assert.deepEqual(
    fedBy(domainEvents, TrackingStepRecorded({ orderId, step: 'DELIVERED', note: 'left with João' })),
    fed('tracking.updated', '{"orderId":"12345","status":"DELIVERED"}'),
  )
})
