// Orders: saga, hold and payment of each say what the order says; nothing is past its time, nothing is left behind.
import type { Snapshot } from '../../kernel/aggregate.ts'
import { sumMinor, toAmount, toMinor } from '../../kernel/money.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { isLive, needsPerson, newSaga } from '../../kernel/saga-decider.ts'
import { sagaKind } from '../../platform/runtime/saga-reaction.ts'
import type { Reservation } from '../../services/inventory/reservation.ts'
import { reservation } from '../../services/inventory/reservation.ts'
import type { Order } from '../../services/orders/order.ts'
import { hasEnded, order } from '../../services/orders/order.ts'
import type { Payment } from '../../services/payments/payment.ts'
import { payment } from '../../services/payments/payment.ts'
import { documentsOf, pagesOf } from './documents.ts'
import type { CheckContext, Finding, Problem } from './problem.ts'
import { confirmed } from './problem.ts'

/** Timers are swept in ranges and wait for unread answers; a minute late is not late. */
const LATE_BY_MS = 60_000
const CHECKOUT = 'checkout'

interface Case {
  readonly order: Order
  readonly saga: SagaState
  readonly hold: Reservation
  readonly payment: Payment
}

export async function checkOrders(context: CheckContext): Promise<Finding> {
  const suspects = new Map<string, Problem>()
  let checked = 0
  for await (const page of pagesOf(context, order.kind)) {
    const found = await suspiciousOrders(
      context,
      page.map(({ key }) => key),
    )
    for (const [key, problem] of found) suspects.set(key, problem)
    checked += page.length
    context.progress(`${checked} orders`)
  }
  return { checked, problems: await confirmed(suspects, (keys) => suspiciousOrders(context, keys)) }
}

async function suspiciousOrders(context: CheckContext, keys: readonly string[]): Promise<Map<string, Problem>> {
  const saga = context.registry.sagas.find(({ name }) => name === CHECKOUT)
  if (saga === undefined) throw new Error(`No service declares the saga ${CHECKOUT}.`)
  const [orders, sagas, holds, payments] = await Promise.all([
    documentsOf<Snapshot<Order>>(context, order.kind, keys),
    documentsOf<SagaState>(context, sagaKind(saga), keys),
    documentsOf<Reservation>(context, reservation, keys),
    documentsOf<Payment>(context, payment, keys),
  ])
  const suspects = new Map<string, Problem>()
  for (const key of keys) {
    const found = wrongWith(
      {
        order: (orders.get(key) ?? order.kind.initial()).state,
        saga: sagas.get(key) ?? newSaga,
        hold: holds.get(key) ?? reservation.initial(),
        payment: payments.get(key) ?? payment.initial(),
      },
      context.now(),
    )
    if (found !== undefined) suspects.set(key, { check: 'orders', key, ...found })
  }
  return suspects
}

type Wrong = Pick<Problem, 'message' | 'severity'>

function wrongWith(one: Case, now: number): Wrong | undefined {
  const message = wrongSaga(one, now) ?? wrongHold(one) ?? wrongMoney(one)
  if (message !== undefined) return { message, severity: 'error' }
  if (!needsPerson(one.saga)) return undefined
  const { flagged, status } = one.saga
  return { message: `Its saga is ${status} at ${flagged.join(', ')}: a person has to look.`, severity: 'person' }
}

function wrongSaga({ order: { status }, saga }: Case, now: number): string | undefined {
  if (status === 'none') return 'It has a document but was never placed.'
  const ended = hasEnded({ status } as Order)
  if (!ended && !isLive(saga)) return `It is ${status}, but its saga is ${saga.status}: nothing will end it.`
  if (status === 'CONFIRMED' && saga.status === 'failed') return 'It is CONFIRMED, but its saga failed.'
  if (status === 'CANCELLED' && saga.status === 'succeeded') return 'It is CANCELLED, but its saga succeeded.'
  if (ended && isLive(saga)) return `It is ${status}, but its saga is still ${saga.status}.`
  const isLate = isLive(saga) && !needsPerson(saga) && saga.due > 0 && saga.due + LATE_BY_MS < now
  return isLate ? `Its saga should have gone on by ${new Date(saga.due).toISOString()}.` : undefined
}

function wrongHold({ order: { status }, saga, hold }: Case): string | undefined {
  if (status === 'CONFIRMED' && hold.status !== 'committed') return `It is CONFIRMED, but its stock is ${hold.status}.`
  const keeps = hold.status === 'held' || hold.status === 'committed'
  if (status === 'CANCELLED' && keeps) return `It is CANCELLED, but its stock is still ${hold.status}.`
  const isPastReserve = saga.status === 'running' && saga.step >= 1
  return isPastReserve && !keeps ? `Its saga is past its reserve step, but its stock is ${hold.status}.` : undefined
}

function wrongMoney({ order: one, payment: paid }: Case): string | undefined {
  if (paid.currency === '') return one.status === 'CONFIRMED' ? 'It is CONFIRMED, but was never paid.' : undefined
  const net = netOf(paid)
  const expected = expectedNet(one)
  if (expected === undefined || expected.includes(net)) return undefined
  const [should = 0n] = expected
  const text = (minor: bigint) => `${toAmount(minor, paid.currency)} ${paid.currency}`
  return `Captures less refunds are ${text(net)}, but it is ${one.status} and should have ${text(should)}.`
}

/** What is kept of the captures: parts that were captured, less what returns gave back. */
function netOf({ parts, currency }: Payment): bigint {
  return sumMinor(
    parts
      .filter(({ status }) => status === 'captured' || status === 'refunding')
      .map(({ amount, returned }) => toMinor(amount, currency) - toMinor(returned, currency)),
  )
}

/** What an ended order should have; a return under way may be refunded or not yet. Undefined: nothing can be said. */
function expectedNet({ status, placed, returns }: Order): readonly bigint[] | undefined {
  if (status === 'CANCELLED') return [0n]
  if (status !== 'CONFIRMED' || placed === undefined) return undefined
  const total = toMinor(placed.total, placed.currency)
  const amounts = (wanted: string) =>
    Object.values(returns)
      .filter((one) => one.status === wanted)
      .map(({ amount }) => toMinor(amount, placed.currency))
  const left = total - sumMinor(amounts('COMPLETED'))
  return [left, ...amounts('REQUESTED').map((amount) => left - amount), left - sumMinor(amounts('REQUESTED'))]
}
