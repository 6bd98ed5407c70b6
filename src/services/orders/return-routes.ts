// Returns over HTTP.
import { z } from 'zod'
import { Refusal } from '../../kernel/refuse.ts'
import { get, post } from '../../kernel/route.ts'
import { id, quantity, sku, text } from '../../kernel/shapes.ts'
import { RequestReturn } from './contract.ts'
import type { Order } from './order.ts'
import { order, placedOf } from './order.ts'
import { ReturnAnswer, returnView } from './order-view.ts'

const MAX_ITEMS = 500

const Body = z.strictObject({
  items: z
    .array(z.strictObject({ sku, quantity }))
    .min(1)
    .max(MAX_ITEMS)
    .describe('What comes back; a SKU named twice is summed.'),
  reason: text(500).optional(),
  reference: text(100).optional().describe("The caller's own number; a second return of the order with it is refused."),
})

/** @throws {Refusal} ORDER_NOT_FOUND, RETURN_NOT_FOUND */
function viewOf(state: Order, orderId: string, returnId: string): z.output<typeof ReturnAnswer> {
  const { currency } = placedOf(state, orderId)
  const found = state.returns[returnId]
  if (found === undefined) throw new Refusal('RETURN_NOT_FOUND', { orderId, returnId })
  return returnView(found, { orderId, returnId, currency })
}

const returning = post('/v1/orders/:orderId/returns', {
  summary:
    'Return items of a confirmed order: they go back into stock, and the prices paid are refunded. ' +
    '`Prefer: wait=N` answers when that is done, or after N seconds with the state reached.',
  role: 'clerk',
  params: z.object({ orderId: id }),
  body: Body,
  answers: { 201: ReturnAnswer },
  codes: ['ORDER_NOT_FOUND', 'RETURN_NOT_POSSIBLE', 'RETURN_TOO_MUCH', 'RETURN_REFERENCE_TAKEN', 'RETURN_LIMIT'],
  handle: async ({ params: { orderId }, body, newId, submit, read, waitUntil }) => {
    const asked = newId()
    const reply = await submit(RequestReturn({ ...body, orderId, returnId: asked }), (held) => ({
      status: 201,
      headers: { location: `/v1/orders/${orderId}/returns/${asked}` },
      body: viewOf(held.get(order.at(orderId)).state, orderId, asked),
    }))
    const { returnId } = reply.body as z.output<typeof ReturnAnswer>
    let seen: Order | undefined
    await waitUntil(async () => {
      const { state } = await read.state(order.at(orderId))
      seen = state
      return state.returns[returnId]?.status !== 'REQUESTED'
    })
    return seen === undefined ? reply : { ...reply, body: viewOf(seen, orderId, returnId) }
  },
})

const reading = get('/v1/orders/:orderId/returns/:returnId', {
  summary: 'Read a return.',
  role: 'reader',
  params: z.object({ orderId: id, returnId: id }),
  answers: { 200: ReturnAnswer },
  codes: ['ORDER_NOT_FOUND', 'RETURN_NOT_FOUND'],
  handle: async ({ params: { orderId, returnId }, read }) => {
    const { state } = await read.state(order.at(orderId))
    return { status: 200, body: viewOf(state, orderId, returnId) }
  },
})

export const returnRoutes = [returning, reading]
