// The list of orders: what each event makes of a row, and how copies are kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  clientId,
  lamp,
  orderCancelled,
  orderConfirmed,
  orderId,
  orderPaid,
  orderPlaced,
  summary,
} from '../../testing/example-order.ts'
import { rowsOf } from '../../testing/folding.ts'
import { calling } from '../../testing/calling.ts'
import { holding } from '../../testing/handle.ts'
import { onBothStores } from '../../testing/projected.ts'
import { ProductAdded, ProductChanged } from '../catalog/contract.ts'
import { ClientChanged, ClientRegistered } from '../clients/contract.ts'
import * as contract from './contract.ts'
import { clientCopy, copyHandlers, productById, productBySku } from './copies.ts'
import { orderList } from './order-list.projection.ts'
import { orders } from './service.ts'

test('an order’s row follows its status and keeps the first facts', () => {
  const [row] = rowsOf(orderList, [orderPlaced({ reference: 'R' }), orderPaid, contract.OrderConfirmed(summary(7))])
  assert.equal(row?.['status'], 'CONFIRMED')
  assert.equal(row?.['reference'], 'R')
  assert.equal(row?.['units'], 3)
  assert.equal(row?.['updated_at'], 7)
})

test('the reason of an end is listed, and a call for a person until the end', () => {
  const flagged = contract.OrderFlagged({ orderId, steps: ['pay'], at: 5 })
  assert.equal(rowsOf(orderList, [orderPlaced(), flagged])[0]?.['flagged'], 1)
  const [cancelled] = rowsOf(orderList, [orderPlaced(), flagged, orderCancelled])
  assert.deepEqual([cancelled?.['status'], cancelled?.['reason'], cancelled?.['flagged']], ['CANCELLED', 'CLIENT', 0])
  const failed = contract.OrderFailed({ ...summary(), reason: 'GIVEN_UP' })
  assert.equal(rowsOf(orderList, [orderPlaced(), flagged, failed])[0]?.['status'], 'FAILED')
})

test('an order without a reference takes no place in the index of references', () => {
  assert.equal(rowsOf(orderList, [orderPlaced()])[0]?.['reference'], null)
})

test('a replay long after gives the same rows', () => {
  const events = [orderPlaced(), orderPaid, orderConfirmed]
  const later = events.map((event) => ({ event, facts: { appendedAt: 9e12, sequence: 99 } }))
  assert.deepEqual(rowsOf(orderList, later), rowsOf(orderList, events))
})

test('copies follow clients and products, under the SKU and under the id', () => {
  const documents = holding()
  const hear = (message: { type: string; data: unknown }) => {
    const handler = copyHandlers.find((one) => one.message.type === message.type)
    assert.ok(handler !== undefined)
    documents.handle(handler, message)
  }
  const address = { line1: 'Rúa Real 1', city: 'A Coruña', country: 'ES' }
  const client = { clientId, name: 'João', email: 'j@test.com', addresses: [address] }
  hear(ClientRegistered(client))
  assert.deepEqual(documents.state(clientCopy.at(clientId)), { name: 'João', address })
  hear(ClientChanged({ ...client, name: 'Ana', addresses: [] }))
  assert.deepEqual(documents.state(clientCopy.at(clientId)), { name: 'Ana' })
  hear(ProductAdded({ ...lamp, description: 'd', openingQuantity: 5 }))
  assert.deepEqual(documents.state(productBySku('LAMP')), lamp)
  hear(ProductChanged({ ...lamp, description: 'd', active: false }))
  assert.deepEqual(documents.state(productById(lamp.productId)), { ...lamp, active: false })
})

test('the list pages newest first, whatever is filtered, on both databases', async () => {
  const ids = ['a', 'b', 'c', 'd'].map((last) => `00000000-0000-7000-8000-00000000000${last}`)
  const other = '00000000-0000-7000-8000-0000000000dd'
  const placed = ids.map((orderId, at) =>
    orderPlaced({
      orderId,
      placedAt: 5 * Math.ceil(at / 2),
      clientId: at === 3 ? other : clientId,
      reference: `R${at}`,
    }),
  )
  const paid = contract.OrderPaid({ ...summary(9), orderId: ids[1] ?? '' })
  await onBothStores('orders', new Map([[orderList, [...placed, paid]]]), async (rows) => {
    const { call } = calling(orders, { rows: ({ sql, values }) => rows(sql, values) })
    const list = async (query: Record<string, string>) => {
      const { body } = await call('GET', '/v1/orders', { query })
      const { items, next } = body as { items: { orderId: string }[]; next: string | null }
      return { next, found: items.map(({ orderId }) => orderId.at(-1)).join('') }
    }
    // b and c were placed in the same millisecond: their ids decide.
    const first = await list({ limit: '2' })
    assert.equal(first.found, 'dc')
    assert.deepEqual(await list({ limit: '2', after: first.next ?? '' }), { next: null, found: 'ba' })
    assert.equal((await list({ clientId })).found, 'cba')
    assert.equal((await list({ clientId, status: 'PAGO' })).found, 'b')
    assert.equal((await list({ reference: 'R3', source: 'tester' })).found, 'd')
    assert.equal((await list({ from: '1970-01-01T00:00:00.005Z', to: '1970-01-01T00:00:00.010Z' })).found, 'cb')
  })
})
