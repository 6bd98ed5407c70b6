// The shop that every bench plays in: 256 clients, 1,000 products, and orders of two products that follow Zipf's law.
import { createHttpClient } from '../../src/platform/http/client.ts'

export const CLIENTS = 256
const PRODUCTS = 1000
/** More than a million orders take of the most popular product. */
const OPENING_QUANTITY = 100_000_000
const CALLERS = 64
const TIMEOUT_MS = 30_000

export interface Line {
  readonly sku: string
  readonly quantity: number
}

export interface Order {
  readonly clientId: string
  readonly items: readonly Line[]
}

function clientIdOf(at: number): string {
  return `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`
}

function skuOf(at: number): string {
  return `SKU-${at}`
}

/** Registers clients and adds products over HTTP; the answer to a product comes when its stock can be sold. */
export async function openShop(address: string): Promise<void> {
  const client = createHttpClient({ url: address, connections: CALLERS, timeoutMs: TIMEOUT_MS })
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await client.send({ method: 'POST', path, headers, body: JSON.stringify(body) })
    if (answer.status !== 201) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.body}`)
  }
  try {
    await Promise.all(Array.from({ length: CLIENTS }, (_, at) => post('/v1/clients', clientAt(at))))
    await Promise.all(Array.from({ length: PRODUCTS }, (_, at) => post('/v1/products', productAt(at))))
  } finally {
    client.close()
  }
}

/** Products whose names begin so are in trouble where `trouble.ts` is loaded. */
export const TROUBLED_SKU = 'TROUBLE-'
const TOLD_EVERY = 50

/**
 * Adds so many products that inventory can not handle: each parks its key. As many healthy ones go with them, or the
 * trouble would be taken for an outage; the answer to a troubled one comes after two seconds.
 */
export async function addTroubledProducts(address: string, count: number, tell: (done: number) => void): Promise<void> {
  const client = createHttpClient({ url: address, connections: CALLERS, timeoutMs: TIMEOUT_MS })
  const add = async (sku: string): Promise<void> => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ sku, name: sku, price: '10.00', currency: 'EUR' })
    const answer = await client.send({ method: 'POST', path: '/v1/products', headers, body })
    if (answer.status !== 201) throw new Error(`The product ${sku} was answered ${answer.status}: ${answer.body}`)
  }
  let begun = 0
  const call = async (): Promise<void> => {
    while (begun < count) {
      const at = (begun += 1)
      if (at % TOLD_EVERY === 0) tell(at)
      await Promise.all([add(`${TROUBLED_SKU}${at}`), add(`HEALTHY-${at}`)])
    }
  }
  try {
    await Promise.all(Array.from({ length: CALLERS / 2 }, call))
  } finally {
    client.close()
  }
}

function clientAt(at: number) {
  return {
    clientId: clientIdOf(at),
    name: `Client Number ${at}`,
    email: `client-${at}@example.com`,
    addresses: [{ line1: `Calle Mayor ${at + 1}`, city: 'Madrid', postalCode: '28013', country: 'ES' }],
  }
}

function productAt(at: number) {
  const name = `Product Number ${at}`
  return { sku: skuOf(at), name, price: '10.00', currency: 'EUR', quantity: OPENING_QUANTITY }
}

/** Orders without end, the same ones for the same seed: one piece of one product, two of another. */
export function createOrders(seed: number): () => Order {
  const random = seededRandom(seed)
  const shares = Array.from({ length: PRODUCTS }, (_, at) => 1 / (at + 1))
  const total = shares.reduce((sum, share) => sum + share, 0)
  let upTo = 0
  const bounds = shares.map((share) => (upTo += share / total))
  const pick = (): number => {
    const point = random()
    const at = bounds.findIndex((bound) => point < bound)
    return at === -1 ? PRODUCTS - 1 : at
  }
  return () => {
    const first = pick()
    let second = pick()
    while (second === first) second = pick()
    return {
      clientId: clientIdOf(Math.floor(random() * CLIENTS)),
      items: [
        { sku: skuOf(first), quantity: 1 },
        { sku: skuOf(second), quantity: 2 },
      ],
    }
  }
}

/** Mulberry32: enough for choosing products, and the same in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
