// Orders' part of the feed `domain-events`: order-events, with a type and its data.
import { type FedFacts, fed, feed, numberOf } from '../../../kernel/feed.ts'
import type { DataOf } from '../../../kernel/message.ts'
import { domainOrders, OrderCancelled, OrderConfirmed, OrderFailed, OrderPaid, OrderPlaced } from '../contract.ts'

function created(placed: DataOf<typeof OrderPlaced>, { type }: FedFacts) {
  const { orderId, clientId, items, subtotal, tax, shipping, total } = placed
  return {
    eventType: type,
    data: {
      orderId,
      userId: clientId,
      items: items.map(({ productId, quantity, price }) => ({ productId, quantity, price: numberOf(price) })),
      totals: {
        subtotal: numberOf(subtotal),
        tax: numberOf(tax),
        shipping: numberOf(shipping),
        total: numberOf(total),
      },
    },
  }
}

interface Turn {
  readonly orderId: string
  readonly oldStatus: string
  readonly newStatus: string
  readonly updatedBy: 'system' | 'client' | 'operator'
}

function turned({ orderId, oldStatus, newStatus, updatedBy }: Turn, { type }: FedFacts) {
  return { eventType: type, data: { orderId, oldStatus, newStatus, updatedBy } }
}

function whoCancelled(reason: string): Turn['updatedBy'] {
  if (reason === 'CLIENT') return 'client'
  return reason === 'OPERATOR' ? 'operator' : 'system'
}

const updated = { to: domainOrders, as: 'order.status.updated' }

export const domainEvents = feed('domain-events', [
  fed(OrderPlaced, { to: domainOrders, as: 'order.created' }, created),
  fed(OrderPaid, updated, ({ orderId }, facts) =>
    turned({ orderId, oldStatus: 'PENDING', newStatus: 'PAID', updatedBy: 'system' }, facts),
  ),
  fed(OrderConfirmed, updated, ({ orderId }, facts) =>
    turned({ orderId, oldStatus: 'PAID', newStatus: 'CONFIRMED', updatedBy: 'system' }, facts),
  ),
  fed(OrderCancelled, updated, ({ orderId, from = 'PENDING', reason }, facts) =>
    turned({ orderId, oldStatus: from, newStatus: 'CANCELLED', updatedBy: whoCancelled(reason) }, facts),
  ),
  fed(OrderFailed, updated, ({ orderId, from = 'PENDING' }, facts) =>
    turned({ orderId, oldStatus: from, newStatus: 'FAILED', updatedBy: 'operator' }, facts),
  ),
])
