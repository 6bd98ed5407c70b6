// Who buys and what is sold: registered, changed, listed and found, and what a change means to orders.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus, statusesOf } from '../../src/testing/shop-calls.ts'
import type { Page, ProductView } from '../../src/testing/shop-helpers.ts'
import { inShop } from '../../src/testing/shop.ts'

interface ClientView {
  readonly clientId: string
  readonly name: string
  readonly email: string
  readonly taxId?: string
}

const nobody = '00000000-0000-7000-8000-00000000dead'

suite('a client', () => {
  test(
    'is registered with all that is known of him, read, changed and found by his e-mail',
    inShop(async (shop) => {
      const clerk = shop.as('clerk')
      const details = {
        name: 'João Silva',
        email: 'joao@example.org',
        phone: '+55 11 99999-9999',
        taxId: '123.456.789-09',
        addresses: [{ line1: 'Av. Paulista 1', city: 'São Paulo', country: 'BR' }],
      }
      const registered = await clerk.post<ClientView>('/v1/clients', details)
      const { clientId } = expectStatus(registered, 201)
      const path = `/v1/clients/${clientId}`
      assert.equal(registered.headers['location'], path)
      assert.deepEqual((await clerk.get(path)).body, { clientId, id: clientId, ...details })
      expectStatus(await clerk.put(path, { ...details, email: 'silva@example.org' }), 200)
      await shop.idle()
      const find = async (email: string) => (await clerk.get<Page<ClientView>>(`/v1/clients?email=${email}`)).body.items
      assert.deepEqual(await find('silva@example.org'), [{ clientId, name: 'João Silva', email: 'silva@example.org' }])
      assert.deepEqual(await find('joao@example.org'), [])
    }),
  )

  test(
    'is changed by whoever saw him as he is, and not by whoever saw him as he was',
    inShop(async (shop) => {
      const clerk = shop.as('clerk')
      const path = `/v1/clients/${await shop.client()}`
      const { headers } = await clerk.get(path)
      const seen = { 'if-match': String(headers['etag']) }
      const body = { name: 'Ana', email: 'ana@example.org' }
      expectStatus(await clerk.put(path, body, seen), 200)
      expectRefusal(await clerk.put(path, { ...body, name: 'Anna' }, seen), 409, 'CLIENT_CHANGED')
      assert.equal((await clerk.get<ClientView>(path)).body.name, 'Ana')
    }),
  )

  test(
    'with a tax id whose check digits are wrong is refused, under either name of it',
    inShop(async (shop) => {
      const clerk = shop.as('clerk')
      const register = (more: object) => clerk.post('/v1/clients', { name: 'J', email: 'j@example.org', ...more })
      expectRefusal(await register({ taxId: '12345678900' }), 422, 'TAX_ID_INVALID')
      expectRefusal(await register({ cpf: '111.111.111-11' }), 422, 'TAX_ID_INVALID')
      expectStatus(await register({ cpf: '12345678909' }), 201)
      expectStatus(await register({ taxId: 'DE 86095742719' }), 201)
    }),
  )

  test(
    'is registered once under an id of the caller, and unknown under any other',
    inShop(async (shop) => {
      const clerk = shop.as('clerk')
      const body = { clientId: nobody, name: 'Ana', email: 'ana@example.org' }
      expectRefusal(await clerk.get(`/v1/clients/${nobody}`), 404, 'CLIENT_NOT_FOUND')
      expectRefusal(await clerk.put(`/v1/clients/${nobody}`, { ...body, clientId: undefined }), 404, 'CLIENT_NOT_FOUND')
      expectStatus(await clerk.post('/v1/clients', body), 201)
      expectRefusal(await clerk.post('/v1/clients', body), 409, 'CLIENT_EXISTS')
      expectRefusal(await clerk.get('/v1/clients/nobody'), 400, 'PARAMS_INVALID')
      expectRefusal(await clerk.post('/v1/clients', { name: 'Ana', email: 'no address' }), 422, 'BODY_INVALID')
      expectRefusal(await clerk.post('/v1/clients', { name: 'A\u0000', email: 'a@example.org' }), 422, 'BODY_INVALID')
    }),
  )

  test(
    'is listed once over all pages, and welcomed once by mail',
    inShop(async (shop) => {
      const registered: string[] = []
      for (let count = 0; count < 7; count += 1) registered.push(await shop.client())
      await shop.idle()
      const listed: string[] = []
      for (let after: string | null = ''; after !== null;) {
        const page: Page<ClientView> = (await shop.as('reader').get<Page<ClientView>>(`/v1/clients?limit=3${after}`))
          .body
        listed.push(...page.items.map(({ clientId }) => clientId))
        after = page.next === null ? null : `&after=${page.next}`
      }
      assert.deepEqual(listed, registered)
      assert.deepEqual(
        shop.mails().map(({ subject }) => subject),
        registered.map(() => 'Welcome to our shop'),
      )
    }),
  )
})

suite('a product', () => {
  test(
    'can be ordered the moment its answer is there, by its SKU and by its id',
    inShop(async (shop) => {
      const { sku, productId } = await shop.product({ sku: 'LAMP', quantity: 2 })
      const placed = await shop.placeOrder({
        items: [
          { sku, quantity: 1 },
          { productId, quantity: 1 },
        ],
      })
      await shop.idle()
      assert.equal((await shop.order(placed.orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'is read by SKU and by id, changed, and listed as it is now',
    inShop(async (shop) => {
      const clerk = shop.as('clerk')
      const { productId } = await shop.product({ sku: 'LAMP', price: '10.00', description: 'A lamp.' })
      assert.deepEqual((await clerk.get('/v1/products/LAMP')).body, (await clerk.get(`/v1/products/${productId}`)).body)
      const change = { name: 'Big lamp', price: 12, active: false }
      expectStatus(await clerk.put(`/v1/products/${productId}`, change), 200)
      await shop.idle()
      const { items } = expectStatus(await clerk.get<Page<ProductView>>('/v1/products'), 200)
      assert.deepEqual(items, [
        { sku: 'LAMP', productId, name: 'Big lamp', price: '12.00', currency: 'EUR', active: false },
      ])
    }),
  )

  test(
    'is changed by whoever saw it as it is, and not by whoever saw it as it was',
    inShop(async (shop) => {
      await shop.product()
      const clerk = shop.as('clerk')
      const { headers } = await clerk.get('/v1/products/LAMP')
      const seen = { 'if-match': String(headers['etag']) }
      const body = { name: 'Lamp', price: '11.00' }
      const answers = await Promise.all([1, 2].map(() => clerk.put('/v1/products/LAMP', body, seen)))
      assert.deepEqual(statusesOf(answers), [200, 409])
      const other = { name: 'Lamp', price: '12.00' }
      expectRefusal(await clerk.put('/v1/products/LAMP', other, seen), 409, 'PRODUCT_CHANGED')
    }),
  )

  test(
    'that is there already, unknown, or priced in decimals that its currency has not is refused',
    inShop(async (shop) => {
      const { productId } = await shop.product({ sku: 'LAMP' })
      const clerk = shop.as('clerk')
      const add = (more: object) => clerk.post('/v1/products', { name: 'Thing', price: '1.00', ...more })
      expectRefusal(await add({ sku: 'LAMP' }), 409, 'SKU_TAKEN')
      expectRefusal(await add({ productId }), 409, 'PRODUCT_ID_TAKEN')
      expectRefusal(await add({ price: '1.005' }), 422, 'PRICE_INVALID')
      expectRefusal(await add({ price: '1.50', currency: 'JPY' }), 422, 'PRICE_INVALID')
      expectRefusal(await add({ quantity: -1 }), 422, 'BODY_INVALID')
      expectRefusal(await clerk.get('/v1/products/RUG'), 404, 'PRODUCT_NOT_FOUND')
      expectRefusal(await clerk.put('/v1/products/RUG', { name: 'Rug', price: 1 }), 404, 'PRODUCT_NOT_FOUND')
    }),
  )

  test(
    'that becomes dearer is sold at the new price, and what was ordered before keeps its own',
    inShop(async (shop) => {
      await shop.product({ price: '10.00' })
      const before = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      expectStatus(await shop.as('clerk').put('/v1/products/LAMP', { name: 'Lamp', price: '15.00' }), 200)
      await shop.idle()
      const after = await shop.placeOrder()
      await shop.patch(before.orderId, 'PAGO')
      await shop.idle()
      assert.deepEqual([(await shop.order(before.orderId)).total, after.total], ['10.00', '15.00'])
    }),
  )
})
