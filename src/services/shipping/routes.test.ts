// Shipping over HTTP: where an order's goods are, and the carrier's news about them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calling } from '../../testing/calling.ts'
import { holding, starting } from '../../testing/handle.ts'
import { shipping } from './service.ts'
import { shipment } from './shipment.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const path = `/v1/shipments/${orderId}`
const booked = () =>
  holding([starting(shipment.at(orderId), { status: 'booked', carrier: 'C', trackingNumber: 'T-1' })])

test('a step is recorded and shown with the shipment', async () => {
  const { call, said } = calling(shipping, { documents: booked() })
  const { status, body } = await call('POST', `${path}/steps`, { body: { step: 'COLLECTED', note: 'gate 4' } })
  const steps = [{ step: 'COLLECTED', note: 'gate 4', at: '2026-11-21T09:00:00.000Z' }]
  const shown = { orderId, status: 'booked', carrier: 'C', trackingNumber: 'T-1', reason: null, steps }
  assert.deepEqual({ status, body }, { status: 201, body: shown })
  assert.deepEqual(
    said.map(({ type }) => type),
    ['TrackingStepRecorded'],
  )
  assert.deepEqual((await call('GET', path)).body, shown)
})

test('a step that is none, or of a shipment that is none, is refused', async () => {
  const { call } = calling(shipping, { documents: booked() })
  await assert.rejects(call('POST', `${path}/steps`, { body: { step: 'LOST' } }), { name: 'ZodError' })
  await assert.rejects(call('POST', `${path}/steps`, { body: { step: 'COLLECTED', at: 1 } }), { name: 'ZodError' })
  const unknown = calling(shipping)
  await assert.rejects(unknown.call('GET', path), { code: 'SHIPMENT_NOT_FOUND' })
  const step = unknown.call('POST', `${path}/steps`, { body: { step: 'COLLECTED' } })
  await assert.rejects(step, { code: 'SHIPMENT_NOT_FOUND' })
})
