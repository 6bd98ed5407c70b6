// What orders publishes, takes and refuses: the order's life from placed to confirmed, cancelled, returned.
import { z } from 'zod'
import { contract, personal } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { amount, currency, id, postalAddress, quantity, sku } from '../../kernel/shapes.ts'
import { paymentPart } from '../payments/contract.ts'

export const ordersContract = contract('orders')

/** The topics of the feed `order-states`. */
const oneState = { partitions: 1, keep: '7 d', compression: 'snappy' } as const
export const ordersCreated = ordersContract.outward('orders.created', oneState)
export const ordersPaid = ordersContract.outward('orders.paid', oneState)
export const ordersFailed = ordersContract.outward('orders.failed', oneState)

/** The topics of the feed `order-pipeline`. Its own name for the first is taken by our log: hence the prefix. */
export const pipelineOrders = ordersContract.outward('pipeline.orders.events', {
  partitions: 3,
  keep: '7 d',
  compression: 'snappy',
})
export const inventoryRequests = ordersContract.outward('inventory.requests', {
  partitions: 3,
  keep: '1 d',
  compression: 'lz4',
})
export const notificationRequests = ordersContract.outward('notifications.requests', {
  partitions: 3,
  keep: '2 d',
  compression: 'gzip',
})

/** The topic of the feed `domain-events`. */
export const domainOrders = ordersContract.outward('order-events', { partitions: 6, keep: '30 d', compression: 'gzip' })

/** Why an order ended without being confirmed. */
export const CANCEL_REASONS = [
  'OUT_OF_STOCK',
  'PAYMENT_DECLINED',
  'PAYMENT_TIMEOUT',
  'SHIPMENT_REFUSED',
  'CLIENT',
  'OPERATOR',
] as const

const orderItem = z.object({ sku, productId: id, name: z.string(), quantity, price: amount })
export type OrderItem = z.output<typeof orderItem>

const order = { orderId: id }
/** When it happened by the orders' own clock, in milliseconds since the epoch; the record's append time comes later. */
const at = z.int()
/** What readers of a turn in an order's life need, so that they need no state of their own. */
const summary = {
  ...order,
  clientId: id,
  clientName: personal(z.string()),
  total: amount,
  currency,
  /** Lines and pieces. */
  lines: z.int(),
  units: z.int(),
  orderedAt: z.int(),
  at,
}

export const PlaceOrder = ordersContract.command('PlaceOrder', {
  key: 'orderId',
  body: {
    ...order,
    clientId: id,
    /** By SKU or product id; a price is the caller's claim, checked against the catalog unless he may quote. */
    items: z.array(z.object({ sku: sku.optional(), productId: id.optional(), quantity, price: z.string().optional() })),
    currency: currency.optional(),
    tax: amount.optional(),
    shipping: amount.optional(),
    total: amount.optional(),
    payments: z.array(z.object({ method: paymentPart.shape.method, amount: amount.optional() })).optional(),
    shippingAddress: personal(postalAddress).optional(),
    reference: z.string().optional(),
    /** Whose references these are: the principal. */
    source: z.string(),
    orderedAt: z.int().optional(),
    mayQuote: z.boolean(),
  },
})
export const MarkOrderPaid = ordersContract.command('MarkOrderPaid', { key: 'orderId', body: order })
export const ConfirmOrder = ordersContract.command('ConfirmOrder', { key: 'orderId', body: order })
export const CancelOrder = ordersContract.command('CancelOrder', {
  key: 'orderId',
  body: { ...order, reason: z.string() },
})
export const RequestCancellation = ordersContract.command('RequestCancellation', {
  key: 'orderId',
  body: { ...order, reason: z.enum(['CLIENT', 'OPERATOR']) },
})
/** The saga's: a person has to look at these steps; at none, when it works again. */
export const FlagOrder = ordersContract.command('FlagOrder', {
  key: 'orderId',
  body: { ...order, steps: z.array(z.string()) },
})
export const ReceiveManualPayment = ordersContract.command('ReceiveManualPayment', { key: 'orderId', body: order })
export const GiveUpOrder = ordersContract.command('GiveUpOrder', {
  key: 'orderId',
  body: { ...order, reason: z.string() },
})
const returnLines = z.array(z.object({ sku, quantity })).min(1).max(500)
export const RequestReturn = ordersContract.command('RequestReturn', {
  key: 'orderId',
  body: {
    ...order,
    returnId: id,
    items: returnLines,
    reason: z.string().optional(),
    reference: z.string().optional(),
  },
})
export const CompleteReturn = ordersContract.command('CompleteReturn', {
  key: 'orderId',
  body: { ...order, returnId: id },
})
export const RejectReturn = ordersContract.command('RejectReturn', {
  key: 'orderId',
  body: { ...order, returnId: id, reason: z.string() },
})

export const OrderPlaced = ordersContract.event('OrderPlaced', {
  key: 'orderId',
  body: {
    ...order,
    clientId: id,
    clientName: personal(z.string()),
    items: z.array(orderItem),
    subtotal: amount,
    tax: amount,
    shipping: amount,
    total: amount,
    currency,
    payments: z.array(paymentPart),
    priced: z.enum(['catalog', 'quoted']),
    /** Empty where the caller gave none. */
    reference: z.string(),
    source: z.string(),
    shippingAddress: personal(postalAddress).optional(),
    orderedAt: z.int(),
    placedAt: z.int(),
  },
})
export const OrderPaid = ordersContract.event('OrderPaid', { key: 'orderId', body: summary })
export const CancellationRequested = ordersContract.event('CancellationRequested', {
  key: 'orderId',
  body: { ...order, reason: z.string(), at },
})
export const ManualPaymentReceived = ordersContract.event('ManualPaymentReceived', {
  key: 'orderId',
  body: { ...order, at },
})
export const OrderFlagged = ordersContract.event('OrderFlagged', {
  key: 'orderId',
  body: { ...order, steps: z.array(z.string()), at },
})
/** The saga works again: nobody has to look any more. */
export const OrderUnflagged = ordersContract.event('OrderUnflagged', { key: 'orderId', body: { ...order, at } })
export const OrderConfirmed = ordersContract.event('OrderConfirmed', { key: 'orderId', body: summary })
/** The status before; missing in what an older program appended. */
const from = z.enum(['PENDING', 'PAID']).optional()
export const OrderCancelled = ordersContract.event('OrderCancelled', {
  key: 'orderId',
  body: { ...summary, from, reason: z.string() },
})
export const OrderFailed = ordersContract.event('OrderFailed', {
  key: 'orderId',
  body: { ...summary, from, reason: z.string() },
})
const returned = { ...order, clientId: id, returnId: id, amount, currency, orderedAt: z.int(), at }
/** Two items may name one SKU where it was bought at two prices; `amount` is their value and its share of the tax. */
const returnedItem = z.object({ sku, quantity, price: amount })
export type ReturnedItem = z.output<typeof returnedItem>
export const ReturnRequested = ordersContract.event('ReturnRequested', {
  key: 'orderId',
  body: {
    ...returned,
    items: z.array(returnedItem),
    tax: amount,
    reason: z.string(),
    /** Empty where the caller gave none. */
    reference: z.string(),
  },
})
export const ReturnCompleted = ordersContract.event('ReturnCompleted', {
  key: 'orderId',
  body: { ...returned, units: z.int() },
})
export const ReturnRejected = ordersContract.event('ReturnRejected', {
  key: 'orderId',
  body: { ...returned, reason: z.string() },
})

export const ordersCodes = {
  ORDER_NOT_FOUND: { status: 404, title: 'No order has this id or reference. Check it.' },
  ORDER_EMPTY: { status: 422, title: 'An order needs at least one item.' },
  CLIENT_UNKNOWN: { status: 422, title: 'No client has this id. Register the client first.', mayCatchUp: true },
  PRODUCT_UNKNOWN: { status: 422, title: 'No product has this SKU or id. Add the product first.', mayCatchUp: true },
  PRODUCT_INACTIVE: { status: 422, title: 'The product is not sold at present. Leave it out or activate it.' },
  PRICE_MISMATCH: { status: 422, title: "The price is not the catalog's. Leave it out or read the product again." },
  AMOUNT_INVALID: {
    status: 422,
    title: 'The amount does not fit its currency. Write it as a decimal with its decimals.',
  },
  CURRENCY_MIXED: { status: 422, title: 'All items, payments and totals of an order need one currency.' },
  TOTAL_MISMATCH: {
    status: 422,
    title: 'Items, tax and shipping do not add up to the total. Leave it out or correct it.',
  },
  PAYMENTS_MISMATCH: { status: 422, title: 'The payments do not add up to the total. Correct their amounts.' },
  REFERENCE_TAKEN: { status: 409, title: 'An order with this reference exists already; it was not placed again.' },
  ORDER_TRANSITION: { status: 409, title: 'The order can not go from its status to that one. Read it again.' },
  GIVE_UP_TOO_EARLY: {
    status: 409,
    title: 'Only an order that needs a person can be given up. Cancel it instead: what was done is undone then.',
  },
  OPERATOR_ONLY: { status: 403, title: 'Only an operator may give an order up. Ask one, or cancel the order.' },
  RETURN_NOT_POSSIBLE: {
    status: 409,
    title: 'Only a confirmed order can be returned. Wait until it is, or cancel it.',
  },
  RETURN_TOO_MUCH: {
    status: 422,
    title: 'More would be returned than was bought. Read the order and its returns again.',
  },
  RETURN_REFERENCE_TAKEN: { status: 409, title: 'The order has a return with this reference; it was not made again.' },
  RETURN_LIMIT: { status: 409, title: 'The order has too many returns. Return more items at once.' },
  RETURN_NOT_FOUND: { status: 404, title: 'The order has no return with this id. Check it.' },
} as const satisfies CodeTable
