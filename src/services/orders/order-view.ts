// An order and its returns as answers show them.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { toAmount, toMinor, multiply } from '../../kernel/money.ts'
import { postalAddress } from '../../kernel/shapes.ts'
import { PAYMENT_METHODS } from '../payments/contract.ts'
import type { Order } from './order.ts'
import { ORDER_STATUSES, placedOf } from './order.ts'
import type { OrderReturn } from './order-returns.ts'

const amount = z.string().describe('A decimal string in the currency of the order.')
const moment = z.string().describe('ISO 8601, UTC.')

export const ReturnAnswer = z.object({
  returnId: z.string(),
  orderId: z.string(),
  status: z.enum(['REQUESTED', 'COMPLETED', 'REJECTED']),
  reason: z.string().describe('Why it was returned or, when rejected, why not; may be empty.'),
  reference: z.string().optional(),
  currency: z.string(),
  amount: amount.describe('What is paid back: the prices paid and their share of the tax.'),
  tax: amount.describe('The share of the tax in the amount.'),
  items: z.array(z.object({ sku: z.string(), quantity: z.int(), price: amount })),
  requestedAt: moment,
  updatedAt: moment,
})

export const OrderAnswer = z.object({
  orderId: z.string(),
  id: z.string().describe('The same as orderId.'),
  clientId: z.string(),
  status: z.enum(ORDER_STATUSES),
  reason: z.string().optional().describe('Why it was cancelled or given up.'),
  cancelling: z.string().optional().describe('The reason of a cancellation that is being carried out.'),
  needsPerson: z.array(z.string()).optional().describe('Steps whose undo nobody answered: an operator has to look.'),
  currency: z.string(),
  items: z.array(
    z.object({
      sku: z.string(),
      productId: z.string(),
      name: z.string(),
      quantity: z.int(),
      price: amount,
      lineTotal: amount,
    }),
  ),
  itemsCount: z.int(),
  subtotal: amount,
  tax: amount,
  shipping: amount,
  total: amount,
  payments: z.array(z.object({ method: z.enum(PAYMENT_METHODS), amount })),
  priced: z.enum(['catalog', 'quoted']).describe('quoted: at least one price was given by an importer.'),
  reference: z.string().optional(),
  source: z.string().describe('Whose reference it is: who placed the order.'),
  shippingAddress: postalAddress.optional(),
  returns: z.array(ReturnAnswer),
  orderedAt: moment.describe('The business date.'),
  placedAt: moment,
  updatedAt: moment,
})
export type OrderAnswer = z.output<typeof OrderAnswer>

/** @throws {Refusal} ORDER_NOT_FOUND */
export function orderView(order: Order, orderId: string): OrderAnswer {
  const placed = placedOf(order, orderId)
  const { clientId, currency, subtotal, tax, shipping, total, payments, priced, source, shippingAddress } = placed
  return {
    orderId,
    id: orderId,
    clientId,
    status: order.status === 'none' ? 'PENDING' : order.status,
    ...(order.reason === '' ? {} : { reason: order.reason }),
    ...(order.cancelling === '' ? {} : { cancelling: order.cancelling }),
    ...(order.flagged.length === 0 ? {} : { needsPerson: [...order.flagged] }),
    currency,
    items: placed.items.map((item) => ({ ...item, lineTotal: lineTotal(item, currency) })),
    itemsCount: placed.items.length,
    subtotal,
    tax,
    shipping,
    total,
    payments,
    priced,
    ...(placed.reference === '' ? {} : { reference: placed.reference }),
    source,
    ...(shippingAddress === undefined ? {} : { shippingAddress }),
    returns: Object.entries(order.returns).map(([returnId, one]) => returnView(one, { orderId, returnId, currency })),
    orderedAt: momentOf(placed.orderedAt),
    placedAt: momentOf(placed.placedAt),
    updatedAt: momentOf(order.updatedAt),
  }
}

interface ReturnIds {
  readonly orderId: string
  readonly returnId: string
  readonly currency: string
}

export function returnView(one: OrderReturn, ids: ReturnIds): z.output<typeof ReturnAnswer> {
  const { reference, requestedAt, updatedAt, items, ...rest } = one
  return {
    ...ids,
    ...rest,
    items: [...items],
    ...(reference === '' ? {} : { reference }),
    requestedAt: momentOf(requestedAt),
    updatedAt: momentOf(updatedAt),
  }
}

function lineTotal(
  { price, quantity }: { readonly price: string; readonly quantity: number },
  currency: string,
): string {
  return toAmount(multiply(toMinor(price, currency), quantity), currency)
}
