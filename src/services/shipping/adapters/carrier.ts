// The seam to whoever carries the goods: one interface, whose comments are the contract of every adapter.
import type { PostalAddress } from '../../../kernel/shapes.ts'

export interface BookingRequest {
  readonly orderId: string
  /** Personal: it goes to the carrier and into no log, no error text and no document of ours. */
  readonly address?: PostalAddress | undefined
  readonly pieces: number
  /** The shop's own name of the order, printed on the label. */
  readonly reference: string
}

export interface CancellationRequest {
  readonly orderId: string
  readonly trackingNumber: string
  readonly reference: string
}

/** A refusal is an answer, not an error; its reason is a word such as `NOT_SERVED`. */
export type BookingResult =
  | { readonly outcome: 'booked'; readonly carrier: string; readonly trackingNumber: string }
  | { readonly outcome: 'refused'; readonly reason: string }

/** Refused when it is too late: the goods are on their way. */
export type CancellationResult =
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'refused'; readonly reason: string }

export interface CarrierCall {
  /** The same for every try of a request, so that the carrier works once. */
  readonly idempotencyKey: string
  /** Aborted when the time limit is over; the carrier may still finish what it began. */
  readonly signal: AbortSignal
}

/**
 * - A promise that resolves is the carrier's final word. Everything else throws; then nobody knows what happened, and
 *   `find…` is asked before anything is sent again.
 * - The same key works at most once for as long as the carrier remembers keys (24 hours).
 */
export interface Carrier {
  book(request: BookingRequest, call: CarrierCall): Promise<BookingResult>
  cancel(request: CancellationRequest, call: CarrierCall): Promise<CancellationResult>
  /** What became of a booking; undefined only if it never arrived and never will. Throws while it is worked on. */
  findBooking(request: BookingRequest, call: CarrierCall): Promise<BookingResult | undefined>
  /** The same for a cancellation. */
  findCancellation(request: CancellationRequest, call: CarrierCall): Promise<CancellationResult | undefined>
}
