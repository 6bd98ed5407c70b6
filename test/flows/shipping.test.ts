// Shipments: refused, booked although the answer was lost, and followed on their way.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import { inShop } from '../../src/testing/shop.ts'

interface ShipmentView {
  readonly status: string
  readonly carrier: string | null
  readonly trackingNumber: string | null
  readonly reason: string | null
  readonly steps: readonly { readonly step: string; readonly note: string | null; readonly at: string }[]
}

suite('a shipment that the carrier refuses', () => {
  test(
    'gives the money back, puts the goods back and cancels the order',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      const { orderId } = await shop.placeOrder({ quantity: 2, reference: 'REFUSE-SHIPMENT-TOO_HEAVY' })
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'SHIPMENT_REFUSED'])
      assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [5, 0])
      assert.equal(await shop.statusAt('reservations', orderId), 'restocked')
      assert.equal(await shop.statusAt('payments', orderId), 'refunded')
      assert.deepEqual(shop.gateway.worked(), { captures: 1, refunds: 1 })
      const { body } = await shop.as('reader').get<ShipmentView>(`/v1/shipments/${orderId}`)
      assert.deepEqual([body.status, body.reason], ['refused', 'TOO_HEAVY'])
    }),
  )

  test(
    'undoes the steps in turn, the newest first',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT' })
      await shop.idle()
      const story = await shop.story(orderId)
      const undoing = story.map(({ name }) => name).slice(story.findIndex(({ name }) => name === 'ShipmentRefused'))
      const wanted = ['OrderRestocked', 'PaymentRefunded', 'StockReleased', 'OrderCancelled']
      assert.deepEqual(
        undoing.filter((name) => wanted.includes(name)),
        wanted,
      )
      assert.equal(shop.compensations(), 3)
    }),
  )

  test(
    'is told to the client in two mails: the order is cancelled, and the money is on its way',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT' })
      await shop.idle()
      const told = await shop.notificationsOf(orderId)
      assert.deepEqual(told.map(({ template }) => template).toSorted(), ['order-cancelled', 'order-refunded'])
      assert.ok(shop.mails().some(({ text }) => text.includes('given back 10.00 EUR')))
      assert.ok(shop.mails().some(({ text }) => text.includes('our carrier could not take the shipment')))
    }),
  )

  test(
    'gives back each part of a payment in parts',
    inShop(async (shop) => {
      await shop.product()
      const payments = [
        { method: 'card', amount: '4.00' },
        { method: 'pix', amount: '6.00' },
      ]
      const { orderId } = await shop.placeOrder({ payments, reference: 'REFUSE-SHIPMENT' })
      await shop.idle()
      assert.deepEqual(shop.gateway.worked(), { captures: 2, refunds: 2 })
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
    }),
  )
})

suite('a booking', () => {
  test(
    'whose answer is lost is asked for and not made twice',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'LOSE-BOOKING' })
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'PAID')
      await shop.advance(1000)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.carrier.worked().bookings, 1)
    }),
  )

  test(
    'goes to the first address of the client where the order names none',
    inShop(async (shop) => {
      await shop.product()
      const home = { line1: 'Rua do Carmo 7', city: 'Lisboa', country: 'PT' }
      const clientId = await shop.client({ addresses: [home, { ...home, line1: 'Rua da Prata 9' }] })
      const { orderId } = await shop.placeOrder({ clientId })
      await shop.idle()
      assert.deepEqual((await shop.order(orderId)).shippingAddress, home)
    }),
  )
})

suite('tracking', () => {
  test(
    'shows each step of a booked shipment in order, with its note and its time',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder()
      await shop.idle()
      const path = `/v1/shipments/${orderId}`
      const step = (body: object) => shop.as('clerk').post<ShipmentView>(`${path}/steps`, body)
      expectStatus(await step({ step: 'COLLECTED' }), 201)
      await shop.advance(3_600_000)
      expectStatus(await step({ step: 'DELIVERED', note: 'left with a neighbour' }), 201)
      const shipment = expectStatus(await shop.as('reader').get<ShipmentView>(path), 200)
      assert.match(shipment.trackingNumber ?? '', /^SIM-/)
      assert.deepEqual(shipment.steps, [
        { step: 'COLLECTED', note: null, at: '2026-02-01T12:00:00.000Z' },
        { step: 'DELIVERED', note: 'left with a neighbour', at: '2026-02-01T13:00:00.000Z' },
      ])
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    }),
  )

  test(
    'is refused for a shipment that is not booked, and for an order that has none',
    inShop(async (shop) => {
      await shop.product()
      const { orderId } = await shop.placeOrder({ reference: 'REFUSE-SHIPMENT' })
      await shop.idle()
      const step = (id: string, word: string) => shop.as('clerk').post(`/v1/shipments/${id}/steps`, { step: word })
      expectRefusal(await step(orderId, 'COLLECTED'), 409, 'SHIPMENT_NOT_BOOKED')
      const nobody = '00000000-0000-7000-8000-00000000dead'
      expectRefusal(await step(nobody, 'COLLECTED'), 404, 'SHIPMENT_NOT_FOUND')
      expectRefusal(await step(orderId, 'TELEPORTED'), 422, 'BODY_INVALID')
    }),
  )
})
