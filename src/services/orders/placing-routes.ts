// Placing an order over HTTP.
import { z } from 'zod'
import { amountInput, amountText, millisecondsOf, momentInput } from '../../kernel/inputs.ts'
import type { DataOf } from '../../kernel/message.ts'
import type { Reply, Request } from '../../kernel/route.ts'
import { post } from '../../kernel/route.ts'
import { currency, id, postalAddress, quantity, sku, text } from '../../kernel/shapes.ts'
import { PAYMENT_METHODS } from '../payments/contract.ts'
import { PlaceOrder } from './contract.ts'
import type { Order } from './order.ts'
import { hasEnded, order } from './order.ts'
import type { OrderAnswer as Answer } from './order-view.ts'
import { OrderAnswer, orderView } from './order-view.ts'

const MAX_ITEMS = 500
const MAX_PAYMENTS = 20

/** Seed 3's numbers: `typePaymentId` 1 is a card, and so on in this order. */
const METHODS_BY_TYPE_ID = PAYMENT_METHODS

const Item = z
  .strictObject({
    sku: sku.optional(),
    productId: id.optional(),
    quantity: quantity.describe('Whole pieces.'),
    price: amountInput.optional().describe("Must be the catalog's, unless the caller is an importer, who may quote."),
  })
  .refine(({ sku, productId }) => sku !== undefined || productId !== undefined, 'an item needs a sku or a productId')

const Payment = z
  .strictObject({
    method: z.enum(PAYMENT_METHODS).optional().describe('manual: settled by a person (PATCH status PAID).'),
    typePaymentId: z
      .int()
      .min(1)
      .max(METHODS_BY_TYPE_ID.length)
      .optional()
      .describe('Another way to say the method: 1 card, 2 pix, 3 boleto, 4 transfer, 5 manual.'),
    amount: amountInput.optional().describe('May be left out of a single payment, which is the whole total then.'),
  })
  .refine(
    ({ method, typePaymentId }) => (method === undefined) !== (typePaymentId === undefined),
    'a payment names its method or its typePaymentId, one of them',
  )

const Body = z.strictObject({
  clientId: id,
  items: z.array(Item).max(MAX_ITEMS).describe(`At most ${MAX_ITEMS}; a SKU may be named more than once.`),
  currency: currency.optional().describe("The first product's unless given."),
  tax: amountInput.optional(),
  shipping: amountInput.optional(),
  total: amountInput.optional().describe('Checked: items, tax and shipping must add up to it.'),
  payments: z.array(Payment).max(MAX_PAYMENTS).optional().describe('One card payment of the total unless given.'),
  shippingAddress: postalAddress.optional().describe("The client's first address unless given."),
  reference: text(100).optional().describe("The caller's own number; a second order with it is refused."),
  orderedAt: momentInput.optional().describe('A business date for reports; now unless given.'),
})
type PlaceOrderBody = z.output<typeof Body>

/** An importer brings orders that somebody else priced; an administrator may do all that a role may. */
function mayQuote({ role }: Pick<Request<unknown, unknown, unknown>, 'role'>): boolean {
  return role === 'importer' || role === 'admin'
}

function paymentOf({ method, typePaymentId, amount }: z.output<typeof Payment>) {
  const named = method ?? METHODS_BY_TYPE_ID[(typePaymentId ?? 1) - 1] ?? 'card'
  return { method: named, amount: amountText(amount) }
}

function commandOf(request: Request<unknown, unknown, PlaceOrderBody>, orderId: string): DataOf<typeof PlaceOrder> {
  const { items, payments, tax, shipping, total, orderedAt, ...rest } = request.body
  return {
    ...rest,
    orderId,
    items: items.map(({ price, ...item }) => ({ ...item, price: amountText(price) })),
    payments: payments?.map(paymentOf),
    tax: amountText(tax),
    shipping: amountText(shipping),
    total: amountText(total),
    orderedAt: millisecondsOf(orderedAt),
    source: request.principal,
    mayQuote: mayQuote(request),
  }
}

/**
 * The reply as the order stands once the caller has waited (`Prefer: wait`); the reply as it was when he does not wait.
 * A repeated request waits for the order that the first one placed.
 */
export async function afterWaiting(
  request: Pick<Request<unknown, unknown, unknown>, 'read' | 'waitUntil'>,
  reply: Reply,
  reached: { readonly when: (order: Order) => boolean; readonly status: (order: Order) => number },
): Promise<Reply> {
  const { orderId } = reply.body as Answer
  let seen: Order | undefined
  await request.waitUntil(async () => {
    const { state } = await request.read.state(order.at(orderId))
    seen = state
    return reached.when(state)
  })
  if (seen === undefined) return reply
  return { ...reply, status: reached.status(seen), body: orderView(seen, orderId) }
}

export const placing = post('/v1/orders', {
  summary: 'Place an order. `Prefer: wait=N` answers when it has ended, or after N seconds with the state reached.',
  role: 'clerk',
  body: Body,
  answers: { 201: OrderAnswer },
  codes: [
    'ORDER_EMPTY',
    'CLIENT_UNKNOWN',
    'PRODUCT_UNKNOWN',
    'PRODUCT_INACTIVE',
    'PRICE_MISMATCH',
    'AMOUNT_INVALID',
    'CURRENCY_MIXED',
    'TOTAL_MISMATCH',
    'PAYMENTS_MISMATCH',
    'REFERENCE_TAKEN',
  ],
  handle: async (request: Request<unknown, unknown, PlaceOrderBody>) => {
    const orderId = request.newId()
    const reply = await request.submit(PlaceOrder(commandOf(request, orderId)), (held) => ({
      status: 201,
      headers: { location: `/v1/orders/${orderId}` },
      body: orderView(held.get(order.at(orderId)).state, orderId),
    }))
    return afterWaiting(request, reply, { when: hasEnded, status: () => 201 })
  },
})
