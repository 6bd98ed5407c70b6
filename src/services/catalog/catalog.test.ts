// Products: added once, changed as a whole, answered when their stock can be sold.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../kernel/refuse.ts'
import { calling } from '../../testing/calling.ts'
import { holding } from '../../testing/handle.ts'
import { onBothStores } from '../../testing/projected.ts'
import { StockAdjusted } from '../inventory/contract.ts'
import { ProductAdded } from './contract.ts'
import { productList } from './product-list.projection.ts'
import { noteStocked, product } from './product.ts'
import { catalog } from './service.ts'

const lamp = { name: 'Lamp', description: 'Desc', price: 100, quantity: 10 }
const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('a product gets an id, a SKU made from it, euros, and a price with its decimals', async () => {
  const { call, said } = calling(catalog)
  const created = await call('POST', '/v1/products', { body: lamp })
  const body = created.body as { sku: string; productId: string; id: string }
  const { quantity: _, ...rest } = lamp
  assert.deepEqual(created, {
    status: 201,
    body: { ...rest, sku: body.id, productId: body.id, id: body.id, price: '100.00', currency: 'EUR', active: true },
    headers: { etag: '"1"', location: `/v1/products/${body.id}` },
  })
  const data = said[0]?.data as { openingQuantity: number } | undefined
  assert.equal(data?.openingQuantity, 10)
})

test('the answer to a new product waits until inventory has its stock', async () => {
  const documents = holding()
  let waited = 0
  const meanwhile = () => {
    waited += 1
    const adjusted = { sku: 'LAMP', location: 'main', quantity: 10, onHand: 10, reason: 'opening' }
    documents.handle(noteStocked, StockAdjusted(adjusted))
  }
  const { call } = calling(catalog, { documents, meanwhile })
  await call('POST', '/v1/products', { body: { ...lamp, sku: 'LAMP' } })
  assert.equal(waited, 1)
  assert.equal(documents.state(product.at('LAMP')).stocked, true)
})

test('stock of a SKU that the catalog does not know leaves no trace', () => {
  const documents = holding()
  documents.handle(noteStocked, StockAdjusted({ sku: 'X', location: 'main', quantity: 1, onHand: 1, reason: 'found' }))
  assert.deepEqual(documents.state(product.at('X')), product.initial())
})

test('a SKU and an id are taken once', async () => {
  const { call } = calling(catalog)
  const productId = '00000000-0000-7000-8000-00000000abcd'
  await call('POST', '/v1/products', { body: { ...lamp, sku: 'LAMP', productId } })
  await assert.rejects(call('POST', '/v1/products', { body: { ...lamp, sku: 'LAMP' } }), refuses('SKU_TAKEN'))
  const again = { ...lamp, sku: 'LAMP-2', productId }
  await assert.rejects(call('POST', '/v1/products', { body: again }), refuses('PRODUCT_ID_TAKEN'))
})

test('a product is found and changed by its SKU or its id, and keeps both', async () => {
  const { call, said } = calling(catalog)
  const { body } = await call('POST', '/v1/products', { body: { ...lamp, sku: 'LAMP' } })
  const { productId } = body as { productId: string }
  const change = { name: 'Lamp', price: '1060', currency: 'JPY', active: false }
  const changed = await call('PUT', `/v1/products/${productId}`, { body: change, ifMatch: '"1"' })
  const expected = { ...change, sku: 'LAMP', productId, id: productId, description: '' }
  assert.deepEqual(changed, { status: 200, body: expected, headers: { etag: '"2"' } })
  assert.deepEqual((await call('GET', '/v1/products/LAMP')).body, expected)
  assert.deepEqual((await call('GET', `/v1/products/${productId.toUpperCase()}`)).body, expected)
  assert.equal(said[1]?.type, 'ProductChanged')
  await assert.rejects(call('PUT', '/v1/products/LAMP', { body: change, ifMatch: '"1"' }), refuses('PRODUCT_CHANGED'))
  await assert.rejects(call('PUT', '/v1/products/OTHER', { body: change }), refuses('PRODUCT_NOT_FOUND'))
})

test('a price that does not fit its currency is refused', async () => {
  const { call } = calling(catalog)
  const wrong = [{ price: '1.005' }, { price: 0.1 + 0.2 }, { price: '1.5', currency: 'JPY' }, { currency: 'XXX' }]
  for (const part of wrong) {
    await assert.rejects(call('POST', '/v1/products', { body: { ...lamp, ...part } }), refuses('PRICE_INVALID'))
  }
})

test('negative, fractional and gigantic quantities and prices do not pass the door', async () => {
  const { call } = calling(catalog)
  const wrong = [
    { quantity: -1 },
    { quantity: 1.5 },
    { quantity: 2 ** 31 },
    { price: -1 },
    { price: '-1' },
    { price: '1e5' },
  ]
  for (const part of [...wrong, { sku: 'white space' }, { colour: 'red' }]) {
    await assert.rejects(call('POST', '/v1/products', { body: { ...lamp, ...part } }), { name: 'ZodError' })
  }
})

test('the list pages through products by SKU, on both databases', async () => {
  const added = ['b', 'B', 'a'].map((sku, at) =>
    ProductAdded({
      sku,
      productId: `00000000-0000-7000-8000-00000000000${at}`,
      name: 'Lamp',
      description: '',
      price: '1.00',
      currency: 'EUR',
      active: at > 0,
      openingQuantity: 0,
    }),
  )
  await onBothStores('catalog', new Map([[productList, added]]), async (rows) => {
    const { call } = calling(catalog, { rows: ({ sql, values }) => rows(sql, values) })
    const list = async (query: Record<string, string>) =>
      (await call('GET', '/v1/products', { query })).body as { items: { sku: string; active: boolean }[]; next: string }
    const first = await list({ limit: '2' })
    assert.deepEqual(
      first.items.map(({ sku, active }) => [sku, active]),
      [
        ['B', true],
        ['a', true],
      ],
    )
    assert.deepEqual(
      (await list({ after: first.next })).items.map(({ sku, active }) => [sku, active]),
      [['b', false]],
    )
  })
})
