// Orders: saga, hold and payment of each say what the order says, and nothing of them belongs to no order.
import type { Snapshot } from '../../kernel/aggregate.ts'
import type { StateKind } from '../../kernel/handler.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { newSaga } from '../../kernel/saga-decider.ts'
import { sagaKind } from '../../platform/runtime/saga-reaction.ts'
import { reservation } from '../../services/inventory/reservation.ts'
import { order } from '../../services/orders/order.ts'
import type { Order } from '../../services/orders/order.ts'
import { OrderPlaced } from '../../services/orders/contract.ts'
import { payment } from '../../services/payments/payment.ts'
import { shipment } from '../../services/shipping/shipment.ts'
import type { Verdict } from './confirm.ts'
import { Suspicions } from './confirm.ts'
import type { Documents } from './documents.ts'
import { documentsOf, keysOf, pagesOf, readAtRest } from './documents.ts'
import type { OrderCase, OrderRules } from './order-rules.ts'
import { providerOf, rulesOf } from './order-rules.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings } from './problem.ts'
import { explained } from './given-up.ts'
import { readUnread } from './unread.ts'

/** The services whose messages move an order. */
const SERVICES = ['orders', 'inventory', 'payments', 'shipping']
/** What may be off with an order when a service did not handle a message of it; the saga lives in orders. */
const EXPLAINED: Readonly<Record<string, readonly string[]>> = {
  orders: ['order-saga', 'order-hold', 'saga-hold', 'order-money'],
  inventory: ['order-hold', 'saga-hold'],
  payments: ['order-money', 'provider-money'],
}
/** What other services keep under an order's id. */
const OF_ORDERS = { reservation, payment, shipment } as const

const kindsOf = (context: CheckContext) => {
  const saga = context.registry.sagas.find(({ starts }) => starts.type === OrderPlaced.type)
  if (saga === undefined) throw new Error(`No service declares a saga that starts with ${OrderPlaced.type}.`)
  return { saga, kinds: { order: order.kind, saga: sagaKind(saga), reservation, payment } }
}

interface Read {
  readonly order: Documents<Snapshot<Order>>
  readonly saga: Documents<SagaState>
  readonly reservation: Documents<ReturnType<typeof reservation.initial>>
  readonly payment: Documents<ReturnType<typeof payment.initial>>
}

export async function checkOrders(context: CheckContext): Promise<Finding> {
  const { saga } = kindsOf(context)
  const findings = new Findings()
  const rules = rulesOf(saga, context)
  const suspicions = new Suspicions((keys) => lookAt(context, rules, keys), findings)
  for await (const page of pagesOf(context, order.kind)) {
    const keys = page.map(({ key }) => key)
    const read = {
      order: new Map(page.map((document) => [document.key, document])),
      ...(await readOthers(context, keys)),
    }
    const provider = providerOf(context)
    await suspicions.add(keys.filter((key) => rules(caseOf(read, key), provider).length > 0))
    findings.checked += page.length
    context.progress(`${findings.checked} orders`)
  }
  await suspicions.settle()
  for (const kind of Object.values(OF_ORDERS)) await checkOwners(context, findings, kind)
  return findings.finding()
}

async function readOthers(context: CheckContext, keys: readonly string[]): Promise<Omit<Read, 'order'>> {
  const { kinds } = kindsOf(context)
  const [saga, holds, payments] = await Promise.all([
    documentsOf(context, kinds.saga, keys),
    documentsOf(context, kinds.reservation, keys),
    documentsOf(context, kinds.payment, keys),
  ])
  return { saga, reservation: holds, payment: payments }
}

function caseOf(read: Read, key: string): OrderCase {
  return {
    key,
    order: (read.order.get(key)?.state ?? order.kind.initial()).state,
    saga: read.saga.get(key)?.state ?? newSaga,
    hold: read.reservation.get(key)?.state ?? reservation.initial(),
    payment: read.payment.get(key)?.state ?? payment.initial(),
  }
}

/** While a message about an order is unread, its services may disagree: that is looked at again, not judged. */
async function lookAt(
  context: CheckContext,
  rules: OrderRules,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Verdict>> {
  const { kinds } = kindsOf(context)
  const between = async () => ({ ...(await readUnread(context, SERVICES)), provider: providerOf(context) })
  const read = await readAtRest(context, kinds, { keys, between })
  const { isUnread, givenUp, provider } = read.between
  const judged = (key: string) => {
    const wrongs = rules(caseOf(read.documents, key), provider)
    return explained(wrongs, givenUp.get(key) ?? [], (group, check) => EXPLAINED[group]?.includes(check) === true)
  }
  return new Map(
    keys.map((key): [string, Verdict] => {
      const isJudged = read.isAtRest(key) && !isUnread(key)
      return [key, isJudged ? judged(key) : 'moving']
    }),
  )
}

/** What is kept under an order's id came from the order, which was there before it and is never deleted. */
async function checkOwners(context: CheckContext, findings: Findings, kind: StateKind<unknown>): Promise<void> {
  for await (const page of pagesOf(context, kind)) {
    const [first, last] = [page[0], page.at(-1)]
    if (first === undefined || last === undefined) return
    const orders = await keysOf(context, order.kind, [first.key, last.key])
    for (const { key } of page) {
      if (!orders.has(key)) findings.error('order-unknown', key, `There is a ${kind.name}, but no such order.`)
    }
  }
}
