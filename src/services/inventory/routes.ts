// What inventory answers over HTTP: levels of stock, their correction by a person, and what an order holds.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { refuse } from '../../kernel/refuse.ts'
import { get, post } from '../../kernel/route.ts'
import { id, sku, text } from '../../kernel/shapes.ts'
import { AdjustStock } from './contract.ts'
import { reservation } from './reservation.ts'
import { MAIN_LOCATION, availableOf, heldOf, onHandOf, stock, unitsOf } from './stock.ts'
import type { Stock } from './stock.ts'

const pieces = z.int()
const level = z.object({
  sku,
  onHand: pieces,
  held: pieces,
  available: pieces,
  low: z.boolean(),
  locations: z.array(z.object({ name: z.string(), onHand: pieces, held: pieces })),
})

function levelOf(sku: string, stock: Stock): z.output<typeof level> {
  const { low, locations } = stock
  const counts = { onHand: onHandOf(stock), held: heldOf(stock), available: availableOf(stock) }
  return { sku, ...counts, low, locations: [...locations] }
}

export const readStock = get('/v1/stock/:sku', {
  summary: 'The stock of one SKU, over all locations and at each.',
  role: 'reader',
  params: z.object({ sku }),
  answers: { 200: level },
  codes: ['STOCK_NOT_FOUND'],
  handle: async ({ params, read }) => {
    const found = await read.state(stock.at(params.sku))
    refuse(!found.opened, 'STOCK_NOT_FOUND', { sku: params.sku })
    return { status: 200, body: levelOf(params.sku, found) }
  },
})

export const listStock = get('/v1/stock', {
  summary: 'The stock of all SKUs, by SKU.',
  role: 'reader',
  query: z.strictObject(pageQuery(['string'])),
  answers: { 200: pageShape(level) },
  handle: async ({ query: { after, limit }, read }) => {
    const [last = ''] = after ?? []
    const sql = 'SELECT key FROM {stock} WHERE key > ? ORDER BY key LIMIT ?'
    const rows = await read.rows<{ readonly key: string }>(sql, [last, limit + 1])
    const { items, next } = cutPage(rows, limit, ({ key }) => [key])
    const stocks = (await read.states(items.map(({ key }) => stock.at(key)))) as readonly Stock[]
    const levels = stocks.map((found, index) => levelOf(items[index]?.key ?? '', found))
    return { status: 200, body: { items: levels, next } }
  },
})

const adjustmentBody = z.strictObject({
  location: text(64).default(MAIN_LOCATION),
  quantity: z
    .int()
    .min(-(2 ** 31) + 1)
    .max(2 ** 31 - 1)
    .refine((quantity) => quantity !== 0, 'is not 0: nothing would change'),
  reason: text(200),
  adjustmentId: id.optional(),
})

export const adjustStockLevel = post('/v1/stock/:sku/adjustments', {
  summary: 'Adds pieces to a location, or takes some away, with a reason.',
  role: 'clerk',
  params: z.object({ sku }),
  body: adjustmentBody,
  answers: { 201: level },
  codes: ['STOCK_NOT_FOUND', 'STOCK_BELOW_HELD', 'STOCK_LOCATIONS_FULL', 'STOCK_ABOVE_LIMIT'],
  handle: ({ params: { sku }, body, newId, submit }) => {
    const { location, quantity, reason, adjustmentId = newId() } = body
    return submit(AdjustStock({ sku, location, quantity, reason, adjustmentId }), (held) => ({
      status: 201,
      body: levelOf(sku, held.get(stock.at(sku))),
    }))
  },
})

const reservationShape = z.object({
  orderId: id,
  status: z.string(),
  units: pieces,
  expiresAt: z.iso.datetime().nullable(),
  items: z.array(z.object({ sku, location: z.string(), quantity: pieces })),
  missing: z.array(z.object({ sku, wanted: pieces, available: pieces })),
})

export const readReservation = get('/v1/reservations/:orderId', {
  summary: 'What an order holds of the stock, or took from it.',
  role: 'reader',
  params: z.object({ orderId: id }),
  answers: { 200: reservationShape },
  codes: ['RESERVATION_NOT_FOUND'],
  handle: async ({ params: { orderId }, read }) => {
    const { status, allocations, missing, expiresAt } = await read.state(reservation.at(orderId))
    refuse(status === 'none', 'RESERVATION_NOT_FOUND', { orderId })
    const expires = expiresAt === 0 ? null : momentOf(expiresAt)
    const body = { orderId, status, units: unitsOf(allocations), expiresAt: expires, items: allocations, missing }
    return { status: 200, body }
  },
})
