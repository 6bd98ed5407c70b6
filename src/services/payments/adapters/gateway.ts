// The seam to whoever moves the money: one interface, whose comments are the contract of every adapter.
import type { Amount } from '../../../kernel/money.ts'
import type { PaymentPart } from '../contract.ts'

export interface CaptureRequest {
  readonly orderId: string
  /** Which part of the payment, from 0. */
  readonly part: number
  readonly method: PaymentPart['method']
  readonly amount: Amount
  readonly currency: string
  /** The shop's own name of the order, shown on statements. */
  readonly reference: string
}

export interface RefundRequest {
  readonly orderId: string
  /** The part whose capture is given back. */
  readonly part: number
  /** Of a partial refund: the return that it belongs to. */
  readonly returnId?: string
  readonly amount: Amount
  readonly currency: string
  readonly reference: string
}

/** A decline is an answer, not an error; its reason is a word such as `INSUFFICIENT_FUNDS`. */
export type CaptureResult = { readonly outcome: 'captured' } | { readonly outcome: 'declined'; readonly reason: string }

export type RefundResult = { readonly outcome: 'refunded' } | { readonly outcome: 'refused'; readonly reason: string }

export interface GatewayCall {
  /** The same for every try of a request, so that the gateway works once. */
  readonly idempotencyKey: string
  /** Aborted when the time limit is over; the gateway may still finish what it began. */
  readonly signal: AbortSignal
}

/**
 * - A promise that resolves is the gateway's final word. Everything else throws: a time-out, a lost answer, an answer
 *   that is not understood. Then nobody knows what happened, and `find…` is asked before anything is sent again.
 * - The same key works at most once for as long as the gateway remembers keys (24 hours); a repetition gets the first
 *   answer.
 * - Error texts name no card, account or person: they are logged and kept.
 */
export interface PaymentGateway {
  capture(request: CaptureRequest, call: GatewayCall): Promise<CaptureResult>
  refund(request: RefundRequest, call: GatewayCall): Promise<RefundResult>
  /** What became of a capture; undefined only if it never arrived and never will. Throws while it is worked on. */
  findCapture(request: CaptureRequest, call: GatewayCall): Promise<CaptureResult | undefined>
  /** The same for a refund. */
  findRefund(request: RefundRequest, call: GatewayCall): Promise<RefundResult | undefined>
}
