// Shipping at a glance: a shipment an order, booked with a carrier, cancelled when the order is undone, tracked.
import { service } from '../../kernel/service.ts'
import { takeBookingAnswer, takeCancellationAnswer } from './carrier-answers.ts'
import * as contract from './contract.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { addTrackingStep, readShipment } from './routes.ts'
import { bookShipment, cancelShipment, shipment } from './shipment.ts'
import { recordTrackingStep } from './tracking.ts'

export const shipping = service({
  name: 'shipping',
  summary: 'A shipment an order, booked with a carrier, cancelled when the order is undone, and tracked.',
  contract: contract.shippingContract,
  codes: contract.shippingCodes,
  publishes: [
    contract.ShipmentBooked,
    contract.ShipmentRefused,
    contract.ShipmentCancelled,
    contract.TrackingStepRecorded,
  ],
  entities: [shipment],
  handlers: [bookShipment, cancelShipment, recordTrackingStep],
  answers: [takeBookingAnswer, takeCancellationAnswer],
  feeds: [domainEvents],
  routes: [readShipment, addTrackingStep],
})
