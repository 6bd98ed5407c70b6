// The two things that shipping asks of the outside: book a shipment, cancel it.
import { effect } from '../../kernel/effect.ts'
import type { BookingRequest, CancellationRequest, Carrier } from './adapters/carrier.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

const limits = {
  adapter: 'carrier',
  timeoutMs: 10 * SECOND_MS,
  concurrency: 100,
  /** Ten tries over seven hours, within half of the key's life. */
  retryDelaysMs: [
    100,
    SECOND_MS,
    5 * SECOND_MS,
    30 * SECOND_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    20 * MINUTE_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
  ],
  keyLifetimeMs: 24 * HOUR_MS,
}

export const bookWithCarrier = effect<Carrier>()('bookWithCarrier', {
  ...limits,
  key: (request: BookingRequest) => request.orderId,
  part: () => 'booking',
  personal: ({ address }) => Object.values(address ?? {}),
  call: (carrier, request, call) => carrier.book(request, call),
  ask: (carrier, request, call) => carrier.findBooking(request, call),
})

export const cancelWithCarrier = effect<Carrier>()('cancelWithCarrier', {
  ...limits,
  key: (request: CancellationRequest) => request.orderId,
  part: () => 'cancellation',
  call: (carrier, request, call) => carrier.cancel(request, call),
  ask: (carrier, request, call) => carrier.findCancellation(request, call),
})
