// The shop of these tests itself: it has to notice when books are cooked, errors logged or timers left behind.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop, startShop } from '../../src/testing/shop.ts'

async function sell(shop: Shop, reference = ''): Promise<void> {
  await shop.product()
  await shop.placeOrder(reference === '' ? {} : { reference })
  await shop.idle()
}

suite('the books of a shop', () => {
  test('do not add up where the gateway says that it took money and did not', async () => {
    const lying = inShop(sell, {
      adapters: ({ gateway }) => ({ gateway: { ...gateway, capture: async () => ({ outcome: 'captured' }) } }),
    })
    await assert.rejects(lying, /the gateway's balance/)
  })

  test('do not add up where the gateway says that it gave money back and did not', async () => {
    const lying = inShop((shop) => sell(shop, 'REFUSE-SHIPMENT'), {
      adapters: ({ gateway }) => ({ gateway: { ...gateway, refund: async () => ({ outcome: 'refunded' }) } }),
    })
    await assert.rejects(lying, /the gateway's balance/)
  })

  test('do not add up where money was taken for an order that is none', async () => {
    const stealing = inShop(async (shop) => {
      await sell(shop)
      const stolen = {
        orderId: 'nobody',
        part: 0,
        method: 'card',
        amount: '1.00',
        currency: 'EUR',
        reference: '',
      } as const
      await shop.gateway.capture(stolen, { idempotencyKey: 'stolen', signal: new AbortController().signal })
    })
    await assert.rejects(stealing, /took money for nobody/)
  })

  test('are read while an order is under way as well', async () => {
    const shop = await startShop()
    await sell(shop, 'SLOW-5000')
    await assertSound(shop)
    await shop.advance(6000)
    await assertSound(shop)
    await shop.stop()
  })
})

suite('a shop that stops', () => {
  test('names the timers that it leaves behind', async () => {
    const shop = await startShop()
    const cancel = shop.clock.after(123_456, () => undefined)
    await assert.rejects(shop.stop(), /timers of .*123456 ms/)
    cancel()
  })

  test('tells what was logged as an error', async () => {
    const failing = inShop(async (shop) => {
      shop.complaints.push('something broke')
      await sell(shop)
    })
    await assert.rejects(failing, /the shop logged errors/)
  })
})
