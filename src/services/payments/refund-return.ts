// Giving back a part of a captured payment for returned goods: once per return, never more than is left of the capture.
import type { Answer } from '../../kernel/effect.ts'
import { entity } from '../../kernel/entity.ts'
import type { Held, Said } from '../../kernel/handler.ts'
import { on } from '../../kernel/handler.ts'
import type { DataOf } from '../../kernel/message.ts'
import type { Amount } from '../../kernel/money.ts'
import { toAmount, toMinor } from '../../kernel/money.ts'
import type { RefundRequest, RefundResult } from './adapters/gateway.ts'
import { keepProgress } from './capture-payment.ts'
import { RefundReturn, ReturnRefundRefused, ReturnRefunded } from './contract.ts'
import { refundAtGateway } from './gateway.effect.ts'
import type { Payment } from './payment.ts'
import { payment, paymentSays, proceed, restOf, restOfCapture, withPart } from './payment.ts'

/** What a return takes out of one part of the payment. */
interface Slice {
  readonly part: number
  readonly amount: Amount
  readonly status: 'refunding' | 'refunded' | 'refused' | 'unknown'
}

export interface ReturnRefund {
  readonly status: 'none' | 'refunding' | 'refunded' | 'refused' | 'unknown'
  readonly slices: readonly Slice[]
  readonly amount: Amount
  readonly currency: string
  /** Why it was refused. */
  readonly reason: string
}

/** By order and return. */
export const returnRefund = entity<ReturnRefund>('return_refund', {
  initial: () => ({ status: 'none', slices: [], amount: '0', currency: '', reason: '' }),
})

interface ReturnNamed {
  readonly orderId: string
  readonly returnId: string
}

export function returnRefundAt({ orderId, returnId }: ReturnNamed) {
  return returnRefund.at(`${orderId}.${returnId}`)
}

type Asked = DataOf<typeof RefundReturn>

export const refundReturn = on(RefundReturn, {
  says: [ReturnRefunded, ReturnRefundRefused, refundAtGateway],
  loads: (asked) => [payment.at(asked.orderId), returnRefundAt(asked)],
  handle: (asked, held) => {
    const { orderId, amount, currency } = asked
    const before = held.get(returnRefundAt(asked))
    if (before.status !== 'none') return outcomeOf(asked, before)
    const paid = held.get(payment.at(orderId))
    const reason = whyNot(paid, asked)
    if (reason !== undefined) {
      held.put(returnRefundAt(asked), { ...before, status: 'refused', amount, currency, reason })
      return ReturnRefundRefused({ ...namesOf(asked), reason })
    }
    const slices = cutSlices(paid, toMinor(amount, currency))
    const status = slices.some((slice) => slice.status === 'refunding') ? 'refunding' : 'refunded'
    const after: ReturnRefund = { ...before, status, slices, amount, currency }
    held.put(returnRefundAt(asked), after)
    const inFlight = paid.returnsInFlight + (status === 'refunding' ? 1 : 0)
    held.put(payment.at(orderId), { ...returning(paid, slices, 1n), returnsInFlight: inFlight })
    return status === 'refunded' ? outcomeOf(asked, after) : requestsOf(asked, paid, slices)
  },
})

export const returnSays = [...paymentSays, ReturnRefunded, ReturnRefundRefused] as const

/** Takes the gateway's word on one slice; answers the return when it was the last one. */
export function takeReturnAnswer(
  request: RefundRequest & ReturnNamed,
  answer: Answer<RefundResult>,
  held: Held,
): Said<typeof returnSays>[] {
  const before = held.get(returnRefundAt(request))
  const result = answer.outcome === 'answered' ? answer.result : undefined
  const isAwaited = before.slices.some(({ part, status }) => part === request.part && status === 'refunding')
  if (!isAwaited) return []
  const slices = before.slices.map((slice): Slice =>
    slice.part === request.part ? { ...slice, status: result?.outcome ?? 'unknown' } : slice,
  )
  const reason = result?.outcome === 'refused' ? result.reason : before.reason
  const after: ReturnRefund = { ...before, slices, reason, status: statusOf(slices) }
  held.put(returnRefundAt(request), after)
  const isSettled = after.status === 'refunded' || after.status === 'refused'
  if (!isSettled) return []
  return [...outcomeOf(request, after), ...leaveFlight(request.orderId, after, held)]
}

/** The whole payment's refund may have waited for this return. */
function leaveFlight(orderId: string, { status, slices }: ReturnRefund, held: Held) {
  const paid = held.get(payment.at(orderId))
  const kept = status === 'refused' ? returning(paid, slices, -1n) : paid
  const landed = { ...kept, returnsInFlight: paid.returnsInFlight - 1 }
  return keepProgress(held, orderId, landed.refundAsked ? proceed(orderId, landed) : { payment: landed, says: [] })
}

function whyNot(paid: Payment, { amount, currency }: Asked): string | undefined {
  if (paid.status !== 'captured' || paid.refundAsked) return 'NOT_CAPTURED'
  if (paid.currency !== currency) return 'CURRENCY_MIXED'
  const asked = toMinor(amount, currency)
  if (asked < 0n) return 'AMOUNT_NEGATIVE'
  return asked > restOfCapture(paid) ? 'ABOVE_CAPTURE' : undefined
}

/** Takes the amount out of one part after the other. */
function cutSlices({ parts, currency }: Payment, minor: bigint): Slice[] {
  const slices: Slice[] = []
  let missing = minor
  for (const [at, part] of parts.entries()) {
    const rest = restOf(part, currency)
    const taken = rest < missing ? rest : missing
    if (taken === 0n) continue
    missing -= taken
    // What was paid by hand a person gives back by hand.
    const status = part.method === 'manual' ? 'refunded' : 'refunding'
    slices.push({ part: at, amount: toAmount(taken, currency), status })
  }
  return slices
}

function requestsOf(asked: Asked, { currency, reference }: Payment, slices: readonly Slice[]) {
  return slices
    .filter(({ status }) => status === 'refunding')
    .map(({ part, amount }) => refundAtGateway({ ...namesOf(asked), part, amount, currency, reference }))
}

/** Counts the slices as given back, or with -1 as kept after all. */
function returning(paid: Payment, slices: readonly Slice[], sign: 1n | -1n): Payment {
  const { currency } = paid
  return slices.reduce((payment, { part, amount }) => {
    const before = toMinor(payment.parts[part]?.returned ?? '0', currency)
    return withPart(payment, part, { returned: toAmount(before + sign * toMinor(amount, currency), currency) })
  }, paid)
}

/** Given back in part only, nobody can say that it was refunded or that it was not. */
function statusOf(slices: readonly Slice[]): ReturnRefund['status'] {
  if (slices.some(({ status }) => status === 'refunding')) return 'refunding'
  const [first] = slices
  return first !== undefined && slices.every(({ status }) => status === first.status) ? first.status : 'unknown'
}

function outcomeOf(named: ReturnNamed, { status, amount, currency, reason }: ReturnRefund) {
  if (status === 'refunded') return [ReturnRefunded({ ...namesOf(named), amount, currency })]
  return status === 'refused' ? [ReturnRefundRefused({ ...namesOf(named), reason })] : []
}

function namesOf({ orderId, returnId }: ReturnNamed): ReturnNamed {
  return { orderId, returnId }
}
