// The application served on PostgreSQL and Kafka for a test, with the calls that the tests make.
import assert from 'node:assert/strict'
import { startApp } from '../../app.ts'
import type { PartHealth } from '../../platform/application.ts'
import { resolveSettings } from '../../platform/settings.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'

export interface SeenOrder {
  readonly orderId: string
  readonly status: string
  readonly reason?: string
}

/** Who buys, and what. */
interface Wares {
  readonly clientId: string
  readonly sku: string
}

export type Served = Awaited<ReturnType<typeof serveOnKafka>>

/** @param flags as of `lonja serve`, without the port; warnings and errors that it logs are in `told`. */
export async function serveOnKafka(flags: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const told: string[] = []
  const destination = { write: (line: string) => void told.push(line) }
  const { settings } = resolveSettings(['--port', '0', ...flags], environment)
  const app = await startApp(settings, { log: createLogger({ level: 'warn', format: 'json', destination }) })

  const call = async <Body>(path: string, body?: unknown): Promise<Body> => {
    const headers = { 'content-type': 'application/json' }
    const sent = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${app.address}${path}`, sent)
    const answer = (await response.json()) as Body
    assert.ok(response.status < 300, JSON.stringify(answer))
    return answer
  }

  async function addWares(stock: number): Promise<Wares> {
    const email = `ana.${crypto.randomUUID()}@example.com`
    const { clientId } = await call<{ readonly clientId: string }>('/v1/clients', { name: 'Ana Souza', email })
    const sku = `LAMP-${crypto.randomUUID().slice(0, 8).toUpperCase()}`
    await call('/v1/products', { sku, name: 'Lamp', price: '5.00', currency: 'EUR', quantity: stock })
    return { clientId, sku }
  }

  /** So many orders of one piece each, at once, by a new client and of a new product unless told. */
  async function placeOrders(count: number, { stock = 1000, wares }: { stock?: number; wares?: Wares } = {}) {
    const { clientId, sku } = wares ?? (await addWares(stock))
    const shippingAddress = { line1: 'Rua A 1', city: 'Lisboa', postalCode: '1000-001', country: 'PT' }
    const order = { clientId, items: [{ sku, quantity: 1 }], shippingAddress }
    const placed = await Promise.all(Array.from({ length: count }, () => call<SeenOrder>('/v1/orders', order)))
    return { orderIds: placed.map(({ orderId }) => orderId), wares: { clientId, sku } }
  }

  async function relayHealth(): Promise<PartHealth | undefined> {
    const { parts } = (await (await fetch(`${app.address}/health`)).json()) as { readonly parts: readonly PartHealth[] }
    return parts.find(({ part }) => part.startsWith('relay'))
  }

  const order = (orderId: string): Promise<SeenOrder> => call(`/v1/orders/${orderId}`)
  return { app, told, call, placeOrders, relayHealth, order, stop: () => app.stop() }
}
