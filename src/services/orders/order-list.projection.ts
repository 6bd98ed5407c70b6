// The list of orders: one row each, with what a list shows and asks for.
import type { RowOf } from '../../kernel/projection.ts'
import { projection } from '../../kernel/projection.ts'
import {
  OrderCancelled,
  OrderConfirmed,
  OrderFailed,
  OrderFlagged,
  OrderPaid,
  OrderPlaced,
  OrderUnflagged,
} from './contract.ts'

const columns = {
  order_id: 'text',
  client_id: 'text',
  status: 'text',
  /** Of an order that ended otherwise than confirmed. */
  reason: 'text?',
  total: 'text',
  currency: 'text',
  units: 'integer',
  reference: 'text?',
  source: 'text',
  /** 1 while a person has to look at it. */
  flagged: 'integer',
  placed_at: 'integer',
  ordered_at: 'integer',
  /** When its status changed last, or a person was called. */
  updated_at: 'integer',
} as const

export type OrderRow = RowOf<typeof columns>

/** Only facts of the events: a fold that asked for the time would give other rows when it is replayed. */
export const orderList = projection('order_list', {
  key: ['order_id'],
  columns,
  indexes: [['client_id', 'placed_at'], ['status', 'placed_at'], ['placed_at'], ['reference', 'source']],
  folds: (fold) => [
    fold(
      OrderPlaced,
      ({ orderId }) => [orderId],
      (_, placed) => ({
        order_id: placed.orderId,
        client_id: placed.clientId,
        status: 'PENDING',
        reason: null,
        total: placed.total,
        currency: placed.currency,
        units: placed.items.reduce((sum, { quantity }) => sum + quantity, 0),
        reference: placed.reference === '' ? null : placed.reference,
        source: placed.source,
        flagged: 0,
        placed_at: placed.placedAt,
        ordered_at: placed.orderedAt,
        updated_at: placed.placedAt,
      }),
    ),
    fold(
      OrderPaid,
      ({ orderId }) => [orderId],
      (row, { at }) => row && { ...row, status: 'PAID', updated_at: at },
    ),
    fold(
      OrderFlagged,
      ({ orderId }) => [orderId],
      (row, { at }) => row && { ...row, flagged: 1, updated_at: at },
    ),
    fold(
      OrderUnflagged,
      ({ orderId }) => [orderId],
      (row, { at }) => row && { ...row, flagged: 0, updated_at: at },
    ),
    fold(
      OrderConfirmed,
      ({ orderId }) => [orderId],
      (row, { at }) => row && { ...row, status: 'CONFIRMED', flagged: 0, updated_at: at },
    ),
    fold(
      OrderCancelled,
      ({ orderId }) => [orderId],
      (row, { reason, at }) => row && { ...row, status: 'CANCELLED', reason, flagged: 0, updated_at: at },
    ),
    fold(
      OrderFailed,
      ({ orderId }) => [orderId],
      (row, { reason, at }) => row && { ...row, status: 'FAILED', reason, updated_at: at },
    ),
  ],
})
