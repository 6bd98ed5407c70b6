// The two things that payments asks of the outside: take money, give money back.
import { effect } from '../../kernel/effect.ts'
import type { CaptureRequest, PaymentGateway, RefundRequest } from './adapters/gateway.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/**
 * Twelve tries over seven hours, within half of the key's life: a gateway that is down for a night is waited for. The
 * first wait is short, since a lost answer is the usual case and the gateway then knows it at once.
 */
const RETRY_DELAYS_MS = [
  100,
  SECOND_MS,
  5 * SECOND_MS,
  30 * SECOND_MS,
  2 * MINUTE_MS,
  3 * MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
]

const limits = {
  adapter: 'gateway',
  timeoutMs: 10 * SECOND_MS,
  concurrency: 100,
  retryDelaysMs: RETRY_DELAYS_MS,
  keyLifetimeMs: 24 * HOUR_MS,
}

export const captureAtGateway = effect<PaymentGateway>()('captureAtGateway', {
  ...limits,
  key: (request: CaptureRequest) => request.orderId,
  part: ({ part }) => String(part),
  call: (gateway, request, call) => gateway.capture(request, call),
  ask: (gateway, request, call) => gateway.findCapture(request, call),
})

export const refundAtGateway = effect<PaymentGateway>()('refundAtGateway', {
  ...limits,
  key: (request: RefundRequest) => request.orderId,
  part: ({ part, returnId }) => (returnId === undefined ? String(part) : `${returnId}.${part}`),
  call: (gateway, request, call) => gateway.refund(request, call),
  ask: (gateway, request, call) => gateway.findRefund(request, call),
})
