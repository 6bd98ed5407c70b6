// What each event adds to the window in which it was appended.
import type { AnyMessageType, DataOf } from '../../kernel/message.ts'
import { toMinor } from '../../kernel/money.ts'
import * as catalog from '../catalog/contract.ts'
import * as clients from '../clients/contract.ts'
import * as inventory from '../inventory/contract.ts'
import * as notifications from '../notifications/contract.ts'
import * as orders from '../orders/contract.ts'
import * as payments from '../payments/contract.ts'
import * as shipping from '../shipping/contract.ts'

/** Counts of one window; every row of the table holds what one partition of one topic added. */
export const COUNTS = [
  'created',
  'confirmed',
  'cancelled',
  'failed',
  'returned',
  'cancelled_out_of_stock',
  'cancelled_payment_declined',
  'cancelled_payment_timeout',
  'cancelled_shipment_refused',
  'cancelled_client',
  'cancelled_operator',
  // Minor units of the row's currency.
  'revenue_placed',
  'revenue_confirmed',
  'revenue_lost',
  'revenue_returned',
  // Pieces that came or went; their sum since the beginning is the level.
  'on_hand_change',
  'held_change',
  'notifications_sent',
  'notifications_failed',
  'events',
  'late',
] as const
export type Count = (typeof COUNTS)[number]
export type Counts = Readonly<Record<Count, number>>

/** The column that counts the cancellations of one reason. */
export function reasonCount(reason: string): Count | undefined {
  const name = `cancelled_${reason.toLowerCase()}`
  return COUNTS.find((count) => count === name)
}

/** What one event adds; `happenedAt` is its own clock's time, where it carries one. */
export interface Addition {
  readonly counts: readonly (readonly [Count, number])[]
  readonly happenedAt?: number
}

const additions = new Map<string, (data: never) => Addition>()
/** Events that count money: in a row of their currency, so nothing is added up over currencies. */
const counting = new Set<string>()

function addsMoney<Type extends AnyMessageType>(
  event: Type & (DataOf<Type> extends { readonly currency: string } ? unknown : never),
  adding: (data: DataOf<Type>) => Addition,
): void {
  counting.add(event.type)
  adds(event, adding)
}

function adds<Type extends AnyMessageType>(event: Type, adding: (data: DataOf<Type>) => Addition): void {
  additions.set(event.type, adding)
}

function minorOf(amount: string, currency: string): number {
  return Number(toMinor(amount, currency))
}

addsMoney(orders.OrderPlaced, ({ total, currency, placedAt }) => ({
  counts: [
    ['created', 1],
    ['revenue_placed', minorOf(total, currency)],
  ],
  happenedAt: placedAt,
}))
addsMoney(orders.OrderConfirmed, ({ total, currency, at }) => ({
  counts: [
    ['confirmed', 1],
    ['revenue_confirmed', minorOf(total, currency)],
  ],
  happenedAt: at,
}))
addsMoney(orders.OrderCancelled, ({ total, currency, reason, at }) => {
  const count = reasonCount(reason)
  const byReason = count === undefined ? [] : ([[count, 1]] as const)
  return {
    counts: [['cancelled', 1], ...byReason, ['revenue_lost', minorOf(total, currency)]],
    happenedAt: at,
  }
})
addsMoney(orders.OrderFailed, ({ total, currency, at }) => ({
  counts: [
    ['failed', 1],
    ['revenue_lost', minorOf(total, currency)],
  ],
  happenedAt: at,
}))
addsMoney(orders.ReturnCompleted, ({ amount, currency, at }) => ({
  counts: [
    ['returned', 1],
    ['revenue_returned', minorOf(amount, currency)],
  ],
  happenedAt: at,
}))
for (const event of [orders.OrderPaid, orders.CancellationRequested, orders.ManualPaymentReceived]) {
  adds(event, ({ at }) => ({ counts: [], happenedAt: at }))
}

adds(inventory.StockReserved, ({ units }) => ({ counts: [['held_change', units]] }))
for (const event of [inventory.StockReleased, inventory.ReservationExpired]) {
  adds(event, ({ units }) => ({ counts: [['held_change', -units]] }))
}
adds(inventory.StockCommitted, ({ units }) => ({
  counts: [
    ['held_change', -units],
    ['on_hand_change', -units],
  ],
}))
for (const event of [inventory.OrderRestocked, inventory.ReturnRestocked]) {
  adds(event, ({ units }) => ({ counts: [['on_hand_change', units]] }))
}
adds(inventory.ReturnTakenBack, ({ units }) => ({ counts: [['on_hand_change', -units]] }))
adds(inventory.StockAdjusted, ({ quantity }) => ({ counts: [['on_hand_change', quantity]] }))

adds(notifications.NotificationSent, () => ({ counts: [['notifications_sent', 1]] }))
adds(notifications.NotificationFailed, () => ({ counts: [['notifications_failed', 1]] }))

const NOTHING: Addition = { counts: [] }

/** What an event adds besides being one. */
export function additionOf(event: { readonly type: string }, data: unknown): Addition {
  const adding = additions.get(event.type) as ((data: unknown) => Addition) | undefined
  return adding === undefined ? NOTHING : adding(data)
}

/** The currency of what an event counts; empty where it counts no money. */
export function currencyOf(event: { readonly type: string }, data: unknown): string {
  return counting.has(event.type) ? (data as { readonly currency: string }).currency : ''
}

/** Every event of every service: a new one is counted as soon as its contract names it. */
export const allEvents: readonly AnyMessageType[] = [
  clients,
  catalog,
  orders,
  inventory,
  payments,
  shipping,
  notifications,
].flatMap((contract) => Object.values(contract).filter(isEvent))

function isEvent(exported: unknown): exported is AnyMessageType {
  return typeof exported === 'function' && 'kind' in exported && exported.kind === 'event'
}
