// What of an order may come back, and for how much: never more than was bought, never more than was paid.
import type { DataOf } from '../../kernel/message.ts'
import { allocate, multiply, sumMinor, toAmount, toMinor } from '../../kernel/money.ts'
import { refuse } from '../../kernel/refuse.ts'
import type { OrderPlaced, ReturnRequested, ReturnedItem } from './contract.ts'

type Placed = DataOf<typeof OrderPlaced>

export interface OrderReturn {
  readonly status: 'REQUESTED' | 'COMPLETED' | 'REJECTED'
  readonly items: readonly ReturnedItem[]
  readonly amount: string
  readonly tax: string
  /** Why the client returned it, or why it was rejected. */
  readonly reason: string
  readonly reference: string
  readonly requestedAt: number
  readonly updatedAt: number
}

export type Returns = Readonly<Record<string, OrderReturn>>

export function isReturnLive({ status }: OrderReturn): boolean {
  return status !== 'REJECTED'
}

interface Wanted {
  readonly sku: string
  readonly quantity: number
}

/**
 * The items that come back, at the prices that they were bought for. A SKU that stands in several lines comes back from
 * the first one that has pieces left.
 *
 * @throws {Refusal} RETURN_TOO_MUCH
 */
export function returnedItems(placed: Placed, returns: Returns, wanted: readonly Wanted[]): ReturnedItem[] {
  const left = leftOf(placed, returns)
  return quantityBySku(wanted).flatMap(({ sku, quantity }) => {
    const lines = left.filter((line) => line.sku === sku)
    const available = lines.reduce((sum, line) => sum + line.quantity, 0)
    refuse(quantity > available, 'RETURN_TOO_MUCH', { sku, wanted: quantity, returnable: available })
    return taken(lines, quantity)
  })
}

/** Lines of one SKU at one price are one: their pieces are worth the same. */
function leftOf(placed: Placed, returns: Returns): ReturnedItem[] {
  const left = new Map<string, ReturnedItem>()
  const add = ({ sku, price, quantity }: ReturnedItem) => {
    const before = left.get(`${sku} ${price}`)?.quantity ?? 0
    left.set(`${sku} ${price}`, { sku, price, quantity: before + quantity })
  }
  placed.items.forEach(add)
  for (const { items } of Object.values(returns).filter(isReturnLive)) {
    for (const item of items) add({ ...item, quantity: -item.quantity })
  }
  return [...left.values()]
}

function quantityBySku(wanted: readonly Wanted[]): Wanted[] {
  const sums = new Map<string, number>()
  for (const { sku, quantity } of wanted) sums.set(sku, (sums.get(sku) ?? 0) + quantity)
  return [...sums].map(([sku, quantity]) => ({ sku, quantity }))
}

function taken(lines: readonly ReturnedItem[], quantity: number): ReturnedItem[] {
  let missing = quantity
  return lines.flatMap((line) => {
    const pieces = Math.min(missing, line.quantity)
    missing -= pieces
    return pieces > 0 ? [{ ...line, quantity: pieces }] : []
  })
}

/**
 * What is paid back: the pieces' prices, and of the order's tax what falls on all returned pieces together less what
 * was paid back before, so that many small returns round to no more than one big one. Shipping is not returned.
 */
export function refundOf(
  placed: Placed,
  returns: Returns,
  items: readonly ReturnedItem[],
): Pick<DataOf<typeof ReturnRequested>, 'amount' | 'tax'> {
  const { currency } = placed
  const before = Object.values(returns).filter(isReturnLive)
  const value = valueOf(items, currency)
  const returned = value + sumMinor(before.map((one) => valueOf(one.items, currency)))
  const subtotal = toMinor(placed.subtotal, currency)
  const dueTax =
    subtotal === 0n ? 0n : (allocate(toMinor(placed.tax, currency), [returned, subtotal - returned])[0] ?? 0n)
  const taxLeft = dueTax - sumMinor(before.map(({ tax }) => toMinor(tax, currency)))
  // A return that was rejected in between may leave one unit of rounding with the others.
  const tax = taxLeft > 0n ? taxLeft : 0n
  return { amount: toAmount(value + tax, currency), tax: toAmount(tax, currency) }
}

function valueOf(items: readonly ReturnedItem[], currency: string): bigint {
  return sumMinor(items.map(({ price, quantity }) => multiply(toMinor(price, currency), quantity)))
}
