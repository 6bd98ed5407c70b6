// Sending again: keys that make a request happen once, references that make an order unique, and waiting for the end.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus, statusesOf } from '../../src/testing/shop-calls.ts'
import type { Listed, Page } from '../../src/testing/shop-helpers.ts'
import { inShop } from '../../src/testing/shop.ts'

const keyed = (key: string) => ({ headers: { 'idempotency-key': key } })

suite('a key', () => {
  test(
    'makes of many concurrent calls one order, which all of them are answered with',
    inShop(async (shop) => {
      await shop.product({ quantity: 10 })
      await shop.client()
      const answers = await Promise.all(Array.from({ length: 10 }, () => shop.place({ quantity: 2 }, keyed('one'))))
      const [first] = answers
      for (const answer of answers) {
        assert.deepEqual(expectStatus(answer, 201), first?.body)
        assert.equal(answer.headers['location'], first?.headers['location'])
      }
      await shop.idle()
      assert.equal((await shop.orders()).items.length, 1)
      assert.equal((await shop.stockOf('LAMP')).onHand, 8)
      assert.equal(shop.gateway.worked().captures, 1)
    }),
  )

  test(
    'that comes again later is answered as it was, and the answer says so',
    inShop(async (shop) => {
      await shop.product()
      const first = await shop.place({}, keyed('one'))
      await shop.advance(60_000)
      const again = await shop.place({}, keyed('one'))
      assert.deepEqual([again.status, again.body], [201, first.body])
      assert.deepEqual(
        [first.headers['idempotency-replayed'], again.headers['idempotency-replayed']],
        [undefined, 'true'],
      )
    }),
  )

  test(
    'belongs to one body: with another it is refused, whichever comes first',
    inShop(async (shop) => {
      await shop.product()
      await shop.client()
      const both = await Promise.all([1, 2].map((quantity) => shop.place({ quantity }, keyed('one'))))
      assert.deepEqual(statusesOf(both), [201, 422])
      const refused = both.find(({ status }) => status === 422)
      assert.ok(refused !== undefined)
      expectRefusal(refused, 422, 'IDEMPOTENCY_KEY_REUSED')
      await shop.idle()
      assert.equal((await shop.orders()).items.length, 1)
    }),
  )

  test(
    'of one caller is none of another',
    inShop(async (shop) => {
      await shop.product()
      const one = await shop.placeOrder({}, { role: 'clerk', ...keyed('one') })
      const other = await shop.placeOrder({}, { role: 'importer', ...keyed('one') })
      assert.notEqual(one.orderId, other.orderId)
    }),
  )

  test(
    'keeps a refusal as well: what was refused stays refused under it',
    inShop(async (shop) => {
      await shop.product({ active: false })
      expectRefusal(await shop.place({}, keyed('one')), 422, 'PRODUCT_INACTIVE')
      const active = { name: 'Lamp', price: '10.00', active: true }
      expectStatus(await shop.as('clerk').put('/v1/products/LAMP', active), 200)
      await shop.idle()
      expectRefusal(await shop.place({}, keyed('one')), 422, 'PRODUCT_INACTIVE')
      expectStatus(await shop.place({}, keyed('two')), 201)
    }),
  )

  test(
    'holds for changes of status, for clients, products and adjustments as well',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ payments: [{ method: 'manual' }] })
      await shop.idle()
      const settle = () => shop.patch(orderId, 'PAGO', keyed('paid'))
      const [settled, again] = [await settle(), await settle()]
      assert.deepEqual([settled.status, again.status], [202, 202])
      const headers = { 'idempotency-key': 'twice' }
      const clerk = shop.as('clerk')
      const twice = async (path: string, body: object) => {
        const answers = await Promise.all([clerk.post(path, body, headers), clerk.post(path, body, headers)])
        assert.deepEqual(answers[0].body, answers[1].body, path)
        assert.equal(answers[0].status, 201, path)
      }
      await twice('/v1/clients', { name: 'Ana', email: 'ana@example.org' })
      await twice('/v1/products', { name: 'Rug', price: '99.00' })
      await twice('/v1/stock/LAMP/adjustments', { quantity: 5, reason: 'found' })
      await shop.idle()
      assert.equal((await shop.stockOf('LAMP')).onHand, 14)
    }),
  )
})

suite('a reference', () => {
  test(
    'is taken once by each source, also by concurrent orders, and names the order that has it',
    inShop(async (shop) => {
      await shop.product()
      await shop.client()
      const answers = await Promise.all([1, 2, 3].map(() => shop.place({ reference: 'A-1' })))
      assert.deepEqual(statusesOf(answers), [201, 409, 409])
      const order = answers.find(({ status }) => status === 201)?.body
      for (const answer of answers.filter(({ status }) => status === 409)) {
        assert.equal(expectRefusal(answer, 409, 'REFERENCE_TAKEN')?.['orderId'], order?.orderId)
      }
      const imported = await shop.placeOrder({ reference: 'A-1' }, { role: 'importer' })
      assert.notEqual(imported.orderId, order?.orderId)
      await shop.idle()
    }),
  )

  test(
    'finds its order, and with its source exactly that one',
    inShop(async (shop) => {
      await shop.product()
      const mine = await shop.placeOrder({ reference: 'A-1' })
      const others = await shop.placeOrder({ reference: 'A-1' }, { role: 'importer' })
      await shop.placeOrder({ reference: 'A-2' })
      await shop.idle()
      const find = async (query: string) =>
        expectStatus(await shop.as('reader').get<Page<Listed>>(`/v1/orders?${query}`), 200).items.map(
          ({ orderId }) => orderId,
        )
      assert.deepEqual((await find('reference=A-1')).toSorted(), [mine.orderId, others.orderId].toSorted())
      assert.deepEqual(await find('reference=A-1&source=importer'), [others.orderId])
      assert.deepEqual(await find('reference=A-3'), [])
    }),
  )

  test(
    'of an order that was refused is free again',
    inShop(async (shop) => {
      await shop.product()
      expectRefusal(await shop.place({ reference: 'A-1', total: '1.00' }), 422, 'TOTAL_MISMATCH')
      expectStatus(await shop.place({ reference: 'A-1' }), 201)
      await shop.idle()
    }),
  )
})

suite('Prefer: wait', () => {
  const waiting = (seconds: number) => ({ headers: { prefer: `wait=${seconds}` } })

  test(
    'answers with the order as it ended',
    inShop(async (shop) => {
      await shop.product({ quantity: 1 })
      const confirmed = await shop.during(1000, shop.place({}, waiting(10)))
      assert.equal(expectStatus(confirmed, 201).status, 'CONFIRMED')
      assert.equal(confirmed.headers['preference-applied'], 'wait=10')
      const cancelled = await shop.during(1000, shop.place({}, waiting(10)))
      assert.deepEqual([cancelled.body.status, cancelled.body.reason], ['CANCELLED', 'OUT_OF_STOCK'])
    }),
  )

  test(
    'answers with the state reached when the time is over, and no earlier',
    inShop(async (shop) => {
      await shop.product()
      let isAnswered = false
      const answer = shop.place({ reference: 'SLOW-60000' }, waiting(5)).finally(() => (isAnswered = true))
      await shop.advance(4900)
      assert.equal(isAnswered, false)
      const { status, orderId } = expectStatus(await shop.during(200, answer), 201)
      assert.equal(status, 'PENDING')
      await shop.advance(200_000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'waits also for the order that an earlier request under the same key placed',
    inShop(async (shop) => {
      await shop.product()
      const placing = { reference: 'SLOW-5000' }
      const first = await shop.placeOrder(placing, keyed('one'))
      const headers = { ...keyed('one').headers, prefer: 'wait=20' }
      const again = await shop.during(7000, shop.place(placing, { headers }))
      assert.deepEqual([again.body.orderId, again.body.status], [first.orderId, 'CONFIRMED'])
    }),
  )

  test(
    'waits as well where an order is only read',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000' })
      const reading = shop.as('reader').get<{ readonly status: string }>(`/v1/orders/${orderId}`, { prefer: 'wait=20' })
      assert.equal(expectStatus(await shop.during(7000, reading), 200).status, 'CONFIRMED')
    }),
  )

  test(
    'for longer than thirty seconds, or for nonsense, is refused before anything is placed',
    inShop(async (shop) => {
      await shop.product()
      for (const prefer of ['wait=31', 'wait=soon', 'wait']) {
        expectRefusal(await shop.place({}, { headers: { prefer } }), 400, 'PREFER_INVALID')
      }
      assert.deepEqual((await shop.orders()).items, [])
    }),
  )
})
