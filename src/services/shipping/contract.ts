// What shipping publishes and takes: a shipment an order, booked with a carrier, cancelled, tracked.
import { z } from 'zod'
import { contract, personal } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { id, postalAddress, text } from '../../kernel/shapes.ts'

export const shippingContract = contract('shipping')

/** The topic of the feed `domain-events`. */
export const domainShipments = shippingContract.outward('shipping-events', {
  partitions: 4,
  keep: '30 d',
  compression: 'gzip',
})

const order = { orderId: id }

export const BookShipment = shippingContract.command('BookShipment', {
  key: 'orderId',
  body: { ...order, address: personal(postalAddress).optional(), pieces: z.int(), reference: z.string() },
})
export const CancelShipment = shippingContract.command('CancelShipment', { key: 'orderId', body: order })
/** What a carrier reports on the way. */
export const trackingStep = {
  step: z.enum(['COLLECTED', 'IN_TRANSIT', 'OUT_FOR_DELIVERY', 'DELIVERED', 'RETURNED']),
  note: text(200).optional(),
}
export const RecordTrackingStep = shippingContract.command('RecordTrackingStep', {
  key: 'orderId',
  body: { ...order, ...trackingStep },
})

export const ShipmentBooked = shippingContract.event('ShipmentBooked', {
  key: 'orderId',
  body: { ...order, carrier: z.string(), trackingNumber: z.string() },
})
export const ShipmentRefused = shippingContract.event('ShipmentRefused', {
  key: 'orderId',
  body: { ...order, reason: z.string() },
})
export const ShipmentCancelled = shippingContract.event('ShipmentCancelled', { key: 'orderId', body: order })
export const TrackingStepRecorded = shippingContract.event('TrackingStepRecorded', {
  key: 'orderId',
  body: { ...order, step: z.string(), note: z.string().optional() },
})

export const shippingCodes = {
  SHIPMENT_NOT_FOUND: { status: 404, title: 'No shipment is known for this order. Check the order id.' },
  SHIPMENT_STEPS_FULL: { status: 409, title: 'The shipment has as many tracking steps as it may. Check for a loop.' },
  SHIPMENT_NOT_BOOKED: {
    status: 409,
    title: 'The shipment is not booked, so it has no tracking. Wait until it is, or check the order.',
  },
} as const satisfies CodeTable
