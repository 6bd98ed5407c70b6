// What tests of the shop do all the time, each in one call: who buys, what is sold, an order, and what became of it.
import type { z } from 'zod'
import type { Role } from '../kernel/route.ts'
import type { WindowView } from '../services/analytics/read-windows.ts'
import type { OrderAnswer, ReturnAnswer } from '../services/orders/order-view.ts'
import type { Answer, Caller, Headers } from './shop-calls.ts'
import { expectStatus } from './shop-calls.ts'

export interface ProductView {
  readonly sku: string
  readonly productId: string
  readonly name: string
  readonly price: string
  readonly currency: string
  readonly active: boolean
}

export interface StockView {
  readonly sku: string
  readonly onHand: number
  readonly held: number
  readonly available: number
  readonly low: boolean
  readonly locations: readonly { readonly name: string; readonly onHand: number; readonly held: number }[]
}

export interface PaymentView {
  readonly status: string
  readonly amount: string
  readonly declineReason: string | null
  readonly parts: readonly {
    readonly method: string
    readonly amount: string
    readonly status: string
    readonly returned: string
  }[]
}

export interface StoryView {
  readonly at: string
  readonly service: string
  readonly what: 'command' | 'event' | 'saga' | 'effect' | 'timer' | 'log' | 'person'
  readonly name: string
  readonly position?: string
  readonly cause?: string
  readonly data?: unknown
}

export interface NotificationView {
  readonly notificationId: string
  readonly template: string
  readonly status: string
  readonly attempts: number
  readonly reason: string | null
  readonly deliveries: readonly { readonly channel: string; readonly status: string; readonly attempts: number }[]
}

export interface DayView {
  readonly day: string
  readonly currency: string
  readonly orders: { readonly placed: number; readonly confirmed: number; readonly cancelled: number }
  readonly items: number
  readonly units: number
  readonly revenue: string
  readonly refunds: string
  readonly late: number
}

export interface Listed {
  readonly orderId: string
  readonly status: string
  readonly reason?: string
  readonly needsPerson: boolean
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

export type ReturnView = z.output<typeof ReturnAnswer>

/** An order of one SKU unless `items` says otherwise; every other field goes into the body as it is. */
export interface Placing {
  readonly sku?: string
  readonly quantity?: number
  readonly items?: readonly object[]
  readonly clientId?: string
  readonly reference?: string
  readonly payments?: readonly object[]
  readonly [field: string]: unknown
}

export interface Sender {
  readonly role?: Role
  readonly headers?: Headers
}

/** @param as calls as a role. */
export function shopHelpers(as: (role: Role | undefined) => Caller) {
  const clerk = as('clerk')
  let clients = 0
  let usual: Promise<string> | undefined
  const client = (details: object = {}): Promise<string> => {
    clients += 1
    const body = { name: `Client ${clients}`, email: `client-${clients}@example.org`, ...details }
    const registered = clerk
      .post<{ readonly clientId: string }>('/v1/clients', body)
      .then((answer) => expectStatus(answer, 201).clientId)
    usual ??= registered
    return registered
  }
  const place = async (
    { sku = 'LAMP', quantity = 1, items, ...rest }: Placing = {},
    { role = 'clerk', headers }: Sender = {},
  ): Promise<Answer<OrderAnswer>> => {
    const clientId = rest.clientId ?? (await (usual ?? client()))
    return as(role).post('/v1/orders', { ...rest, clientId, items: items ?? [{ sku, quantity }] }, headers)
  }
  const story = async (orderId: string): Promise<readonly StoryView[]> => {
    const path = `/v1/orders/${orderId}/story`
    return expectStatus(await clerk.get<{ readonly entries: readonly StoryView[] }>(path), 200).entries
  }
  return {
    /** Registers a client; the first one buys whatever names nobody. @returns his id */
    client,
    /** Adds a product: ten lamps at 10.00 EUR unless told otherwise. */
    product: async (details: object = {}): Promise<ProductView> => {
      const body = { sku: 'LAMP', name: 'Thing', price: '10.00', quantity: 10, ...details }
      return expectStatus(await clerk.post<ProductView>('/v1/products', body), 201)
    },
    /** Sends an order, whatever becomes of it. */
    place,
    /** Places an order that is accepted. */
    placeOrder: async (placing: Placing = {}, sender: Sender = {}): Promise<OrderAnswer> =>
      expectStatus(await place(placing, sender), 201),
    order: async (orderId: string): Promise<OrderAnswer> =>
      expectStatus(await clerk.get<OrderAnswer>(`/v1/orders/${orderId}`), 200),
    /** Asks for another status of an order. */
    patch: (orderId: string, status: string, { role = 'clerk', headers }: Sender = {}): Promise<Answer<OrderAnswer>> =>
      as(role).patch(`/v1/orders/${orderId}`, { status }, headers),
    giveBack: (orderId: string, body: object, headers?: Headers): Promise<Answer<ReturnView>> =>
      clerk.post(`/v1/orders/${orderId}/returns`, body, headers),
    story,
    /** What a service said of an order, in order. */
    eventsOf: async (orderId: string, service = 'orders'): Promise<readonly string[]> =>
      (await story(orderId)).flatMap((entry) =>
        entry.what === 'event' && entry.service === service ? [entry.name] : [],
      ),
    stockOf: async (sku: string): Promise<StockView> =>
      expectStatus(await clerk.get<StockView>(`/v1/stock/${sku}`), 200),
    payment: async (orderId: string): Promise<PaymentView> =>
      expectStatus(await clerk.get<PaymentView>(`/v1/payments/${orderId}`), 200),
    /** How the order's hold, payment and shipment stand; undefined where the service knows nothing of it. */
    statusAt: async (service: 'reservations' | 'payments' | 'shipments', orderId: string) => {
      const { status, body } = await clerk.get<{ readonly status: string }>(`/v1/${service}/${orderId}`)
      return status === 200 ? body.status : undefined
    },
    notificationsOf: async (about: string): Promise<readonly NotificationView[]> =>
      expectStatus(await clerk.get<Page<NotificationView>>(`/v1/notifications?about=${about}`), 200).items,
    windows: async (): Promise<readonly WindowView[]> =>
      expectStatus(await clerk.get<Page<WindowView>>('/v1/analytics/windows?limit=288'), 200).items,
    days: async (): Promise<readonly DayView[]> =>
      expectStatus(await clerk.get<Page<DayView>>('/v1/analytics/days?limit=500'), 200).items,
    /** One page of the list of orders. */
    orders: async (query = ''): Promise<Page<Listed>> =>
      expectStatus(await clerk.get<Page<Listed>>(`/v1/orders${query}`), 200),
  }
}
