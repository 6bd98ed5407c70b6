// A shop that speaks Portuguese, its requests word for word: a client with a cpf, a typePaymentId, PAGO and CANCELADO.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

/** Whoever asks without a key on this machine, as its command lines do. */
async function step(shop: Shop, path: string, body: object): Promise<string> {
  return expectStatus(await shop.as(undefined).post<{ readonly id: string }>(path, body), 201).id
}

const client = { name: 'João', email: 'joao@test.com', phone: '11999999999', cpf: '12345678909' }
const product = { name: 'Produto', description: 'Desc', price: 100, quantity: 10 }

async function ordered(shop: Shop, typePaymentId: number): Promise<string> {
  const clientId = await step(shop, '/v1/clients', client)
  const productId = await step(shop, '/v1/products', product)
  const items = [{ productId, quantity: 1, price: 100 }]
  return step(shop, '/v1/orders', { clientId, items, total: 100, payments: [{ typePaymentId, amount: 100 }] })
}

suite('the steps of a Portuguese shop', () => {
  test(
    'lead to an order that is confirmed, and PAGO of what is paid already is no error',
    inShop(async (shop) => {
      const orderId = await ordered(shop, 1)
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.total, order.priced], ['CONFIRMED', '100.00', 'catalog'])
      assert.deepEqual(order.payments, [{ method: 'card', amount: '100.00' }])
      const settled = await shop.as(undefined).patch<{ readonly status: string }>(`/v1/orders/${orderId}`, {
        status: 'PAGO',
      })
      assert.equal(expectStatus(settled, 200).status, 'CONFIRMED')
    }),
  )

  test(
    'name the ways to pay by number',
    inShop(async (shop) => {
      const productId = await step(shop, '/v1/products', { ...product, quantity: 100 })
      const methods: string[] = []
      for (const typePaymentId of [1, 2, 3, 4, 5]) {
        const { payments } = await shop.placeOrder({
          items: [{ productId, quantity: 1 }],
          payments: [{ typePaymentId, amount: 100 }],
        })
        methods.push(payments[0]?.method ?? '')
      }
      assert.deepEqual(methods, ['card', 'pix', 'boleto', 'transfer', 'manual'])
      const items = [{ productId, quantity: 1 }]
      for (const typePaymentId of [0, 6, 1.5]) {
        const payments = [{ typePaymentId, amount: 100 }]
        expectRefusal(await shop.place({ items, payments }), 422, 'BODY_INVALID')
      }
      const both = [{ typePaymentId: 1, method: 'card', amount: 100 }]
      expectRefusal(await shop.place({ items, payments: both }), 422, 'BODY_INVALID')
      await shop.advance(25 * 3_600_000)
    }),
  )

  test(
    'with a payment by hand wait for PAGO, and CANCELADO stops them',
    inShop(async (shop) => {
      const orderId = await ordered(shop, 5)
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      await shop.patch(orderId, 'PAGO')
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'go to CANCELADO where somebody says so in time',
    inShop(async (shop) => {
      const orderId = await ordered(shop, 5)
      await shop.idle()
      expectStatus(await shop.patch(orderId, 'CANCELADO'), 202)
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CANCELLED')
      expectRefusal(await shop.patch(orderId, 'PAGO'), 409, 'ORDER_TRANSITION')
    }),
  )

  test(
    'name a cpf that nobody can have, which is refused by its check digits',
    inShop(async (shop) => {
      const wrong = await shop.as(undefined).post('/v1/clients', { ...client, cpf: '12345678901' })
      expectRefusal(wrong, 422, 'TAX_ID_INVALID')
    }),
  )
})

suite('a status', () => {
  test(
    'that an order can not be asked for is refused with where it is and where it should go',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder()
      await shop.idle()
      for (const [word, to] of [
        ['PENDENTE', 'PENDING'],
        ['CONFIRMADO', 'CONFIRMED'],
        ['CANCELADO', 'CANCELLED'],
      ]) {
        const details = expectRefusal(await shop.patch(orderId, word ?? ''), 409, 'ORDER_TRANSITION')
        assert.deepEqual([details?.['from'], details?.['to']], ['CONFIRMED', to])
      }
      expectRefusal(await shop.patch(orderId, 'VERLOREN'), 422, 'BODY_INVALID')
      const nobody = '00000000-0000-7000-8000-00000000dead'
      for (const word of ['PAGO', 'CANCELADO', 'PENDENTE']) {
        expectRefusal(await shop.patch(nobody, word), 404, 'ORDER_NOT_FOUND')
      }
      expectRefusal(await shop.patch(orderId, 'CANCELADO', { role: 'reader' }), 403, 'ROLE_MISSING')
    }),
  )
})
