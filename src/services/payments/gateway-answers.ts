// What the gateway's answers do to a payment.
import { onAnswer } from '../../kernel/effect.ts'
import { keepProgress } from './capture-payment.ts'
import { captureAtGateway, refundAtGateway } from './gateway.effect.ts'
import { payment, paymentSays, proceed, withPart } from './payment.ts'
import { returnRefundAt, returnSays, takeReturnAnswer } from './refund-return.ts'

export const takeCaptureAnswer = onAnswer(captureAtGateway, {
  says: paymentSays,
  loads: ({ orderId }) => [payment.at(orderId)],
  handle: ({ orderId, part }, answer, held) => {
    const before = held.get(payment.at(orderId))
    if (before.parts[part]?.status !== 'capturing') return []
    // Without an answer the money may be gone or not: claiming either would be a lie.
    if (answer.outcome === 'gave-up') {
      return keepProgress(held, orderId, proceed(orderId, withPart(before, part, { status: 'unknown' })))
    }
    const { result } = answer
    const after = withPart(before, part, { status: result.outcome })
    const declineReason = result.outcome === 'declined' ? result.reason : before.declineReason
    return keepProgress(held, orderId, proceed(orderId, { ...after, declineReason }))
  },
})

export const takeRefundAnswer = onAnswer(refundAtGateway, {
  says: returnSays,
  loads: ({ orderId, returnId }) => {
    const whole = payment.at(orderId)
    return returnId === undefined ? [whole] : [whole, returnRefundAt({ orderId, returnId })]
  },
  handle: (request, answer, held) => {
    const { orderId, part, returnId } = request
    if (returnId !== undefined) return takeReturnAnswer({ ...request, returnId }, answer, held)
    const before = held.get(payment.at(orderId))
    if (before.parts[part]?.status !== 'refunding') return []
    // A refund that the gateway refuses leaves the money there; only a person can find another way back.
    const isRefunded = answer.outcome === 'answered' && answer.result.outcome === 'refunded'
    const after = withPart(before, part, { status: isRefunded ? 'refunded' : 'unknown' })
    return keepProgress(held, orderId, proceed(orderId, after))
  },
})
