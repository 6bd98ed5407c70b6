// Orders' part of the feed `order-pipeline`: what an order service says and asks of its neighbours along a saga.
import { type FedFacts, fed, feed, numberOf } from '../../../kernel/feed.ts'
import { momentOf } from '../../../kernel/inputs.ts'
import type { DataOf } from '../../../kernel/message.ts'
import { orderNotificationOf } from '../../notifications/contract.ts'
import {
  inventoryRequests,
  notificationRequests,
  OrderCancelled,
  OrderConfirmed,
  OrderFailed,
  OrderPlaced,
  pipelineOrders,
} from '../contract.ts'

type Placed = DataOf<typeof OrderPlaced>
type Ended = Pick<DataOf<typeof OrderCancelled>, 'orderId' | 'clientId' | 'total' | 'reason'>

/** Its inventory counts by what we call SKU. */
function created({ orderId, clientId, items, total }: Placed, { type, appendedAt }: FedFacts) {
  return {
    event_type: type,
    order_id: orderId,
    customer_id: clientId,
    status: 'PENDING',
    items: items.map(({ sku, quantity, price }) => ({ product_id: sku, quantity, price: numberOf(price) })),
    total: numberOf(total),
    timestamp: momentOf(appendedAt),
  }
}

function confirmed({ orderId, clientId, total }: Omit<Ended, 'reason'>, { type, appendedAt }: FedFacts) {
  return {
    event_type: type,
    order_id: orderId,
    customer_id: clientId,
    status: 'CONFIRMED',
    total: numberOf(total),
    timestamp: momentOf(appendedAt),
  }
}

/** The shape knows no failed orders: one that a person gave up is cancelled there. */
function cancelled({ orderId, clientId, total, reason }: Ended, { type, appendedAt }: FedFacts) {
  return {
    event_type: type,
    order_id: orderId,
    customer_id: clientId,
    status: 'CANCELLED',
    reason: reason === 'OUT_OF_STOCK' ? 'Not enough stock' : reason,
    total: numberOf(total),
    timestamp: momentOf(appendedAt),
  }
}

function reserve({ orderId, items }: Placed, { type, appendedAt }: FedFacts) {
  return {
    order_id: orderId,
    action: type,
    items: items.map(({ sku, quantity }) => ({ product_id: sku, quantity })),
    timestamp: momentOf(appendedAt),
  }
}

/** Whatever the order still held is given back; where nothing was held there is nothing to give back. */
function rollback({ orderId }: Ended, { type, appendedAt }: FedFacts) {
  return { order_id: orderId, action: type, timestamp: momentOf(appendedAt) }
}

export const orderPipeline = feed('order-pipeline', [
  fed(OrderPlaced, { to: pipelineOrders, as: 'ORDER_CREATED' }, created),
  fed(OrderPlaced, { to: inventoryRequests, as: 'RESERVE' }, reserve),
  fed(OrderConfirmed, { to: pipelineOrders, as: 'ORDER_CONFIRMED' }, confirmed),
  fed(OrderConfirmed, { to: notificationRequests, as: 'ORDER_CONFIRMED' }, ({ orderId }) =>
    orderNotificationOf(orderId, 'order-confirmed'),
  ),
  fed(OrderCancelled, { to: pipelineOrders, as: 'ORDER_CANCELLED' }, cancelled),
  fed(OrderCancelled, { to: inventoryRequests, as: 'ROLLBACK' }, rollback),
  fed(OrderCancelled, { to: notificationRequests, as: 'ORDER_CANCELLED' }, ({ orderId }) =>
    orderNotificationOf(orderId, 'order-cancelled'),
  ),
  fed(OrderFailed, { to: pipelineOrders, as: 'ORDER_CANCELLED' }, cancelled),
  fed(OrderFailed, { to: inventoryRequests, as: 'ROLLBACK' }, rollback),
])
