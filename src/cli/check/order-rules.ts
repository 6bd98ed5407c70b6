// What must be true of an order, its saga, its hold and its payment whenever no message about it is unread.
import { sumMinor, toAmount, toMinor } from '../../kernel/money.ts'
import type { Saga } from '../../kernel/saga.ts'
import type { SagaState, SagaStatus } from '../../kernel/saga-decider.ts'
import { isLive } from '../../kernel/saga-decider.ts'
import type { AnyMessageType } from '../../kernel/message.ts'
import { StockCommitted, StockReserved } from '../../services/inventory/contract.ts'
import type { Reservation } from '../../services/inventory/reservation.ts'
import type { Order } from '../../services/orders/order.ts'
import { hasEnded } from '../../services/orders/order.ts'
import type { LedgerEntry } from '../../services/payments/adapters/ledger.ts'
import type { Payment } from '../../services/payments/payment.ts'
import { PaymentCaptured } from '../../services/payments/contract.ts'
import { restOf } from '../../services/payments/payment.ts'
import { LATE_BY_MS } from './check-sagas.ts'
import type { Wrong } from './confirm.ts'
import type { CheckContext } from './problem.ts'

export interface OrderCase {
  readonly key: string
  readonly order: Order
  readonly saga: SagaState
  readonly hold: Reservation
  readonly payment: Payment
}

/** How the saga of an order that has ended must have ended. */
const ENDS: Readonly<Partial<Record<Order['status'], SagaStatus>>> = {
  CONFIRMED: 'succeeded',
  CANCELLED: 'failed',
  FAILED: 'given-up',
}

export type OrderRules = (one: OrderCase, provider: Provider) => readonly Wrong[]

/** What the payment provider says of each order that it remembers. */
export type Provider = ReadonlyMap<string, LedgerEntry>

export function providerOf({ ledger }: Pick<CheckContext, 'ledger'>): Provider {
  return new Map((ledger?.() ?? []).map((entry) => [entry.orderId, entry]))
}

/** All rules as one function. */
export function rulesOf(saga: Saga, { now }: Pick<CheckContext, 'now'>): OrderRules {
  const reserve = saga.steps.findIndex(({ done }) => done.type === StockReserved.type)
  const commit = saga.steps.findIndex(({ done }) => done.type === StockCommitted.type)
  const stepsOf = (...events: readonly AnyMessageType[]) =>
    saga.steps.filter(({ done }) => events.some(({ type }) => type === done.type)).map(({ name }) => name)
  const [stockSteps, moneySteps] = [stepsOf(StockReserved, StockCommitted), stepsOf(PaymentCaptured)]
  return (one, provider) => [
    ...named('order-saga', wrongSaga(one)),
    ...taken(one, stockSteps, named('order-hold', wrongHold(one, now()))),
    ...taken(one, stockSteps, named('saga-hold', wrongSagaHold(one, { reserve, commit }))),
    ...taken(one, moneySteps, named('order-money', wrongMoney(one))),
    ...named('provider-money', wrongAtProvider(one, provider.get(one.key))),
  ]
}

function named(check: string, message: string | undefined): readonly Wrong[] {
  return message === undefined ? [] : [{ check, message }]
}

/** What a person skipped he took on himself: it is told as his decision, and is no fault of the data. */
function taken({ saga: { skipped = [] } }: OrderCase, steps: readonly string[], wrongs: readonly Wrong[]) {
  const own = skipped.filter((one) => steps.some((step) => one === step || one === `undo of ${step}`))
  if (own.length === 0) return wrongs
  return wrongs.map(({ check, message }): Wrong => {
    return { check, message: `A person skipped ${own.join(' and ')}. ${message}`, severity: 'person' }
  })
}

function wrongSaga({ order, saga }: OrderCase): string | undefined {
  const { status } = order
  if (status === 'none') return 'It has a document but was never placed.'
  const end = ENDS[status]
  if (end === undefined) return isLive(saga) ? undefined : `It is ${status}, but its saga is ${saga.status}.`
  return saga.status === end ? undefined : `It is ${status}, but its saga is ${saga.status}.`
}

/** Holds are only of live orders; the hold of an order that was given up runs out by itself. */
function wrongHold({ order: { status }, saga, hold }: OrderCase, now: number): string | undefined {
  if (hold.status === 'held' && now > hold.expiresAt + LATE_BY_MS) {
    return `Its stock should have been given back at ${new Date(hold.expiresAt).toISOString()}.`
  }
  if (status === 'CONFIRMED')
    return hold.status === 'committed' ? undefined : `It is CONFIRMED, its stock ${hold.status}.`
  if (hold.status === 'held' && !isLive(saga) && saga.status !== 'given-up') {
    return `It is ${status}, but stock is still held for it.`
  }
  const keeps = status === 'CANCELLED' && hold.status === 'committed'
  return keeps ? 'It is CANCELLED, but its stock was not put back.' : undefined
}

/** A live saga past its reserve step has its hold, and past its commit the goods. */
function wrongSagaHold(
  { saga, hold }: OrderCase,
  { reserve, commit }: { readonly reserve: number; readonly commit: number },
): string | undefined {
  const isForward = saga.status === 'running' || saga.status === 'overdue' || saga.status === 'succeeding'
  if (!isForward) return undefined
  const step = saga.status === 'succeeding' ? Number.POSITIVE_INFINITY : saga.step
  const before = step > reserve && step < commit && hold.status !== 'held'
  if (before) return `Its saga is past reserving, but its stock is ${hold.status}.`
  const behind = step > commit && hold.status !== 'committed'
  return behind ? `Its saga is past committing, but its stock is ${hold.status}.` : undefined
}

function wrongMoney({ order, payment }: OrderCase): string | undefined {
  if (!hasEnded(order) || order.status === 'FAILED' || order.placed === undefined) return undefined
  const { currency } = order.placed
  if (order.status === 'CONFIRMED' && payment.currency !== currency) return 'It is CONFIRMED, but was never paid.'
  const net = netOf(payment)
  const { least, most } = shouldHave(order, currency)
  if (net >= least && net <= most) return undefined
  const text = (minor: bigint) => `${toAmount(minor, currency)} ${currency}`
  const wanted = least === most ? text(most) : `${text(least)} to ${text(most)}`
  return `Captures less refunds are ${text(net)}, but it is ${order.status} and should have ${wanted}.`
}

/** What is left of the captures: less what returns gave back, and less what was given back altogether. */
function netOf({ parts, currency }: Payment): bigint {
  const kept = parts.filter(({ status }) => status === 'captured' || status === 'refunding' || status === 'unknown')
  return sumMinor(kept.map((part) => restOf(part, currency)))
}

/** What an ended order should have; returns that are under way may be paid back already or not. */
function shouldHave(
  { status, placed, returns }: Order,
  currency: string,
): { readonly least: bigint; readonly most: bigint } {
  if (status !== 'CONFIRMED') return { least: 0n, most: 0n }
  const sumOf = (wanted: string) =>
    sumMinor(
      Object.values(returns)
        .filter((one) => one.status === wanted)
        .map(({ amount }) => toMinor(amount, currency)),
    )
  const most = toMinor(placed?.total ?? '0', currency) - sumOf('COMPLETED')
  return { least: most - sumOf('REQUESTED'), most }
}

/** Manual parts never went through the provider; while anything is under way nobody can say what it has by now. */
function wrongAtProvider({ payment }: OrderCase, entry: LedgerEntry | undefined): string | undefined {
  const { parts, currency, returnsInFlight } = payment
  const isMoving = parts.some(({ status }) => status === 'capturing' || status === 'refunding' || status === 'unknown')
  if (entry === undefined || isMoving || returnsInFlight > 0) return undefined
  const captured = parts.filter(({ status, method }) => status === 'captured' && method !== 'manual')
  const net = sumMinor(captured.map((part) => restOf(part, currency)))
  const held = entry.capturedMinor - entry.refundedMinor
  if (net === held) return undefined
  const text = (minor: bigint) => toAmount(minor, entry.currency)
  return `The provider holds ${text(held)} ${entry.currency}, but payments says ${text(net)}.`
}
