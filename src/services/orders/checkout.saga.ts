// From placed to confirmed: reserve, pay, commit, ship; whatever stops it on the way is undone, newest step first.
import type { Duration } from '../../kernel/duration.ts'
import { milliseconds } from '../../kernel/duration.ts'
import type { DataOf, Message } from '../../kernel/message.ts'
import type { Saga, Step } from '../../kernel/saga.ts'
import { saga } from '../../kernel/saga.ts'
import * as inventory from '../inventory/contract.ts'
import * as payments from '../payments/contract.ts'
import * as shipping from '../shipping/contract.ts'
import type { CANCEL_REASONS } from './contract.ts'
import * as orders from './contract.ts'

/** How long each step waits for its answer. */
export interface CheckoutLimits {
  readonly reserve: Duration
  readonly pay: Duration
  /** Somebody has to see the money and say so (PATCH status PAID); the stock is held that long. */
  readonly manualPay: Duration
  readonly commit: Duration
  readonly ship: Duration
  /** How much longer than the steps up to the commit the stock is held: a backlog must not sell it to somebody else. */
  readonly holdMargin: Duration
}

export const CHECKOUT_LIMITS: CheckoutLimits = {
  reserve: '30 s',
  pay: '5 min',
  manualPay: '24 h',
  commit: '30 s',
  ship: '1 h',
  holdMargin: '5 min',
}

type CancelReason = (typeof CANCEL_REASONS)[number]

/** What the saga keeps of the order: only what its commands carry. */
interface Checkout {
  readonly orderId: string
  readonly items: inventory.StockLine[]
  readonly amount: string
  readonly currency: string
  readonly parts: payments.PaymentPart[]
  readonly reference: string
  readonly address: DataOf<typeof orders.OrderPlaced>['shippingAddress']
}

function remembered(placed: DataOf<typeof orders.OrderPlaced>): Checkout {
  return {
    orderId: placed.orderId,
    items: placed.items.map(({ sku, quantity }) => ({ sku, quantity })),
    amount: placed.total,
    currency: placed.currency,
    parts: placed.payments,
    reference: placed.reference,
    address: placed.shippingAddress,
  }
}

function stockOf({ orderId, items }: Checkout) {
  return { orderId, items }
}

/**
 * The order's reason for each event that stops it. A hold outlasts the limits of all steps up to the commit, so it can
 * only run out while a payment is awaited for too long. A refused commit found the goods gone, whatever took them.
 */
function reasonOf({ type, data }: Message): CancelReason {
  if (type === orders.CancellationRequested.type) return (data as { readonly reason: CancelReason }).reason
  if (type === payments.PaymentDeclined.type) return 'PAYMENT_DECLINED'
  if (type === inventory.ReservationExpired.type) return 'PAYMENT_TIMEOUT'
  if (type === shipping.ShipmentRefused.type) return 'SHIPMENT_REFUSED'
  return 'OUT_OF_STOCK'
}

function piecesOf({ items }: Checkout): number {
  return items.reduce((sum, { quantity }) => sum + quantity, 0)
}

/** The limits of the steps up to the one that takes the goods off the stock: so long, and longer, they are held. */
function untilCommit({ reserve, commit }: CheckoutLimits, pay: Duration): Duration[] {
  return [reserve, pay, commit]
}

function holdMs(limits: CheckoutLimits, pay: Duration): number {
  return [...untilCommit(limits, pay), limits.holdMargin].reduce((sum, limit) => sum + milliseconds(limit), 0)
}

function payWithin(limits: CheckoutLimits, { parts }: Checkout): Duration {
  return parts.some(({ method }) => method === 'manual') ? limits.manualPay : limits.pay
}

function reserve(limits: CheckoutLimits): Step<Checkout> {
  return {
    name: 'reserve',
    send: (o) => inventory.ReserveStock({ ...stockOf(o), holdMs: holdMs(limits, payWithin(limits, o)) }),
    done: inventory.StockReserved,
    refused: inventory.StockRefused,
    undo: (o) => inventory.ReleaseStock(stockOf(o)),
    undone: inventory.StockReleased,
    within: limits.reserve,
    late: 'OUT_OF_STOCK' satisfies CancelReason,
    promise: {
      done: 'No stock is known to be held for this order: its pieces may be sold to somebody else.',
      undone: 'The order will be cancelled while its pieces may stay held until the hold runs out.',
    },
  }
}

function pay(limits: CheckoutLimits): Step<Checkout> {
  return {
    name: 'pay',
    send: ({ orderId, amount, currency, parts, reference }) =>
      payments.CapturePayment({ orderId, amount, currency, parts, reference }),
    done: payments.PaymentCaptured,
    refused: payments.PaymentDeclined,
    undo: ({ orderId, currency }) => payments.RefundPayment({ orderId, currency }),
    undone: payments.PaymentRefunded,
    // A refund waits for a capture that is under way, and for a gateway that is down.
    undoWithin: '1 h',
    tells: ({ orderId }) => orders.MarkOrderPaid({ orderId }),
    within: (o) => payWithin(limits, o),
    late: 'PAYMENT_TIMEOUT' satisfies CancelReason,
    promise: {
      done: 'The order will be confirmed although payments knows of no money: skip only what was paid another way.',
      undone: 'The order will be cancelled while its money may stay with the shop: give it back another way first.',
    },
  }
}

function commit(limits: CheckoutLimits): Step<Checkout> {
  return {
    name: 'commit',
    send: (o) => inventory.CommitStock(stockOf(o)),
    done: inventory.StockCommitted,
    refused: inventory.StockCommitRefused,
    undo: (o) => inventory.RestockOrder(stockOf(o)),
    undone: inventory.OrderRestocked,
    within: limits.commit,
    late: 'OUT_OF_STOCK' satisfies CancelReason,
    promise: {
      done: 'The order will be shipped while its pieces may still count as stock: they may be sold once more.',
      undone: 'The order will be cancelled while its pieces may be missing in stock: count and adjust it.',
    },
  }
}

function ship(limits: CheckoutLimits): Step<Checkout> {
  return {
    name: 'ship',
    send: (o) =>
      shipping.BookShipment({ orderId: o.orderId, address: o.address, pieces: piecesOf(o), reference: o.reference }),
    done: shipping.ShipmentBooked,
    refused: shipping.ShipmentRefused,
    undo: ({ orderId }) => shipping.CancelShipment({ orderId }),
    undone: shipping.ShipmentCancelled,
    undoWithin: '1 h',
    within: limits.ship,
    late: 'SHIPMENT_REFUSED' satisfies CancelReason,
    promise: {
      done: 'The order will be confirmed although no carrier is known to bring it: skip only what is sent another way.',
      undone: 'The order will be cancelled while its parcel may be on its way to the client.',
    },
  }
}

/** Builds the saga; other limits than the usual ones are for shops whose payments take longer, and for tests. */
export function checkoutWith(limits: CheckoutLimits): Saga {
  return saga({
    name: 'checkout',
    starts: orders.OrderPlaced,
    key: 'orderId',
    says: [
      inventory.ReserveStock,
      inventory.ReleaseStock,
      inventory.CommitStock,
      inventory.RestockOrder,
      payments.CapturePayment,
      payments.RefundPayment,
      shipping.BookShipment,
      shipping.CancelShipment,
      orders.MarkOrderPaid,
      orders.ConfirmOrder,
      orders.CancelOrder,
      orders.FlagOrder,
      orders.GiveUpOrder,
    ],
    remembers: remembered,
    steps: [reserve(limits), pay(limits), commit(limits), ship(limits)],
    stops: [orders.CancellationRequested, inventory.ReservationExpired],
    succeeds: { send: ({ orderId }) => orders.ConfirmOrder({ orderId }), done: orders.OrderConfirmed },
    fails: { send: ({ orderId }, reason) => orders.CancelOrder({ orderId, reason }), done: orders.OrderCancelled },
    reasonOf,
    flags: ({ orderId }, steps) => orders.FlagOrder({ orderId, steps: [...steps] }),
    givesUp: ({ orderId }) => orders.GiveUpOrder({ orderId, reason: 'GIVEN_UP' }),
    givenUp: orders.OrderFailed,
    holds: [limits.pay, limits.manualPay].map((pay) => ({
      name: `stock for a payment within ${pay}`,
      heldMs: holdMs(limits, pay),
      within: untilCommit(limits, pay),
    })),
  })
}

export const checkout = checkoutWith(CHECKOUT_LIMITS)
