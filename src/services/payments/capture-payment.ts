// Asking for a payment: once per order, whatever comes twice or too late.
import type { DataOf } from '../../kernel/message.ts'
import { on } from '../../kernel/handler.ts'
import type { Held } from '../../kernel/handler.ts'
import { sumMinor, toMinor } from '../../kernel/money.ts'
import { ManualPaymentReceived } from '../orders/contract.ts'
import { CapturePayment, PaymentCaptured, PaymentDeclined } from './contract.ts'
import type { Payment, Progress } from './payment.ts'
import { payment, paymentSays, proceed } from './payment.ts'

/** Keeps a payment's progress and hands on what it says. */
export function keepProgress(held: Held, orderId: string, progress: Progress): Progress['says'] {
  held.put(payment.at(orderId), progress.payment)
  return progress.says
}

export const capturePayment = on(CapturePayment, {
  says: paymentSays,
  loads: ({ orderId }) => [payment.at(orderId)],
  handle: (asked, held) => {
    const { orderId } = asked
    const before = held.get(payment.at(orderId))
    if (before.status !== 'none') return sayAgain(orderId, before)
    const after = opened(before, asked)
    // Capturing something else than was asked for would be worse than no sale.
    return keepProgress(held, orderId, isWhole(after) ? proceed(orderId, after) : refused(orderId, after))
  },
})

/** A person has the money: what is to be paid by hand counts as captured, now or when its turn comes. */
export const takeManualPayment = on(ManualPaymentReceived, {
  says: paymentSays,
  loads: ({ orderId }) => [payment.at(orderId)],
  handle: ({ orderId }, held) => {
    const received = { ...held.get(payment.at(orderId)), manualReceived: true }
    const isAwaited = received.status === 'awaiting-manual'
    return keepProgress(held, orderId, isAwaited ? proceed(orderId, received) : { payment: received, says: [] })
  },
})

function opened(before: Payment, { amount, currency, reference, parts }: DataOf<typeof CapturePayment>): Payment {
  const open = parts.map((part) => ({ ...part, status: 'open' as const, returned: '0' }))
  return { ...before, amount, currency, reference, parts: open }
}

function isWhole({ amount, currency, parts }: Payment): boolean {
  return sumMinor(parts.map((part) => toMinor(part.amount, currency))) === toMinor(amount, currency)
}

function refused(orderId: string, payment: Payment): Progress {
  const declineReason = 'PARTS_MISMATCH'
  const says = [PaymentDeclined({ orderId, reason: declineReason })]
  return { payment: { ...payment, status: 'declined', declineReason }, says }
}

/** What is still under way answers later, by itself. */
function sayAgain(orderId: string, { status, amount, currency, declineReason }: Payment) {
  if (status === 'captured') return PaymentCaptured({ orderId, amount, currency })
  if (status === 'declined') return PaymentDeclined({ orderId, reason: declineReason })
  if (status === 'withdrawn' || status === 'refunded') return PaymentDeclined({ orderId, reason: 'WITHDRAWN' })
  return []
}
