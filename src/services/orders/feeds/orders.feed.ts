// Seed 3's topics in its exact JSON: orders.created, orders.paid, orders.failed. Off unless a setting turns them on.
import { feed } from '../../../kernel/feed.ts'
import { momentOf } from '../../../kernel/inputs.ts'
import type { DataOf } from '../../../kernel/message.ts'
import { OrderCancelled, OrderFailed, OrderPaid, OrderPlaced } from '../contract.ts'

/** Its readers expect a JSON number, which writes 4500.00 as 4500; up to fifteen digits it names the amount exactly. */
function numberOf(amount: string): number {
  return Number(amount)
}

type Summary = DataOf<typeof OrderPaid>

function turn({ orderId, clientId, clientName, total, at }: Summary, status: 'PAGO' | 'CANCELADO' | 'FALHA') {
  const value = { orderId, clientId, clientName, status, total: numberOf(total), updatedAt: momentOf(at) }
  return { key: orderId, value }
}

export const ordersCreated = feed('orders.created', OrderPlaced, ({ orderId, clientId, total, items, placedAt }) => ({
  key: orderId,
  value: {
    orderId,
    clientId,
    total: numberOf(total),
    status: 'PENDENTE',
    items: items.map(({ productId, quantity, price }) => ({ productId, quantity, price: numberOf(price) })),
    itemsCount: items.length,
    createdAt: momentOf(placedAt),
  },
}))

export const ordersPaid = feed('orders.paid', OrderPaid, (paid) => turn(paid, 'PAGO'))
export const ordersCancelled = feed('orders.failed', OrderCancelled, (cancelled) => turn(cancelled, 'CANCELADO'))
export const ordersFailed = feed('orders.failed', OrderFailed, (failed) => turn(failed, 'FALHA'))
