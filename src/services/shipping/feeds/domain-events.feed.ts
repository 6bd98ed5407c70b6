// Shipping's part of the feed `domain-events`: shipping-events, with a type and its data.
import { fed, feed } from '../../../kernel/feed.ts'
import {
  domainShipments,
  ShipmentBooked,
  ShipmentCancelled,
  ShipmentRefused,
  TrackingStepRecorded,
} from '../contract.ts'

export const domainEvents = feed('domain-events', [
  fed(ShipmentBooked, { to: domainShipments, as: 'shipment.created' }, (booked, { type }) => {
    const { orderId, carrier, trackingNumber } = booked
    return { eventType: type, data: { orderId, carrier, trackingNumber } }
  }),
  fed(ShipmentRefused, { to: domainShipments, as: 'shipment.refused' }, ({ orderId, reason }, { type }) => ({
    eventType: type,
    data: { orderId, reason },
  })),
  fed(ShipmentCancelled, { to: domainShipments, as: 'shipment.cancelled' }, ({ orderId }, { type }) => ({
    eventType: type,
    data: { orderId },
  })),
  // What a carrier notes beside a step may name who opened the door.
  fed(
    TrackingStepRecorded,
    { to: domainShipments, as: 'shipment.tracking.updated' },
    ({ orderId, step }, { type }) => ({
      eventType: type,
      data: { orderId, status: step },
    }),
  ),
])
