// Inventory over HTTP: levels, pages, corrections by a person, and what an order holds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../kernel/page.ts'
import { calling } from '../../testing/calling.ts'
import type { Selected } from '../../testing/calling.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import { reservation } from './reservation.ts'
import { inventory } from './service.ts'
import { stock } from './stock.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const at = (onHand: number, held = 0) => ({ opened: true, locations: [{ name: 'main', onHand, held }] })
const shelf = () => holding([starting(stock.at('CUP'), at(5, 2)), starting(stock.at('LID'), at(1))])
const code = (code: string) => ({ code })

test('a level counts over all locations', async () => {
  const { call } = calling(inventory, { documents: shelf() })
  const { status, body } = await call('GET', '/v1/stock/CUP')
  const locations = [{ name: 'main', onHand: 5, held: 2 }]
  assert.deepEqual(
    { status, body },
    {
      status: 200,
      body: { sku: 'CUP', onHand: 5, held: 2, available: 3, low: false, locations },
    },
  )
  await assert.rejects(call('GET', '/v1/stock/MUG'), code('STOCK_NOT_FOUND'))
})

test('levels come in pages by SKU', async () => {
  const selected: Selected[] = []
  const rows = (select: Selected) => {
    selected.push(select)
    return [{ key: 'CUP' }, { key: 'LID' }]
  }
  const { call } = calling(inventory, { documents: shelf(), rows })
  const { body } = await call('GET', '/v1/stock', { query: { limit: '1', after: encodeCursor(['BAG']) } })
  const { items, next } = body as { readonly items: readonly { readonly sku: string }[]; readonly next: string }
  assert.deepEqual([items.map(({ sku }) => sku), next], [['CUP'], encodeCursor(['CUP'])])
  assert.deepEqual(selected[0]?.values, ['BAG', 2])
  await assert.rejects(call('GET', '/v1/stock', { query: { after: 'CUP' } }))
})

test('an adjustment answers the new level, at main unless another location is named', async () => {
  const { call, said } = calling(inventory, { documents: shelf() })
  const { status, body } = await call('POST', '/v1/stock/CUP/adjustments', { body: { quantity: 2, reason: 'found' } })
  assert.deepEqual([status, (body as { readonly onHand: number }).onHand], [201, 7])
  assert.equal(said[0]?.type, 'StockAdjusted')
  const taking = call('POST', '/v1/stock/CUP/adjustments', { body: { quantity: -6, reason: 'broken' } })
  await assert.rejects(taking, code('STOCK_BELOW_HELD'))
})

test('an adjustment by nothing, by a fraction, by too much or without a reason is no adjustment', async () => {
  const { call } = calling(inventory, { documents: shelf() })
  const bodies = [{ quantity: 0 }, { quantity: 1.5 }, { quantity: 2 ** 31 }, { quantity: '1' }].map((body) => {
    return { ...body, reason: 'counted' }
  })
  for (const body of [...bodies, { quantity: 1 }, { quantity: 1, reason: 'x', sku: 'LID' }]) {
    await assert.rejects(call('POST', '/v1/stock/CUP/adjustments', { body }), { name: 'ZodError' })
  }
})

test('a reservation shows where its pieces lie and when it ends', async () => {
  const allocations = [{ sku: 'CUP', location: 'main', quantity: 2 }]
  const held = starting(reservation.at(orderId), { status: 'held', allocations, expiresAt: TEST_NOW })
  const { call } = calling(inventory, { documents: holding([held]) })
  const { body } = await call('GET', `/v1/reservations/${orderId}`)
  const expiresAt = '2026-11-21T09:00:00.000Z'
  assert.deepEqual(body, { orderId, status: 'held', units: 2, expiresAt, items: allocations, missing: [] })
  const unknown = call('GET', '/v1/reservations/019a0000-0000-7000-8000-000000000002')
  await assert.rejects(unknown, code('RESERVATION_NOT_FOUND'))
})
