// Payments' part of the feed `domain-events`: payment-events, with a type and its data.
import { type FedFacts, fed, feed, numberOf } from '../../../kernel/feed.ts'
import type { Amount } from '../../../kernel/money.ts'
import { domainPayments, PaymentCaptured, PaymentDeclined, PaymentRefunded, ReturnRefunded } from '../contract.ts'

interface Paid {
  readonly orderId: string
  readonly amount: Amount
  readonly currency: string
}

/** A refund of nothing is none. */
function paid({ orderId, amount, currency }: Paid, { type }: FedFacts) {
  const sum = numberOf(amount)
  return sum === 0 ? undefined : { eventType: type, data: { orderId, amount: sum, currency } }
}

export const domainEvents = feed('domain-events', [
  fed(PaymentCaptured, { to: domainPayments, as: 'payment.captured' }, paid),
  fed(PaymentDeclined, { to: domainPayments, as: 'payment.declined' }, ({ orderId, reason }, { type }) => ({
    eventType: type,
    data: { orderId, reason },
  })),
  fed(PaymentRefunded, { to: domainPayments, as: 'payment.refunded' }, paid),
  fed(ReturnRefunded, { to: domainPayments, as: 'payment.refunded' }, paid),
])
