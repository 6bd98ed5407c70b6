// Undoing a payment: remembered when it comes first, patient while money is on its way, answered when all is quiet.
import { on } from '../../kernel/handler.ts'
import { toAmount } from '../../kernel/money.ts'
import { keepProgress } from './capture-payment.ts'
import { PaymentRefunded, RefundPayment } from './contract.ts'
import { payment, paymentSays, proceed } from './payment.ts'

export const refundPayment = on(RefundPayment, {
  says: paymentSays,
  loads: ({ orderId }) => [payment.at(orderId)],
  handle: ({ orderId, currency }, held) => {
    const before = held.get(payment.at(orderId))
    const nothing = PaymentRefunded({ orderId, amount: toAmount(0n, currency), currency })
    switch (before.status) {
      case 'none':
        held.put(payment.at(orderId), { ...before, status: 'withdrawn', currency })
        return nothing
      case 'withdrawn':
      case 'declined':
      case 'refunded':
        return nothing
      default:
        // Asked before, it is on its way: going on from there changes nothing, and its answer comes by itself.
        return keepProgress(held, orderId, proceed(orderId, { ...before, refundAsked: true }))
    }
  },
})
