// What orders and payments say of an order, as its client is told.
import { entity } from '../../kernel/entity.ts'
import type { Held } from '../../kernel/handler.ts'
import { on } from '../../kernel/handler.ts'
import type { Amount } from '../../kernel/money.ts'
import { toMinor } from '../../kernel/money.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, ReturnCompleted } from '../orders/contract.ts'
import { PaymentRefunded } from '../payments/contract.ts'
import { DeliverNotification } from './contract.ts'
import { notify, notifySays } from './delivering.ts'
import type { Notice } from './notification.ts'
import { documentsOf, notification, notificationIdOf } from './notification.ts'

/** A refund and whom it concerns: payments knows the one, the order's end the other, and either may come first. */
export interface OrderRefund {
  readonly clientId: string
  /** Empty as long as nothing was given back. */
  readonly amount: Amount
  readonly currency: string
}

/** By order; only orders that were cancelled or failed have one. */
export const orderRefund = entity<OrderRefund>('order_refund', {
  initial: () => ({ clientId: '', amount: '', currency: '' }),
})

interface OrderNamed {
  readonly orderId: string
  readonly clientId: string
}

export const tellConfirmed = on(OrderConfirmed, {
  says: notifySays,
  loads: (order) => documentsOf(confirmation(order)),
  handle: (order, held, { now }) => {
    const { orderId, total, currency } = order
    return notify(
      held,
      { ...confirmation(order), letter: { template: 'order-confirmed', orderId, total, currency } },
      now,
    )
  },
})

export const tellCancelled = on(OrderCancelled, {
  says: notifySays,
  loads: (order) => [...documentsOf(cancellation(order)), ...documentsOf(refund(order)), orderRefund.at(order.orderId)],
  handle: (order, held, { now }) => {
    const { orderId, reason } = order
    const letter = { template: 'order-cancelled', orderId, reason } as const
    return [...notify(held, { ...cancellation(order), letter }, now), ...tellRefund(held, order, now)]
  },
})

/** Given up by a person, who writes to the client himself; money that went back is told all the same. */
export const tellFailed = on(OrderFailed, {
  says: notifySays,
  loads: (order) => [...documentsOf(refund(order)), orderRefund.at(order.orderId)],
  handle: (order, held, { now }) => tellRefund(held, order, now),
})

/** The money of a return; ReturnRefunded is the same money and is not heard. */
export const tellReturned = on(ReturnCompleted, {
  says: notifySays,
  loads: (returned) => documentsOf(returnRefund(returned)),
  handle: (returned, held, { now }) => {
    const { orderId, amount, currency } = returned
    if (toMinor(amount, currency) === 0n) return []
    return notify(
      held,
      { ...returnRefund(returned), letter: { template: 'order-refunded', orderId, amount, currency } },
      now,
    )
  },
})

/** The refund of a whole order says nothing of the client: it usually waits for the order's end, which names him. */
export const noteRefund = on(PaymentRefunded, {
  says: [DeliverNotification],
  loads: ({ orderId }) => [orderRefund.at(orderId), notification.at(refundIdOf(orderId))],
  handle: ({ orderId, amount, currency }, held, { now }) => {
    const before = held.get(orderRefund.at(orderId))
    if (toMinor(amount, currency) === 0n || before.amount !== '') return []
    held.put(orderRefund.at(orderId), { ...before, amount, currency })
    const { clientId } = before
    if (clientId === '') return []
    const notificationId = refundIdOf(orderId)
    const letter = { template: 'order-refunded', orderId, amount, currency } as const
    const untold = held.get(notification.at(notificationId))
    const waiting = { ...untold, status: 'waiting' as const, about: orderId, clientId, letter, at: now }
    held.put(notification.at(notificationId), waiting)
    return DeliverNotification({ about: orderId, clientId, notificationId })
  },
})

function tellRefund(held: Held, order: OrderNamed, now: number) {
  const { orderId, clientId } = order
  const { amount, currency } = held.get(orderRefund.at(orderId))
  held.put(orderRefund.at(orderId), { clientId, amount, currency })
  if (amount === '') return []
  return notify(held, { ...refund(order), letter: { template: 'order-refunded', orderId, amount, currency } }, now)
}

type Named = Omit<Notice, 'letter'>

function confirmation({ orderId, clientId }: OrderNamed): Named {
  return { notificationId: notificationIdOf(orderId, 'order-confirmed'), about: orderId, clientId }
}

function cancellation({ orderId, clientId }: OrderNamed): Named {
  return { notificationId: notificationIdOf(orderId, 'order-cancelled'), about: orderId, clientId }
}

function refundIdOf(orderId: string): string {
  return notificationIdOf(orderId, 'order-refunded')
}

function refund({ orderId, clientId }: OrderNamed): Named {
  return { notificationId: refundIdOf(orderId), about: orderId, clientId }
}

function returnRefund({ orderId, clientId, returnId }: OrderNamed & { readonly returnId: string }): Named {
  return { notificationId: notificationIdOf(orderId, 'order-refunded', returnId), about: orderId, clientId }
}
