// A payment: its parts are captured one after the other as one, or all of them are given back.
import { entity } from '../../kernel/entity.ts'
import type { Said } from '../../kernel/handler.ts'
import type { Amount } from '../../kernel/money.ts'
import { sumMinor, toAmount, toMinor } from '../../kernel/money.ts'
import type { PaymentPart } from './contract.ts'
import { PaymentCaptured, PaymentDeclined, PaymentRefunded } from './contract.ts'
import { captureAtGateway, refundAtGateway } from './gateway.effect.ts'

/**
 * - withdrawn: the undo came before the capture, which is refused from then on.
 * - refunding: money is being given back, because somebody asked for it or because a part was declined.
 * - unknown: the gateway never said what became of a request. Nothing is claimed; a person has to look.
 */
export type PaymentStatus =
  | 'none'
  | 'withdrawn'
  | 'capturing'
  | 'awaiting-manual'
  | 'captured'
  | 'declined'
  | 'refunding'
  | 'refunded'
  | 'unknown'

export interface Part extends Readonly<PaymentPart> {
  readonly status: 'open' | 'capturing' | 'captured' | 'declined' | 'refunding' | 'refunded' | 'unknown'
  /** What returns gave back of it, or are about to. */
  readonly returned: Amount
}

export interface Payment {
  readonly status: PaymentStatus
  readonly amount: Amount
  readonly currency: string
  readonly reference: string
  readonly parts: readonly Part[]
  /** Every part was captured, and PaymentCaptured said so. */
  readonly captured: boolean
  /** Nothing more may be captured, and what was is given back. */
  readonly refundAsked: boolean
  /** A person settled what is to be paid by hand; that news may come before the payment is asked for. */
  readonly manualReceived: boolean
  /** Why a part was declined; empty as long as none was. */
  readonly declineReason: string
  /** Refunds of returns whose outcome is not known: the refund of the rest waits for them. */
  readonly returnsInFlight: number
}

export const payment = entity<Payment>('payment', {
  initial: () => ({
    status: 'none',
    amount: '0',
    currency: '',
    reference: '',
    parts: [],
    captured: false,
    refundAsked: false,
    manualReceived: false,
    declineReason: '',
    returnsInFlight: 0,
  }),
})

/** All that moving a payment on may lead to. */
export const paymentSays = [
  PaymentCaptured,
  PaymentDeclined,
  PaymentRefunded,
  captureAtGateway,
  refundAtGateway,
] as const
type Saying = Said<typeof paymentSays>

export interface Progress {
  readonly payment: Payment
  readonly says: readonly Saying[]
}

/** What is left of a captured part, in minor units. */
export function restOf({ amount, returned }: Part, currency: string): bigint {
  return toMinor(amount, currency) - toMinor(returned, currency)
}

/** What is left of the whole capture, in minor units. */
export function restOfCapture({ captured, parts, currency }: Payment): bigint {
  return captured ? sumMinor(parts.map((part) => restOf(part, currency))) : 0n
}

export function withPart(payment: Payment, at: number, change: Partial<Part>): Payment {
  const parts = payment.parts.map((part, index) => (index === at ? { ...part, ...change } : part))
  return { ...payment, parts }
}

/** Does what comes next, until the payment waits for somebody or is over. */
export function proceed(orderId: string, payment: Payment): Progress {
  const isBackwards = payment.refundAsked || payment.declineReason !== ''
  return isBackwards ? giveBack(orderId, payment) : captureNext(orderId, payment)
}

/** Never two parts at once: after a decline as few as possible have to be given back. */
function captureNext(orderId: string, payment: Payment): Progress {
  const { parts, amount, currency, reference, manualReceived } = payment
  if (parts.some(({ status }) => status === 'capturing')) return { payment, says: [] }
  if (parts.some(({ status }) => status === 'unknown')) return { payment: { ...payment, status: 'unknown' }, says: [] }
  const at = parts.findIndex(({ status }) => status === 'open')
  const part = parts[at]
  if (part === undefined) {
    const says = [PaymentCaptured({ orderId, amount, currency })]
    return { payment: { ...payment, status: 'captured', captured: true }, says }
  }
  const isPaid = toMinor(part.amount, currency) === 0n || (part.method === 'manual' && manualReceived)
  if (isPaid) return captureNext(orderId, withPart(payment, at, { status: 'captured' }))
  if (part.method === 'manual') return { payment: { ...payment, status: 'awaiting-manual' }, says: [] }
  const { method } = part
  const request = captureAtGateway({ orderId, part: at, method, amount: part.amount, currency, reference })
  return { payment: { ...withPart(payment, at, { status: 'capturing' }), status: 'capturing' }, says: [request] }
}

/** Waits for the outcome of everything in flight before it reverses it: what is not known can not be undone. */
function giveBack(orderId: string, payment: Payment): Progress {
  const { amount, currency, reference, captured, returnsInFlight } = payment
  const isWaiting = payment.parts.some(({ status }) => status === 'capturing') || returnsInFlight > 0
  if (isWaiting) return { payment, says: [] }
  const says: Saying[] = []
  const isWhole = captured || payment.parts.every(({ status }) => status === 'captured')
  if (isWhole && !captured) says.push(PaymentCaptured({ orderId, amount, currency }))
  const parts = payment.parts.map((part, at): Part => {
    if (part.status !== 'captured') return part
    const rest = restOf(part, currency)
    // What was paid by hand a person gives back by hand.
    if (part.method === 'manual' || rest === 0n) return { ...part, status: 'refunded' }
    says.push(refundAtGateway({ orderId, part: at, amount: toAmount(rest, currency), currency, reference }))
    return { ...part, status: 'refunding' }
  })
  const closed = close(orderId, { ...payment, parts, captured: isWhole })
  return { payment: closed.payment, says: [...says, ...closed.says] }
}

/** Says how it ended once nothing can happen any more, and not before. */
function close(orderId: string, payment: Payment): Progress {
  const { parts, currency, declineReason, refundAsked } = payment
  if (parts.some(({ status }) => status === 'refunding'))
    return { payment: { ...payment, status: 'refunding' }, says: [] }
  if (parts.some(({ status }) => status === 'unknown')) return { payment: { ...payment, status: 'unknown' }, says: [] }
  const says: Saying[] = []
  if (declineReason !== '') says.push(PaymentDeclined({ orderId, reason: declineReason }))
  if (refundAsked) {
    says.push(PaymentRefunded({ orderId, amount: toAmount(restOfCapture(payment), currency), currency }))
  }
  return { payment: { ...payment, status: declineReason === '' ? 'refunded' : 'declined' }, says }
}
