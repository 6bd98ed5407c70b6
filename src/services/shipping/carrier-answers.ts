// What the carrier's answers do to a shipment.
import { onAnswer } from '../../kernel/effect.ts'
import type { BookingResult } from './adapters/carrier.ts'
import { bookWithCarrier, cancelWithCarrier } from './carrier.effect.ts'
import { ShipmentBooked, ShipmentCancelled, ShipmentRefused } from './contract.ts'
import type { Shipment } from './shipment.ts'
import { shipment } from './shipment.ts'

export const takeBookingAnswer = onAnswer(bookWithCarrier, {
  says: [ShipmentBooked, ShipmentRefused, ShipmentCancelled, cancelWithCarrier],
  loads: ({ orderId }) => [shipment.at(orderId)],
  handle: ({ orderId, reference }, answer, held) => {
    const before = held.get(shipment.at(orderId))
    if (before.status !== 'booking') return []
    // Without an answer the goods may be collected or not: claiming either would be a lie.
    const after =
      answer.outcome === 'gave-up' ? { ...before, status: 'unknown' as const } : booked(before, answer.result)
    held.put(shipment.at(orderId), after)
    const { carrier, trackingNumber, reason } = after
    if (after.status === 'unknown') return []
    if (after.status === 'refused') {
      const refused = ShipmentRefused({ orderId, reason })
      return before.cancelAsked ? [refused, ShipmentCancelled({ orderId })] : refused
    }
    const said = ShipmentBooked({ orderId, carrier, trackingNumber })
    return before.cancelAsked ? [said, cancelWithCarrier({ orderId, trackingNumber, reference })] : said
  },
})

function booked(before: Shipment, result: BookingResult): Shipment {
  if (result.outcome === 'refused') return { ...before, status: 'refused', reason: result.reason }
  const { carrier, trackingNumber } = result
  return { ...before, status: before.cancelAsked ? 'cancelling' : 'booked', carrier, trackingNumber }
}

export const takeCancellationAnswer = onAnswer(cancelWithCarrier, {
  says: [ShipmentCancelled],
  loads: ({ orderId }) => [shipment.at(orderId)],
  handle: ({ orderId }, answer, held) => {
    const before = held.get(shipment.at(orderId))
    if (before.status !== 'cancelling') return []
    if (answer.outcome === 'answered' && answer.result.outcome === 'cancelled') {
      held.put(shipment.at(orderId), { ...before, status: 'cancelled' })
      return ShipmentCancelled({ orderId })
    }
    // Goods that are on their way can only be stopped by a person.
    const isRefused = answer.outcome === 'answered' && answer.result.outcome === 'refused'
    held.put(shipment.at(orderId), { ...before, status: 'unknown', reason: isRefused ? answer.result.reason : '' })
    return []
  },
})
