// What payments publishes and takes: one capture an order, whole or partial refunds, never above the capture.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { amount, currency, id } from '../../kernel/shapes.ts'

export const paymentsContract = contract('payments')

/** The topic of the feed `domain-events`. */
export const domainPayments = paymentsContract.outward('payment-events', {
  partitions: 6,
  keep: '90 d',
  compression: 'gzip',
})

/** How a client pays; `manual` is settled by a person (PATCH status PAID). */
export const PAYMENT_METHODS = ['card', 'pix', 'boleto', 'transfer', 'manual'] as const
export const paymentPart = z.object({ method: z.enum(PAYMENT_METHODS), amount })
export type PaymentPart = z.output<typeof paymentPart>

const order = { orderId: id }

/** The parts are captured as one: when one is declined, the others are given back and the whole is declined. */
export const CapturePayment = paymentsContract.command('CapturePayment', {
  key: 'orderId',
  body: { ...order, amount, currency, parts: z.array(paymentPart).min(1).max(20), reference: z.string() },
})
/** Undoes the capture. It names the currency because it may come before anything is known of the payment. */
export const RefundPayment = paymentsContract.command('RefundPayment', { key: 'orderId', body: { ...order, currency } })
export const RefundReturn = paymentsContract.command('RefundReturn', {
  key: 'orderId',
  body: { ...order, returnId: id, amount, currency },
})

export const PaymentCaptured = paymentsContract.event('PaymentCaptured', {
  key: 'orderId',
  body: { ...order, amount, currency },
})
export const PaymentDeclined = paymentsContract.event('PaymentDeclined', {
  key: 'orderId',
  body: { ...order, reason: z.string() },
})
/** `amount` is what of the captured payment was given back; 0 where it had not been captured as a whole. */
export const PaymentRefunded = paymentsContract.event('PaymentRefunded', {
  key: 'orderId',
  body: { ...order, amount, currency },
})
export const ReturnRefunded = paymentsContract.event('ReturnRefunded', {
  key: 'orderId',
  body: { ...order, returnId: id, amount, currency },
})
export const ReturnRefundRefused = paymentsContract.event('ReturnRefundRefused', {
  key: 'orderId',
  body: { ...order, returnId: id, reason: z.string() },
})

export const paymentsCodes = {
  PAYMENT_NOT_FOUND: { status: 404, title: 'No payment is known for this order. Check the order id.' },
} as const satisfies CodeTable
