// The road of an order that nothing stops: accepted, paid, taken off the stock, shipped, confirmed, told and counted.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import type { StoryView } from '../../src/testing/shop-helpers.ts'
import { inShop } from '../../src/testing/shop.ts'

function assertCausesFirst(story: readonly StoryView[]): void {
  const before = new Set<string | undefined>()
  for (const { name, position, cause } of story) {
    if (cause?.includes('/') === true) assert.ok(before.has(cause), `${name} stands before its cause ${cause}`)
    before.add(position)
  }
}

suite('an order that nothing stops', () => {
  test(
    'is answered with 201 and its address, and goes from PENDING over PAID to CONFIRMED',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00', quantity: 10 })
      const { status, headers, body } = await shop.place({ sku: 'LAMP', quantity: 3 })
      assert.equal(status, 201)
      assert.equal(headers['location'], `/v1/orders/${body.orderId}`)
      assert.deepEqual([body.status, body.total, body.currency], ['PENDING', '30.00', 'EUR'])
      await shop.idle()
      assert.equal((await shop.order(body.orderId)).status, 'CONFIRMED')
      assert.deepEqual(await shop.eventsOf(body.orderId), ['OrderPlaced', 'OrderPaid', 'OrderConfirmed'])
    }),
  )

  test(
    'is PENDING while its money is awaited, PAID while its shipment is',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'SLOW-5000 SLOW-SHIPMENT-5000' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.deepEqual(await shop.orders('?status=PENDING').then(({ items }) => items.length), 1)
      await shop.advance(5000)
      assert.equal((await shop.order(orderId)).status, 'PAID')
      assert.deepEqual(await shop.orders('?status=PAGO').then(({ items }) => items.length), 1)
      await shop.advance(5000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'takes its goods off the stock, its money once, and books one shipment to the address that it names',
    inShop(async (shop) => {
      await shop.product({ sku: 'LAMP', price: '10.00', quantity: 10 })
      await shop.product({ sku: 'RUG', price: '99.99', quantity: 4 })
      const shippingAddress = { line1: 'Calle Mayor 1', city: 'Madrid', postalCode: '28013', country: 'ES' }
      const { orderId } = await shop.placeOrder({
        items: [
          { sku: 'LAMP', quantity: 3 },
          { sku: 'RUG', quantity: 1 },
        ],
        shippingAddress,
      })
      await shop.idle()
      const [lamps, rugs] = [await shop.stockOf('LAMP'), await shop.stockOf('RUG')]
      assert.deepEqual([lamps.onHand, lamps.held, rugs.onHand, rugs.held], [7, 0, 3, 0])
      assert.equal(shop.gateway.balanceOf(orderId), 12_999n)
      assert.equal(shop.gateway.worked().captures, 1)
      assert.equal(shop.carrier.worked().bookings, 1)
      assert.equal(await shop.statusAt('shipments', orderId), 'booked')
      assert.deepEqual((await shop.order(orderId)).shippingAddress, shippingAddress)
    }),
  )

  test(
    'tells its client by mail, and is counted in the window and on the day of its date',
    inShop(async (shop) => {
      await shop.product()
      const clientId = await shop.client({ name: 'João Silva', email: 'joao@example.org' })
      const { orderId } = await shop.placeOrder({ clientId, quantity: 2, orderedAt: '2025-12-24' })
      await shop.idle()
      const [welcome, confirmation, ...others] = shop.mails()
      assert.deepEqual(others, [])
      assert.equal(welcome?.subject, 'Welcome to our shop')
      assert.deepEqual(confirmation?.to, { name: 'João Silva', address: 'joao@example.org' })
      assert.match(confirmation.text, new RegExp(`${orderId} over 20.00 EUR`))
      const [window] = await shop.windows()
      assert.deepEqual(
        [window?.orders.created, window?.orders.confirmed, window?.orders.conversion, window?.notifications.sent],
        [1, 1, 1, 2],
      )
      assert.deepEqual(window?.stock, { onHand: 8, held: 0, available: 8 })
      const [day] = await shop.days()
      assert.deepEqual([day?.day, day?.revenue, day?.units], ['2025-12-24', '20.00', 2])
    }),
  )

  test(
    'is told as a story in which every message follows its cause',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder()
      await shop.idle()
      const story = await shop.story(orderId)
      const told = story.filter(({ what }) => what === 'event' || what === 'command').map(({ name }) => name)
      assert.deepEqual(told, [
        'PlaceOrder',
        'OrderPlaced',
        'ReserveStock',
        'StockReserved',
        'CapturePayment',
        'PaymentCaptured',
        'CommitStock',
        'MarkOrderPaid',
        'OrderPaid',
        'StockCommitted',
        'BookShipment',
        'ShipmentBooked',
        'ConfirmOrder',
        'OrderConfirmed',
        'NotificationSent',
      ])
      assertCausesFirst(story)
    }),
  )

  test('is the same where services have databases of their own', async () => {
    const stores = { inventory: openSqlite({ path: ':memory:' }), payments: openSqlite({ path: ':memory:' }) }
    const road = inShop(
      async (shop) => {
        await shop.product()
        const { orderId } = await shop.placeOrder({ reference: 'LOSE-ANSWER' })
        await shop.advance(1000)
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        const story = await shop.story(orderId)
        assert.equal(story.at(-1)?.name, 'NotificationSent')
        assertCausesFirst(story)
      },
      { stores },
    )
    try {
      await road()
    } finally {
      for (const store of Object.values(stores)) await store.close()
    }
  })

  test(
    'is one of many that are placed at once, and each gets what it asked for',
    inShop(async (shop) => {
      await shop.product({ quantity: 100 })
      await shop.client()
      const placed = await Promise.all(Array.from({ length: 40 }, () => shop.placeOrder({ quantity: 2 })))
      await shop.idle()
      const { items } = await shop.orders('?status=CONFIRMED&limit=500')
      assert.deepEqual(items.map(({ orderId }) => orderId).toSorted(), placed.map(({ orderId }) => orderId).toSorted())
      assert.equal((await shop.stockOf('LAMP')).onHand, 20)
    }),
  )

  test(
    'may cost nothing: no money is taken, and it goes its road all the same',
    inShop(async (shop) => {
      await shop.product({ sku: 'SAMPLE', price: 0 })
      const { orderId } = await shop.placeOrder({ sku: 'SAMPLE' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.gateway.worked().captures, 0)
    }),
  )

  test(
    'is answered as 404 under an id that no order has, here and wherever its parts are asked for',
    inShop(async (shop) => {
      const nobody = '00000000-0000-7000-8000-00000000dead'
      for (const path of ['orders', 'payments', 'shipments', 'reservations']) {
        assert.equal((await shop.as('reader').get(`/v1/${path}/${nobody}`)).status, 404, path)
      }
      const health = await shop.as(undefined).get<{ readonly status: string }>('/health')
      assert.equal(expectStatus(health, 200).status, 'healthy')
    }),
  )
})
