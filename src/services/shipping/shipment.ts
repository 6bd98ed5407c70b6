// A shipment: booked once per order, undone at any moment, and nothing claimed that nobody knows.
import { entity } from '../../kernel/entity.ts'
import { on } from '../../kernel/handler.ts'
import { BookShipment, CancelShipment, ShipmentBooked, ShipmentCancelled, ShipmentRefused } from './contract.ts'
import { bookWithCarrier, cancelWithCarrier } from './carrier.effect.ts'

/**
 * - withdrawn: the undo came before the booking, which is refused from then on.
 * - unknown: the carrier never said what became of a request, or would not cancel. A person has to look.
 */
export type ShipmentStatus =
  | 'none'
  | 'withdrawn'
  | 'booking'
  | 'booked'
  | 'refused'
  | 'cancelling'
  | 'cancelled'
  | 'unknown'

export interface TrackingStep {
  readonly step: string
  readonly note: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Where the goods go is told to the carrier only: an address is personal, and kept with the order. */
export interface Shipment {
  readonly status: ShipmentStatus
  readonly reference: string
  readonly carrier: string
  readonly trackingNumber: string
  /** Why the carrier refused. */
  readonly reason: string
  /** The undo came while the booking was under way: its outcome will be reversed. */
  readonly cancelAsked: boolean
  readonly steps: readonly TrackingStep[]
}

export const shipment = entity<Shipment>('shipment', {
  initial: () => ({
    status: 'none',
    reference: '',
    carrier: '',
    trackingNumber: '',
    reason: '',
    cancelAsked: false,
    steps: [],
  }),
})

export const bookShipment = on(BookShipment, {
  says: [ShipmentBooked, ShipmentRefused, bookWithCarrier],
  loads: ({ orderId }) => [shipment.at(orderId)],
  handle: (asked, held) => {
    const { orderId, reference } = asked
    const before = held.get(shipment.at(orderId))
    if (before.status !== 'none') return sayAgain(orderId, before)
    held.put(shipment.at(orderId), { ...before, status: 'booking', reference })
    return bookWithCarrier(asked)
  },
})

export const cancelShipment = on(CancelShipment, {
  says: [ShipmentCancelled, cancelWithCarrier],
  loads: ({ orderId }) => [shipment.at(orderId)],
  handle: ({ orderId }, held) => {
    const before = held.get(shipment.at(orderId))
    const { trackingNumber, reference } = before
    switch (before.status) {
      case 'none':
        held.put(shipment.at(orderId), { ...before, status: 'withdrawn' })
        return ShipmentCancelled({ orderId })
      case 'withdrawn':
      case 'refused':
      case 'cancelled':
        return ShipmentCancelled({ orderId })
      case 'booked':
        held.put(shipment.at(orderId), { ...before, status: 'cancelling' })
        return cancelWithCarrier({ orderId, trackingNumber, reference })
      case 'booking':
        held.put(shipment.at(orderId), { ...before, cancelAsked: true })
        return []
      case 'cancelling':
      case 'unknown':
        return []
    }
  },
})

/** What is still under way answers later, by itself. */
function sayAgain(orderId: string, { status, carrier, trackingNumber, reason }: Shipment) {
  if (status === 'booked') return ShipmentBooked({ orderId, carrier, trackingNumber })
  if (status === 'refused') return ShipmentRefused({ orderId, reason })
  if (status === 'withdrawn' || status === 'cancelled') return ShipmentRefused({ orderId, reason: 'WITHDRAWN' })
  return []
}
