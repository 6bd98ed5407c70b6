// A payment gateway in memory whose answers follow from each order's reference, so that a run repeats.
import type { SimulatedClock, SimulatedWork } from '../../../kernel/simulated.ts'
import { isOneIn, simulatedProvider, slownessOf } from '../../../kernel/simulated.ts'
import { toMinor } from '../../../kernel/money.ts'
import { Ledger } from './ledger.ts'
import type { LedgerEntry } from './ledger.ts'
import type { CaptureRequest, CaptureResult, PaymentGateway, RefundRequest, RefundResult } from './gateway.ts'

/** What timed out is known to have failed only after this long: later than the five minutes that an order waits. */
const TIMEOUT_KNOWN_AFTER_MS = 330_000
/** The ledger and the keys of the newest so many orders are kept: some 20 MB. */
const DEFAULT_ORDERS_REMEMBERED = 50_000

export interface SimulatedGatewaySettings {
  readonly clock: SimulatedClock
  /** Declines one in so many captures, chosen by reference; 0 declines none. */
  readonly declineOneIn?: number
  /** Takes the money of one in so many captures and loses the answer once. */
  readonly loseAnswerOneIn?: number
  readonly ordersRemembered?: number
}

export interface SimulatedGateway extends PaymentGateway {
  /** Captured and refunded per order, oldest first. */
  ledger(): readonly LedgerEntry[]
  /** What the gateway still holds for an order, in minor units. */
  balanceOf(orderId: string): bigint
  /** How many captures and refunds were worked on: a repeated key is not counted again. */
  worked(): { readonly captures: number; readonly refunds: number }
  /** Drops what is still slow, so that no timer is left behind. */
  stop(): void
}

/**
 * Approves, unless the reference holds one of these words:
 * - `DECLINE-<REASON>` declines; `DECLINE2-<REASON>` only the second part of a split payment.
 * - `SLOW-<ms>` captures that late, also when nobody waits any more.
 * - `TIMEOUT` does not answer; more than five minutes later the gateway knows that it took nothing.
 * - `LOSE-ANSWER` takes the money, but the first answer is lost; `LOSE-REFUND` does so with a refund.
 * - `REFUSE-REFUND` gives nothing back.
 * - `GATEWAY-DOWN` throws at every call and every question.
 */
export function simulatedGateway(settings: SimulatedGatewaySettings): SimulatedGateway {
  const { clock, ordersRemembered = DEFAULT_ORDERS_REMEMBERED } = settings
  const ledger = new Ledger(ordersRemembered)
  const captures = simulatedProvider<CaptureResult>(clock, ordersRemembered)
  const refunds = simulatedProvider<RefundResult>(clock, ordersRemembered)
  const worked = { captures: 0, refunds: 0 }
  return {
    capture: async (request, { idempotencyKey, signal }) => {
      mustBeReachable(request)
      const count = () => (worked.captures += 1)
      return captures.call(idempotencyKey, () => workOnCapture(request, { ledger, settings, count }), signal)
    },
    refund: async (request, { idempotencyKey, signal }) => {
      mustBeReachable(request)
      const count = () => (worked.refunds += 1)
      return refunds.call(idempotencyKey, () => workOnRefund(request, { ledger, count }), signal)
    },
    findCapture: async (request, { idempotencyKey }) => {
      mustBeReachable(request)
      return captures.find(idempotencyKey)
    },
    findRefund: async (request, { idempotencyKey }) => {
      mustBeReachable(request)
      return refunds.find(idempotencyKey)
    },
    ledger: () => ledger.entries(),
    balanceOf: (orderId) => ledger.balanceOf(orderId),
    worked: () => ({ ...worked }),
    stop: () => {
      captures.stop()
      refunds.stop()
    },
  }
}

interface Desk {
  readonly ledger: Ledger
  readonly count: () => void
}

function workOnCapture(
  request: CaptureRequest,
  { ledger, settings, count }: Desk & { readonly settings: SimulatedGatewaySettings },
): SimulatedWork<CaptureResult> {
  const { orderId, amount, currency, reference } = request
  const { declineOneIn = 0, loseAnswerOneIn = 0 } = settings
  const isLost = reference.includes('LOSE-ANSWER') || isOneIn(loseAnswerOneIn, 'lose answer', chosenBy(request))
  return {
    delayMs: reference.includes('TIMEOUT') ? TIMEOUT_KNOWN_AFTER_MS : slownessOf(reference, 'SLOW-'),
    losesAnswer: isLost,
    settle: () => {
      count()
      const reason = declineReasonOf(request, declineOneIn)
      if (reason !== undefined) return { outcome: 'declined', reason }
      ledger.capture({ orderId, currency, minor: toMinor(amount, currency) })
      return { outcome: 'captured' }
    },
  }
}

function workOnRefund(request: RefundRequest, { ledger, count }: Desk): SimulatedWork<RefundResult> {
  const { orderId, amount, currency, reference } = request
  return {
    delayMs: 0,
    losesAnswer: reference.includes('LOSE-REFUND'),
    settle: () => {
      count()
      if (reference.includes('REFUSE-REFUND')) return { outcome: 'refused', reason: 'REFUSED' }
      const isGivenBack = ledger.refund({ orderId, currency, minor: toMinor(amount, currency) })
      return isGivenBack ? { outcome: 'refunded' } : { outcome: 'refused', reason: 'ABOVE_CAPTURE' }
    },
  }
}

function chosenBy({ reference, orderId, part }: CaptureRequest): string {
  return `${reference === '' ? orderId : reference} ${part}`
}

function declineReasonOf(request: CaptureRequest, oneIn: number): string | undefined {
  const { reference, part } = request
  if (reference.includes('TIMEOUT')) return 'TIMEOUT'
  const [, onlyPart = '', reason] = /DECLINE(\d*)-([A-Z_]+)/.exec(reference) ?? []
  if (reason !== undefined && (onlyPart === '' || Number(onlyPart) === part + 1)) return reason
  return isOneIn(oneIn, 'decline', chosenBy(request)) ? 'INSUFFICIENT_FUNDS' : undefined
}

function mustBeReachable({ reference }: { readonly reference: string }): void {
  if (reference.includes('GATEWAY-DOWN')) throw new Error('The gateway can not be reached.')
}
