// Commands as requests to the shipped routes, and the clients and products that are there from the beginning.
import type { Role } from '../../src/kernel/route.ts'
import type { Command } from './workload.ts'
import { MAX_SKUS, OPENING_QUANTITY, skuOf } from './workload.ts'

/** What a route is asked. */
export interface Asked {
  readonly service: string
  readonly method: 'POST' | 'PATCH' | 'PUT'
  readonly path: string
  readonly params: unknown
  readonly body: unknown
  readonly role: Role
}

const CLIENT_ID = '00000000-0000-7000-8000-0000000000c1'
const PRICE = '10.00'
const PRICE_CENTS = 1000

/** What is asked of the shop before the first command. */
export const PREPARATION: readonly Asked[] = [
  {
    service: 'clients',
    method: 'POST',
    path: '/v1/clients',
    params: {},
    body: {
      clientId: CLIENT_ID,
      name: 'Ada Simulated',
      email: 'ada@example.com',
      addresses: [{ line1: 'Calle Mayor 1', city: 'Madrid', postalCode: '28013', country: 'ES' }],
    },
    role: 'clerk',
  },
  ...Array.from({ length: MAX_SKUS }, (_, index): Asked => {
    return {
      service: 'catalog',
      method: 'POST',
      path: '/v1/products',
      params: {},
      body: {
        sku: skuOf(index),
        productId: `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`,
        name: skuOf(index),
        description: '',
        price: PRICE,
        currency: 'EUR',
        active: true,
        quantity: OPENING_QUANTITY,
      },
      role: 'clerk',
    }
  }),
]

/** @param named the order that the command is about */
export function requestOf(command: Command, named: string): Asked {
  const { kind, id } = command
  const about = { orderId: named }
  const [{ sku } = { sku: skuOf(0) }] = command.lines
  const changing = { service: 'orders', method: 'PATCH', path: '/v1/orders/:orderId', params: about } as const
  switch (kind) {
    case 'place':
      return {
        service: 'orders',
        method: 'POST',
        path: '/v1/orders',
        params: {},
        body: orderBody(command),
        role: 'admin',
      }
    case 'cancel':
      return { ...changing, body: { status: 'CANCELLED' }, role: id % 2 === 0 ? 'clerk' : 'operator' }
    case 'pay by hand':
      return { ...changing, body: { status: 'PAID' }, role: 'clerk' }
    case 'give up':
      return { ...changing, body: { status: 'FAILED' }, role: 'operator' }
    case 'return': {
      const body = { items: [{ sku, quantity: 1 }], reason: `c${id}` }
      return {
        service: 'orders',
        method: 'POST',
        path: '/v1/orders/:orderId/returns',
        params: about,
        body,
        role: 'clerk',
      }
    }
    case 'adjust': {
      const body = { location: 'main', quantity: command.quantity, reason: `c${id}` }
      return {
        service: 'inventory',
        method: 'POST',
        path: '/v1/stock/:sku/adjustments',
        params: { sku },
        body,
        role: 'clerk',
      }
    }
    case 'change price': {
      const body = { name: sku, description: '', price: `${10 + (id % 3)}.00`, currency: 'EUR', active: true }
      return { service: 'catalog', method: 'PUT', path: '/v1/products/:sku', params: { sku }, body, role: 'clerk' }
    }
  }
}

/** Prices are quoted, so that totals are known before the catalog is read: half of what is paid by a second part. */
function orderBody({ id, lines, payments, words }: Command): unknown {
  const cents = lines.reduce((sum, { quantity }) => sum + quantity * PRICE_CENTS, 0)
  const [first, ...others] = payments
  const half = Math.floor(cents / 2)
  const amounts = others.length === 0 ? [cents] : [cents - half, half]
  const parts = [first ?? 'card', ...others].map((method, at) => ({ method, amount: amountOf(amounts[at] ?? 0) }))
  return {
    clientId: CLIENT_ID,
    items: lines.map((line) => ({ ...line, price: PRICE })),
    currency: 'EUR',
    payments: parts,
    ...(words === '' && id % 2 === 0 ? {} : { reference: `c${id} ${words}` }),
  }
}

function amountOf(cents: number): string {
  return (cents / 100).toFixed(2)
}
