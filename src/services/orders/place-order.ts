// What an order is worth: its items at the catalog's prices or at quoted ones, and whether all claims add up.
import type { AnyRef, Held } from '../../kernel/handler.ts'
import type { DataOf } from '../../kernel/message.ts'
import { MoneyError, multiply, sumMinor, toAmount, toMinor } from '../../kernel/money.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { PaymentPart } from '../payments/contract.ts'
import type { OrderItem, OrderPlaced, PlaceOrder } from './contract.ts'
import type { ProductCopy } from './copies.ts'
import { clientCopy, productById, productBySku, referenceOf } from './copies.ts'

type Asked = DataOf<typeof PlaceOrder>
type AskedItem = Asked['items'][number]

/** Ten trillion minor units: 900 such orders still sum up below 2^53, which is what a projection's column holds. */
const MAX_TOTAL_MINOR = 10n ** 13n

/** The documents that placing an order looks at. */
export function placingLoads({ clientId, items, source, reference }: Asked): AnyRef[] {
  const products = items.flatMap(({ sku, productId }) => [
    ...(sku === undefined ? [] : [productBySku(sku)]),
    ...(productId === undefined ? [] : [productById(productId)]),
  ])
  return [clientCopy.at(clientId), ...products, ...(isGiven(reference) ? [referenceOf(source, reference)] : [])]
}

/** @throws {Refusal} REFERENCE_TAKEN with the order that has it. */
export function takeReference({ orderId, source, reference }: Asked, held: Held): void {
  if (!isGiven(reference)) return
  const ref = referenceOf(source, reference)
  const taken = held.get(ref)
  refuse(taken.orderId !== '', 'REFERENCE_TAKEN', { orderId: taken.orderId, reference })
  held.put(ref, { orderId })
}

function isGiven(reference: string | undefined): reference is string {
  return reference !== undefined && reference !== ''
}

/**
 * The order as it is placed.
 *
 * @throws {Refusal} whatever is wrong with it.
 */
export function placed(asked: Asked, held: Held, now: number): DataOf<typeof OrderPlaced> {
  refuse(asked.items.length === 0, 'ORDER_EMPTY')
  const { orderId, clientId, mayQuote, orderedAt = now } = asked
  const client = held.get(clientCopy.at(clientId))
  refuse(client.name === '', 'CLIENT_UNKNOWN', { clientId })
  const products = asked.items.map((item) => productOf(item, held))
  const currency = asked.currency ?? products[0]?.currency ?? ''
  const lines = products.map((product, at) => lineOf(asked.items[at], product, { currency, mayQuote }))
  const sums = sumsOf(asked, lines, currency)
  return {
    orderId,
    clientId,
    clientName: client.name,
    items: lines.map(({ item }) => item),
    ...sums,
    currency,
    payments: paymentsOf(asked.payments, sums.total, currency),
    priced: lines.some(({ isQuoted }) => isQuoted) ? 'quoted' : 'catalog',
    reference: asked.reference ?? '',
    source: asked.source,
    shippingAddress: asked.shippingAddress ?? client.address,
    orderedAt,
    placedAt: now,
  }
}

/** @throws {Refusal} PRODUCT_UNKNOWN, also when SKU and id name two products. */
function productOf({ sku, productId }: AskedItem, held: Held): ProductCopy {
  const product = sku === undefined ? held.get(productById(productId ?? '')) : held.get(productBySku(sku))
  const isOne = product.sku !== '' && (productId === undefined || product.productId === productId)
  refuse(!isOne, 'PRODUCT_UNKNOWN', {
    ...(sku === undefined ? {} : { sku }),
    ...(productId === undefined ? {} : { productId }),
  })
  return product
}

interface Line {
  readonly item: OrderItem
  readonly isQuoted: boolean
  readonly valueMinor: bigint
}

interface Terms {
  readonly currency: string
  readonly mayQuote: boolean
}

/** A quoted price needs nothing of the catalog's, not even its currency; any other one must be the catalog's. */
function lineOf(asked: AskedItem | undefined, product: ProductCopy, { currency, mayQuote }: Terms): Line {
  if (asked === undefined) throw new Error('A product was found for no item.')
  const { sku, productId, name } = product
  refuse(!product.active, 'PRODUCT_INACTIVE', { sku })
  const claimed = asked.price === undefined ? undefined : minorOf(asked.price, currency)
  const own = product.currency === currency ? minorOf(product.price, currency) : undefined
  const price = mayQuote ? (claimed ?? own) : own
  if (price === undefined) throw new Refusal('CURRENCY_MIXED', { sku, currency, productCurrency: product.currency })
  refuse(claimed !== undefined && claimed !== price, 'PRICE_MISMATCH', { sku, price: product.price, currency })
  const item = { sku, productId, name, quantity: asked.quantity, price: toAmount(price, currency) }
  // Prices have no more decimals than their currency, so a line is exact: nothing is rounded, once or twice.
  return { item, isQuoted: price !== own, valueMinor: multiply(price, asked.quantity) }
}

function sumsOf(asked: Asked, lines: readonly Line[], currency: string) {
  const subtotal = sumMinor(lines.map(({ valueMinor }) => valueMinor))
  const tax = minorOf(asked.tax ?? '0', currency)
  const shipping = minorOf(asked.shipping ?? '0', currency)
  const total = subtotal + tax + shipping
  refuse(total > MAX_TOTAL_MINOR, 'AMOUNT_INVALID', { problem: 'AMOUNT_TOO_LARGE', total: toAmount(total, currency) })
  const claimed = asked.total === undefined ? total : minorOf(asked.total, currency)
  const text = (minor: bigint) => toAmount(minor, currency)
  refuse(claimed !== total, 'TOTAL_MISMATCH', { claimed: text(claimed), total: text(total) })
  return { subtotal: text(subtotal), tax: text(tax), shipping: text(shipping), total: text(total) }
}

/** One payment may leave its amount out; without any, the whole is paid by card. */
function paymentsOf(asked: Asked['payments'], total: string, currency: string): PaymentPart[] {
  if (asked === undefined || asked.length === 0) return [{ method: 'card', amount: total }]
  const [only, ...others] = asked
  if (others.length === 0 && only?.amount === undefined) return [{ method: only?.method ?? 'card', amount: total }]
  const parts = asked.map(({ method, amount }) => {
    if (amount === undefined) throw new Refusal('PAYMENTS_MISMATCH', { total, missing: `the amount of ${method}` })
    return { method, minor: minorOf(amount, currency) }
  })
  const paid = sumMinor(parts.map(({ minor }) => minor))
  refuse(toAmount(paid, currency) !== total, 'PAYMENTS_MISMATCH', { total, payments: toAmount(paid, currency) })
  return parts.map(({ method, minor }) => ({ method, amount: toAmount(minor, currency) }))
}

/** @throws {Refusal} AMOUNT_INVALID, saying which amount and why. */
function minorOf(amount: string, currency: string): bigint {
  try {
    const minor = toMinor(amount, currency)
    refuse(minor < 0n, 'AMOUNT_INVALID', { amount, problem: 'AMOUNT_NEGATIVE' })
    return minor
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new Refusal('AMOUNT_INVALID', { ...error.details, problem: error.code })
  }
}
