// Reading, listing and changing orders over HTTP.
import { z } from 'zod'
import { millisecondsOf, momentInput, momentOf } from '../../kernel/inputs.ts'
import type { Message } from '../../kernel/message.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Reply, Request, Role } from '../../kernel/route.ts'
import { get, mayUse, patch } from '../../kernel/route.ts'
import { id, text } from '../../kernel/shapes.ts'
import { GiveUpOrder, ReceiveManualPayment, RequestCancellation } from './contract.ts'
import type { OrderRow } from './order-list.projection.ts'
import type { Order, OrderStatus } from './order.ts'
import { ORDER_STATUSES, hasEnded, order } from './order.ts'
import { OrderAnswer, orderView } from './order-view.ts'
import { afterWaiting } from './placing-routes.ts'

const params = z.object({ orderId: id })

const reading = get('/v1/orders/:orderId', {
  summary: 'Read an order as it stands now, with its returns. `Prefer: wait=N` answers when it has ended.',
  role: 'reader',
  params,
  answers: { 200: OrderAnswer },
  codes: ['ORDER_NOT_FOUND'],
  handle: async ({ params: { orderId }, read, waitUntil }) => {
    const { state } = await read.state(order.at(orderId))
    const reply = { status: 200, body: orderView(state, orderId) }
    return hasEnded(state) ? reply : afterWaiting({ read, waitUntil }, reply, { when: hasEnded, status: () => 200 })
  },
})

/** Portuguese names, accepted wherever a status is. */
const PORTUGUESE = {
  PENDENTE: 'PENDING',
  PAGO: 'PAID',
  CONFIRMADO: 'CONFIRMED',
  CANCELADO: 'CANCELLED',
  FALHA: 'FAILED',
} as const satisfies Readonly<Record<string, OrderStatus>>
const statusInput = z
  .enum([...ORDER_STATUSES, ...(Object.keys(PORTUGUESE) as (keyof typeof PORTUGUESE)[])])
  .describe('PENDENTE, PAGO, CONFIRMADO, CANCELADO and FALHA are accepted as well.')

function statusOf(input: z.output<typeof statusInput>): OrderStatus {
  return input in PORTUGUESE ? PORTUGUESE[input as keyof typeof PORTUGUESE] : (input as OrderStatus)
}

/** What a caller asks for with a status, and when he has it. */
interface Change {
  readonly command: (orderId: string, role: Role) => Message
  readonly isReached: (order: Order) => boolean
}

const CHANGES: Partial<Readonly<Record<OrderStatus, Change>>> = {
  PAID: {
    command: (orderId) => ReceiveManualPayment({ orderId }),
    isReached: ({ status }) => status === 'PAID' || status === 'CONFIRMED',
  },
  CANCELLED: {
    command: (orderId, role) =>
      RequestCancellation({ orderId, reason: mayUse(role, 'operator') ? 'OPERATOR' : 'CLIENT' }),
    isReached: ({ status }) => status === 'CANCELLED',
  },
  FAILED: {
    command: (orderId) => GiveUpOrder({ orderId, reason: 'GIVEN_UP' }),
    isReached: ({ status }) => status === 'FAILED',
  },
}

const changing = patch('/v1/orders/:orderId', {
  summary:
    'Ask for a status: PAID settles a manual payment, CANCELLED stops the order and undoes what was done, FAILED ' +
    'gives up one that needs a person (operators). 202 while it is being done, 200 when it is.',
  role: 'clerk',
  params,
  body: z.strictObject({ status: statusInput }),
  answers: { 200: OrderAnswer, 202: OrderAnswer },
  codes: ['ORDER_NOT_FOUND', 'ORDER_TRANSITION', 'GIVE_UP_TOO_EARLY', 'OPERATOR_ONLY'],
  handle: async (request): Promise<Reply> => {
    const { orderId } = request.params
    const to = statusOf(request.body.status)
    const change = CHANGES[to]
    if (change === undefined) {
      const { status: from } = orderView((await request.read.state(order.at(orderId))).state, orderId)
      throw new Refusal('ORDER_TRANSITION', { orderId, from, to })
    }
    const statusCode = (state: Order) => (change.isReached(state) ? 200 : 202)
    const reply = await request.submit(change.command(orderId, request.role), (held) => {
      const { state } = held.get(order.at(orderId))
      return { status: statusCode(state), body: orderView(state, orderId) }
    })
    const isOver = (state: Order) => change.isReached(state) || hasEnded(state)
    return afterWaiting(request, reply, { when: isOver, status: statusCode })
  },
})

const ListedOrder = OrderAnswer.pick({
  orderId: true,
  clientId: true,
  status: true,
  reason: true,
  total: true,
  currency: true,
  reference: true,
  source: true,
  placedAt: true,
  orderedAt: true,
  updatedAt: true,
}).extend({ units: z.int(), needsPerson: z.boolean() })

const query = z.strictObject({
  ...pageQuery(['number', 'string']),
  clientId: id.optional(),
  status: statusInput.optional(),
  from: momentInput.optional().describe('Placed then or later.'),
  to: momentInput.optional().describe('Placed before.'),
  reference: text(100).optional(),
  source: text(200).optional().describe('Whose reference it is.'),
})
type ListQuery = z.output<typeof query>

/** Conditions and what they bind, in the order of the query. */
function conditionsOf({ clientId, status, from, to, reference, source, after }: ListQuery) {
  const wanted: readonly (readonly [string, string | number | undefined])[] = [
    ['client_id = ?', clientId],
    ['status = ?', status && statusOf(status)],
    ['placed_at >= ?', millisecondsOf(from)],
    ['placed_at < ?', millisecondsOf(to)],
    ['reference = ?', reference],
    ['source = ?', source],
  ]
  const given = wanted.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, values: [value] }]))
  return after === undefined ? given : [...given, { sql: '(placed_at, order_id) < (?, ?)', values: [...after] }]
}

function listedOrder(row: OrderRow): z.output<typeof ListedOrder> {
  return {
    orderId: row.order_id,
    clientId: row.client_id,
    status: row.status as OrderStatus,
    ...(row.reason === null ? {} : { reason: row.reason }),
    total: row.total,
    currency: row.currency,
    units: row.units,
    ...(row.reference === null ? {} : { reference: row.reference }),
    source: row.source,
    needsPerson: row.flagged === 1,
    placedAt: momentOf(row.placed_at),
    orderedAt: momentOf(row.ordered_at),
    updatedAt: momentOf(row.updated_at),
  }
}

const listing = get('/v1/orders', {
  summary: 'List orders, newest first, by client, status, time or reference.',
  role: 'reader',
  query,
  answers: { 200: pageShape(ListedOrder) },
  handle: async ({ query, read }: Request<unknown, ListQuery, unknown>) => {
    const conditions = conditionsOf(query)
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`
    const rows = await read.rows<OrderRow>(
      `SELECT * FROM {order_list} ${where} ORDER BY placed_at DESC, order_id DESC LIMIT ?`,
      [...conditions.flatMap(({ values }) => values), query.limit + 1],
    )
    const { items, next } = cutPage(rows, query.limit, (row) => [row.placed_at, row.order_id])
    return { status: 200, body: { items: items.map(listedOrder), next } }
  },
})

const StoryAnswer = z.object({
  orderId: z.string(),
  status: z.enum(ORDER_STATUSES),
  entries: z.array(
    z.object({
      at: z.string(),
      service: z.string(),
      what: z.enum(['command', 'event', 'saga', 'effect', 'timer', 'log', 'person']),
      name: z.string(),
      position: z.string().optional(),
      cause: z.string().optional(),
      data: z.unknown().optional(),
    }),
  ),
})

const telling = get('/v1/orders/:orderId/story', {
  summary:
    'Everything that happened to an order, in order: commands, events, saga steps, retries, timers, deeds of people.',
  role: 'reader',
  params,
  answers: { 200: StoryAnswer },
  codes: ['ORDER_NOT_FOUND'],
  handle: async ({ params: { orderId }, read }) => {
    const { status } = orderView((await read.state(order.at(orderId))).state, orderId)
    const entries = await read.story(orderId)
    const body = { orderId, status, entries: entries.map((entry) => ({ ...entry, at: momentOf(entry.at) })) }
    return { status: 200, body }
  },
})

export const orderRoutes = [reading, changing, listing, telling]
