// What an order may do. Pure: no clock, no database, no outside.
import { aggregate } from '../../kernel/aggregate.ts'
import type { DataOf } from '../../kernel/message.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Role } from '../../kernel/route.ts'
import { mayUse } from '../../kernel/route.ts'
import * as contract from './contract.ts'
import type { OrderReturn, Returns } from './order-returns.ts'
import { isReturnLive, refundOf, returnedItems } from './order-returns.ts'
import { placed, placingLoads, takeReference } from './place-order.ts'

export const ORDER_STATUSES = ['PENDING', 'PAID', 'CONFIRMED', 'CANCELLED', 'FAILED'] as const
export type OrderStatus = (typeof ORDER_STATUSES)[number]

type Placed = DataOf<typeof contract.OrderPlaced>

export interface Order {
  readonly status: OrderStatus | 'none'
  readonly placed?: Placed
  /** Why it was cancelled or given up; empty before. */
  readonly reason: string
  /** The reason of a cancellation that was accepted and is being carried out. */
  readonly cancelling: string
  readonly isManuallyPaid: boolean
  /** Steps of its saga that a person has to look at. */
  readonly flagged: readonly string[]
  readonly returns: Returns
  readonly updatedAt: number
}

/** The document of an order holds its returns, so their number has a limit. */
const MAX_RETURNS = 100

const nothing: Order = {
  status: 'none',
  reason: '',
  cancelling: '',
  isManuallyPaid: false,
  flagged: [],
  returns: {},
  updatedAt: 0,
}

/** Whether nothing but a return can happen to it any more. */
export function hasEnded({ status }: Order): boolean {
  return status === 'CONFIRMED' || status === 'CANCELLED' || status === 'FAILED'
}

/** @throws {Refusal} ORDER_NOT_FOUND */
export function placedOf(order: Order, orderId: string): Placed {
  refuse(order.placed === undefined, 'ORDER_NOT_FOUND', { orderId })
  return order.placed as Placed
}

/** All that can happen to an order. */
export const orderEvents = [
  contract.OrderPlaced,
  contract.OrderPaid,
  contract.OrderConfirmed,
  contract.OrderCancelled,
  contract.OrderFlagged,
  contract.OrderUnflagged,
  contract.OrderFailed,
  contract.CancellationRequested,
  contract.ManualPaymentReceived,
  contract.ReturnRequested,
  contract.ReturnCompleted,
  contract.ReturnRejected,
] as const

export const order = aggregate<Order>('order')({
  key: 'orderId',
  commands: [
    contract.PlaceOrder,
    contract.MarkOrderPaid,
    contract.ConfirmOrder,
    contract.CancelOrder,
    contract.FlagOrder,
    contract.RequestCancellation,
    contract.ReceiveManualPayment,
    contract.GiveUpOrder,
    contract.RequestReturn,
    contract.CompleteReturn,
    contract.RejectReturn,
  ],
  events: orderEvents,
  initial: () => nothing,
  constant: 'placed',
  loads: { PlaceOrder: placingLoads },

  decide: {
    PlaceOrder: (order, asked, { held, now }) => {
      if (order.status !== 'none') return []
      takeReference(asked, held)
      return contract.OrderPlaced(placed(asked, held, now))
    },

    MarkOrderPaid: (order, { orderId }, { now }) =>
      order.status === 'PENDING' ? contract.OrderPaid(summaryOf(order, orderId, now)) : [],

    // A cancellation that was accepted before wins: the saga hears of it and undoes everything.
    ConfirmOrder: (order, { orderId }, { now }) =>
      isUnderWay(order) && order.cancelling === '' ? contract.OrderConfirmed(summaryOf(order, orderId, now)) : [],

    CancelOrder: (order, { orderId, reason }, { now }) =>
      isUnderWay(order)
        ? contract.OrderCancelled({ ...summaryOf(order, orderId, now), from: order.status, reason })
        : [],

    FlagOrder: (order, { orderId, steps }, { now }) => {
      if (!isUnderWay(order)) return []
      if (steps.length > 0) return contract.OrderFlagged({ orderId, steps, at: now })
      return order.flagged.length > 0 ? contract.OrderUnflagged({ orderId, at: now }) : []
    },

    RequestCancellation: (order, { orderId, reason }, { now }) => {
      placedOf(order, orderId)
      if (order.status === 'CANCELLED' || order.cancelling !== '') return []
      refuse(!isUnderWay(order), 'ORDER_TRANSITION', { orderId, from: order.status, to: 'CANCELLED' })
      return contract.CancellationRequested({ orderId, reason, at: now })
    },

    ReceiveManualPayment: (order, { orderId }, { now }) => {
      const { payments } = placedOf(order, orderId)
      if (order.isManuallyPaid || order.status === 'PAID' || order.status === 'CONFIRMED') return []
      const isAwaited = order.status === 'PENDING' && order.cancelling === ''
      const isManual = payments.some(({ method }) => method === 'manual')
      refuse(!isAwaited || !isManual, 'ORDER_TRANSITION', { orderId, from: order.status, to: 'PAID' })
      return contract.ManualPaymentReceived({ orderId, at: now })
    },

    // While its saga still undoes, giving up would leave stock held and money taken with nobody to give them back.
    GiveUpOrder: (order, { orderId, reason }, { now, role }) => {
      refuse(!mayUse(role as Role, 'operator'), 'OPERATOR_ONLY')
      placedOf(order, orderId)
      if (order.status === 'FAILED') return []
      if (!isUnderWay(order)) throw new Refusal('ORDER_TRANSITION', { orderId, from: order.status, to: 'FAILED' })
      refuse(order.flagged.length === 0, 'GIVE_UP_TOO_EARLY', { orderId })
      return contract.OrderFailed({ ...summaryOf(order, orderId, now), from: order.status, reason })
    },

    RequestReturn: (order, asked, { now }) => requestReturn(order, asked, now),

    CompleteReturn: (order, { orderId, returnId }, { now }) => {
      const found = order.returns[returnId]
      if (found?.status !== 'REQUESTED') return []
      const units = found.items.reduce((sum, { quantity }) => sum + quantity, 0)
      return contract.ReturnCompleted({ ...endOf(order, { orderId, returnId, amount: found.amount }, now), units })
    },

    RejectReturn: (order, { orderId, returnId, reason }, { now }) => {
      const found = order.returns[returnId]
      if (found?.status !== 'REQUESTED') return []
      return contract.ReturnRejected({ ...endOf(order, { orderId, returnId, amount: found.amount }, now), reason })
    },
  },

  evolve: {
    OrderPlaced: (order, placed) => ({ ...order, status: 'PENDING', placed, updatedAt: placed.placedAt }),
    OrderPaid: (order, { at }) => ({ ...order, status: 'PAID', updatedAt: at }),
    OrderConfirmed: (order, { at }) => ({ ...order, status: 'CONFIRMED', flagged: [], updatedAt: at }),
    OrderCancelled: (order, { reason, at }) => ({
      ...order,
      status: 'CANCELLED',
      reason,
      cancelling: '',
      flagged: [],
      updatedAt: at,
    }),
    OrderFlagged: (order, { steps, at }) => ({ ...order, flagged: steps, updatedAt: at }),
    OrderUnflagged: (order, { at }) => ({ ...order, flagged: [], updatedAt: at }),
    OrderFailed: (order, { reason, at }) => ({ ...order, status: 'FAILED', reason, cancelling: '', updatedAt: at }),
    CancellationRequested: (order, { reason, at }) => ({ ...order, cancelling: reason, updatedAt: at }),
    ManualPaymentReceived: (order, { at }) => ({ ...order, isManuallyPaid: true, updatedAt: at }),
    ReturnRequested: (order, { returnId, items, amount, tax, reason, reference, at }) =>
      withReturn(order, returnId, {
        status: 'REQUESTED',
        items,
        amount,
        tax,
        reason,
        reference,
        requestedAt: at,
        updatedAt: at,
      }),
    ReturnCompleted: (order, { returnId, at }) =>
      changedReturn(order, returnId, { status: 'COMPLETED', updatedAt: at }),
    ReturnRejected: (order, { returnId, reason, at }) =>
      changedReturn(order, returnId, { status: 'REJECTED', reason, updatedAt: at }),
  },
})

function isUnderWay(order: Order): order is Order & { readonly status: 'PENDING' | 'PAID' } {
  return order.status === 'PENDING' || order.status === 'PAID'
}

function summaryOf(order: Order, orderId: string, at: number) {
  const { clientId, clientName, items, total, currency, orderedAt } = placedOf(order, orderId)
  const units = items.reduce((sum, { quantity }) => sum + quantity, 0)
  return { orderId, clientId, clientName, total, currency, lines: items.length, units, orderedAt, at }
}

function requestReturn(order: Order, asked: DataOf<typeof contract.RequestReturn>, now: number) {
  const { orderId, returnId, items: wanted, reason = '', reference = '' } = asked
  const placed = placedOf(order, orderId)
  if (order.returns[returnId] !== undefined) return []
  refuse(order.status !== 'CONFIRMED', 'RETURN_NOT_POSSIBLE', { orderId, status: order.status })
  const same = Object.entries(order.returns).find(
    ([, one]) => reference !== '' && one.reference === reference && isReturnLive(one),
  )
  refuse(same !== undefined, 'RETURN_REFERENCE_TAKEN', { orderId, returnId: same?.[0] ?? '', reference })
  refuse(Object.keys(order.returns).length >= MAX_RETURNS, 'RETURN_LIMIT', { orderId, limit: MAX_RETURNS })
  const items = returnedItems(placed, order.returns, wanted)
  const { amount, tax } = refundOf(placed, order.returns, items)
  return contract.ReturnRequested({
    ...endOf(order, { orderId, returnId, amount }, now),
    items,
    tax,
    reason,
    reference,
  })
}

interface ReturnKey {
  readonly orderId: string
  readonly returnId: string
  readonly amount: string
}

function endOf(order: Order, { orderId, returnId, amount }: ReturnKey, at: number) {
  const { clientId, currency, orderedAt } = placedOf(order, orderId)
  return { orderId, clientId, returnId, amount, currency, orderedAt, at }
}

function withReturn(order: Order, returnId: string, added: OrderReturn): Order {
  return { ...order, returns: { ...order.returns, [returnId]: added }, updatedAt: added.updatedAt }
}

function changedReturn(
  order: Order,
  returnId: string,
  change: Partial<OrderReturn> & { readonly updatedAt: number },
): Order {
  const before = order.returns[returnId]
  return before === undefined ? order : withReturn(order, returnId, { ...before, ...change })
}
