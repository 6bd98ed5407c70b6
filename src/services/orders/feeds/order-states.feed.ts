// The feed `order-states`: a topic for each turn of an order, for shops whose payments listen to orders.created.
import { fed, feed, numberOf } from '../../../kernel/feed.ts'
import { momentOf } from '../../../kernel/inputs.ts'
import type { DataOf } from '../../../kernel/message.ts'
import {
  OrderCancelled,
  OrderFailed,
  OrderPaid,
  OrderPlaced,
  ordersCreated,
  ordersFailed,
  ordersPaid,
} from '../contract.ts'

function created({ orderId, clientId, total, items, placedAt }: DataOf<typeof OrderPlaced>) {
  return {
    orderId,
    clientId,
    total: numberOf(total),
    status: 'PENDENTE',
    items: items.map(({ productId, quantity, price }) => ({ productId, quantity, price: numberOf(price) })),
    itemsCount: items.length,
    createdAt: momentOf(placedAt),
  }
}

/** Its `clientName` is personal: the shape has it. */
function turned(status: 'PAGO' | 'CANCELADO' | 'FALHA') {
  return ({ orderId, clientId, clientName, total, at }: DataOf<typeof OrderPaid>) => {
    return { orderId, clientId, clientName, status, total: numberOf(total), updatedAt: momentOf(at) }
  }
}

export const orderStates = feed('order-states', [
  fed(OrderPlaced, { to: ordersCreated, as: 'orders.created' }, created),
  fed(OrderPaid, { to: ordersPaid, as: 'orders.paid' }, turned('PAGO')),
  fed(OrderCancelled, { to: ordersFailed, as: 'orders.failed' }, turned('CANCELADO')),
  fed(OrderFailed, { to: ordersFailed, as: 'orders.failed' }, turned('FALHA')),
])
