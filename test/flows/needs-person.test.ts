// When the outside never answers: the order calls a person, who alone may give it up.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

suite('an order whose gateway is gone for good', () => {
  test(
    'needs a person after its limits, and is FAILED when an operator gives it up',
    inShop(async (shop) => {
      await shop.product({ quantity: 2 })
      const { orderId } = await shop.placeOrder({ quantity: 2, reference: 'GATEWAY-DOWN' })
      await shop.advance(HOUR_MS + 6 * MINUTE_MS)
      const flagged = await shop.order(orderId)
      assert.deepEqual([flagged.status, flagged.needsPerson], ['PENDING', ['pay']])
      const { items } = await shop.orders('?status=PENDING')
      assert.deepEqual(
        items.map(({ orderId, needsPerson }) => [orderId, needsPerson]),
        [[orderId, true]],
      )
      const { body } = await shop.patch(orderId, 'FALHA', { role: 'operator' })
      assert.deepEqual([body.status, body.reason], ['FAILED', 'GIVEN_UP'])
      assert.ok((await shop.eventsOf(orderId)).includes('OrderFailed'))
      assert.equal(
        (await shop.windows()).reduce((sum, { orders }) => sum + orders.failed, 0),
        1,
      )
    }),
  )

  test(
    'gives its stock back although nobody can say what became of its money',
    inShop(async (shop) => {
      await shop.product({ quantity: 2 })
      const { orderId } = await shop.placeOrder({ quantity: 2, reference: 'GATEWAY-DOWN' })
      await shop.advance(2 * HOUR_MS)
      assert.deepEqual((await shop.order(orderId)).needsPerson, ['pay'])
      assert.equal((await shop.stockOf('LAMP')).available, 2)
      await shop.advance(24 * HOUR_MS)
      assert.equal(await shop.statusAt('payments', orderId), 'unknown')
      assert.deepEqual((await shop.order(orderId)).needsPerson, ['pay'])
      expectStatus(await shop.patch(orderId, 'FAILED', { role: 'admin' }), 200)
    }),
  )

  test(
    'tells in its story what was tried, what came due and who was called',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'GATEWAY-DOWN' })
      await shop.advance(2 * HOUR_MS)
      const story = await shop.story(orderId)
      const causes = new Set(story.map(({ what, cause }) => `${what}: ${cause}`))
      assert.ok(causes.has('effect: try 1 failed: The gateway can not be reached.'))
      assert.ok(causes.has('saga: pay not answered in time'))
      assert.ok(causes.has('saga: undo of pay not answered in time'))
      assert.ok(causes.has('saga: needs a person'))
      assert.ok(story.some(({ what, name }) => what === 'timer' && name.includes('checkout')))
      assert.ok(story.some(({ name }) => name === 'OrderFlagged'))
    }),
  )

  test(
    'does not stop the orders of others',
    inShop(async (shop) => {
      await shop.product()
      await shop.placeOrder({ reference: 'GATEWAY-DOWN' })
      await shop.idle()
      const other = await shop.placeOrder()
      await shop.idle()
      assert.equal((await shop.order(other.orderId)).status, 'CONFIRMED')
      await shop.advance(2 * HOUR_MS)
    }),
  )

  test(
    'and of many others whose payments fail, too, keeps nobody out whose payment does not',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      await shop.client()
      const references = Array.from({ length: 30 }, (_, number) => `GATEWAY-DOWN ${number}`)
      await Promise.all(references.map((reference) => shop.placeOrder({ reference })))
      // They have failed by now and wait for their next try, so the next order stands behind all of them.
      await shop.advance(1000)
      const other = await shop.placeOrder()
      await shop.advance(10_000)
      assert.equal((await shop.order(other.orderId)).status, 'CONFIRMED')
      await shop.advance(2 * HOUR_MS)
      const { items } = await shop.orders('?limit=500')
      assert.equal(items.filter(({ needsPerson }) => needsPerson).length, 30)
    }),
  )
})

suite('a gateway that is away for half a minute', () => {
  const outage = { isOver: false }
  test(
    'is waited for, and then all who waited are served together and not one by one',
    inShop(
      async (shop) => {
        outage.isOver = false
        await shop.product({ quantity: 100 })
        await shop.client()
        const placed = Array.from({ length: 60 }, (_, number) => shop.placeOrder({ reference: `SLOW-2000 ${number}` }))
        await Promise.all(placed)
        await shop.advance(30_000)
        assert.equal((await shop.orders('?status=PENDING&limit=500')).items.length, 60)
        outage.isOver = true
        await shop.advance(60_000)
        assert.equal((await shop.orders('?status=CONFIRMED&limit=500')).items.length, 60)
        assert.equal(shop.gateway.worked().captures, 60)
      },
      {
        adapters: ({ gateway }) => {
          const mustBeThere = () => assert.ok(outage.isOver, 'nobody answers')
          return {
            gateway: {
              ...gateway,
              capture: async (...asked) => {
                mustBeThere()
                return gateway.capture(...asked)
              },
              findCapture: async (...asked) => {
                mustBeThere()
                return gateway.findCapture(...asked)
              },
            },
          }
        },
      },
    ),
  )
})

suite('giving an order up', () => {
  test(
    'is refused while its saga works, to everybody but operators, and after it ended',
    inShop(async (shop) => {
      await shop.product()
      const slow = await shop.placeOrder({ reference: 'SLOW-5000' })
      await shop.idle()
      expectRefusal(await shop.patch(slow.orderId, 'FALHA'), 403, 'OPERATOR_ONLY')
      expectRefusal(await shop.patch(slow.orderId, 'FALHA', { role: 'importer' }), 403, 'OPERATOR_ONLY')
      expectRefusal(await shop.patch(slow.orderId, 'FALHA', { role: 'operator' }), 409, 'GIVE_UP_TOO_EARLY')
      await shop.advance(6000)
      expectRefusal(await shop.patch(slow.orderId, 'FAILED', { role: 'operator' }), 409, 'ORDER_TRANSITION')
      assert.equal((await shop.order(slow.orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'twice is giving it up once',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'GATEWAY-DOWN' })
      await shop.advance(2 * HOUR_MS)
      for (const _ of [1, 2]) expectStatus(await shop.patch(orderId, 'FALHA', { role: 'operator' }), 200)
      assert.equal((await shop.eventsOf(orderId)).filter((name) => name === 'OrderFailed').length, 1)
    }),
  )
})

suite('an undo that the outside refuses', () => {
  test(
    'calls a person: goods that were collected are not cancelled, everything else is undone',
    inShop(async (shop) => {
      await shop.product({ quantity: 3 })
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-SHIPMENT-5000 REFUSE-CANCELLATION' })
      await shop.advance(1000)
      await shop.patch(orderId, 'CANCELLED')
      await shop.advance(2 * HOUR_MS)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.needsPerson, order.cancelling], ['PAID', ['ship'], 'CLIENT'])
      assert.equal(await shop.statusAt('shipments', orderId), 'unknown')
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      assert.equal((await shop.stockOf('LAMP')).available, 3)
    }),
  )

  test(
    'calls a person: money that the gateway does not give back is not said to be refunded',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT REFUSE-REFUND' })
      await shop.advance(2 * HOUR_MS)
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.needsPerson], ['PAID', ['pay']])
      assert.ok(!(await shop.eventsOf(orderId, 'payments')).includes('PaymentRefunded'))
      assert.equal(shop.gateway.balanceOf(orderId), 1000n)
      assert.equal(expectStatus(await shop.patch(orderId, 'FALHA', { role: 'operator' }), 200).status, 'FAILED')
    }),
  )
})
