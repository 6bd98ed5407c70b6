// The sample's orders, clients and products as bodies of requests; the same number gives the same id in every run.
import { hash } from 'node:crypto'
import type { RetailOrder, RetailPlan } from './retail.ts'

type Client = RetailPlan['clients'][number]
type Product = RetailPlan['products'][number]

const CURRENCY = 'GBP'

/** A UUID of version 8 (RFC 9562, 5.8) out of a client's number, since ids of clients are UUIDs. */
export function clientIdOf(number: string): string {
  const digits = hash('sha256', `lonja retail client ${number}`)
  const [time, middle, low, variant, rest] = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(13, 16),
    digits.slice(17, 20),
    digits.slice(20, 32),
  ]
  return `${time}-${middle}-8${low}-8${variant}-${rest}`
}

/** The sample has no names: the number is the name, and the mail goes to a domain that no mail can reach. */
export function clientBody({ clientId: number }: Client) {
  return {
    clientId: clientIdOf(number),
    name: `Customer ${number}`,
    email: `customer-${number.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')}@shop.example`,
  }
}

export function productBody({ sku, name, lastPrice }: Product, quantity: number) {
  return { sku, name: name === '' ? sku : name, price: lastPrice, currency: CURRENCY, quantity }
}

export function orderBody({ reference, clientId, orderedAt, currency, items }: RetailOrder) {
  return { clientId: clientIdOf(clientId), reference, orderedAt, currency, items }
}
