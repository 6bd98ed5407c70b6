// A carrier in memory whose answers follow from each order's reference, so that a run repeats.
import type { SimulatedClock } from '../../../kernel/simulated.ts'
import { isOneIn, simulatedProvider, slownessOf } from '../../../kernel/simulated.ts'
import type { BookingRequest, BookingResult, CancellationRequest, CancellationResult, Carrier } from './carrier.ts'

export interface SimulatedCarrierSettings {
  readonly clock: SimulatedClock
  /** Refuses one in so many bookings, chosen by reference; 0 refuses none. */
  readonly refuseOneIn?: number
  /** How many bookings are remembered, the newest. */
  readonly ordersRemembered?: number
}

export interface SimulatedCarrier extends Carrier {
  /** How many bookings and cancellations were worked on: a repeated key is not counted again. */
  worked(): { readonly bookings: number; readonly cancellations: number }
  /** Drops what is still slow, so that no timer is left behind. */
  stop(): void
}

/**
 * Books, unless the reference holds one of these words:
 * - `REFUSE-SHIPMENT` refuses, `REFUSE-SHIPMENT-<REASON>` with that reason.
 * - `SLOW-SHIPMENT-<ms>` books that late, also when nobody waits any more.
 * - `LOSE-BOOKING` books, but the first answer is lost.
 * - `REFUSE-CANCELLATION` has collected the goods already.
 * - `CARRIER-DOWN` throws at every call and every question.
 */
export function simulatedCarrier({
  clock,
  refuseOneIn = 0,
  ordersRemembered,
}: SimulatedCarrierSettings): SimulatedCarrier {
  const bookings = simulatedProvider<BookingResult>(clock, ordersRemembered)
  const cancellations = simulatedProvider<CancellationResult>(clock, ordersRemembered)
  const worked = { bookings: 0, cancellations: 0 }
  const book = (request: BookingRequest) => ({
    delayMs: slownessOf(request.reference, 'SLOW-SHIPMENT-'),
    losesAnswer: request.reference.includes('LOSE-BOOKING'),
    settle: (): BookingResult => {
      worked.bookings += 1
      return bookingOf(request, refuseOneIn)
    },
  })
  const cancel = ({ reference }: CancellationRequest) => ({
    delayMs: 0,
    losesAnswer: false,
    settle: (): CancellationResult => {
      worked.cancellations += 1
      const isTooLate = reference.includes('REFUSE-CANCELLATION')
      return isTooLate ? { outcome: 'refused', reason: 'COLLECTED' } : { outcome: 'cancelled' }
    },
  })
  return {
    book: async (request, { idempotencyKey, signal }) => {
      mustBeReachable(request)
      return bookings.call(idempotencyKey, () => book(request), signal)
    },
    cancel: async (request, { idempotencyKey, signal }) => {
      mustBeReachable(request)
      return cancellations.call(idempotencyKey, () => cancel(request), signal)
    },
    findBooking: async (request, { idempotencyKey }) => {
      mustBeReachable(request)
      return bookings.find(idempotencyKey)
    },
    findCancellation: async (request, { idempotencyKey }) => {
      mustBeReachable(request)
      return cancellations.find(idempotencyKey)
    },
    worked: () => ({ ...worked }),
    stop: () => {
      bookings.stop()
      cancellations.stop()
    },
  }
}

function bookingOf({ orderId, reference }: BookingRequest, refuseOneIn: number): BookingResult {
  const [isRefused, reason = 'NOT_SERVED'] = /REFUSE-SHIPMENT(?:-([A-Z_]+))?/.exec(reference) ?? []
  const isChosen = isOneIn(refuseOneIn, 'refuse shipment', reference === '' ? orderId : reference)
  if (isRefused !== undefined || isChosen) return { outcome: 'refused', reason }
  return { outcome: 'booked', carrier: 'simulated', trackingNumber: `SIM-${orderId.replaceAll('-', '').toUpperCase()}` }
}

function mustBeReachable({ reference }: { readonly reference: string }): void {
  if (reference.includes('CARRIER-DOWN')) throw new Error('The carrier can not be reached.')
}
