// Mails: sent once, tried three times, given up without harm to any order, and readable afterwards.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'

/** A mailer that notes when it is asked, and does as it is told. */
function notingMailer(send: (attempt: number) => Promise<{ readonly refused: string } | void>) {
  const clock = createVirtualClock()
  const tries: { readonly at: number; readonly key: string }[] = []
  const startedAt = clock.now()
  return {
    tries,
    clock,
    /** Seconds after the start at which the mails of one order were tried. */
    secondsOf: (orderId: string) => tries.filter(({ key }) => key.includes(orderId)).map(({ at }) => at / 1000),
    adapters: () => ({
      mailer: {
        send: async (_: unknown, { idempotencyKey, attempt }: { idempotencyKey: string; attempt?: number }) => {
          tries.push({ at: clock.now() - startedAt, key: idempotencyKey })
          return send(attempt ?? 0)
        },
      },
    }),
  }
}

async function orderOf(shop: Shop): Promise<string> {
  await shop.product()
  const { orderId } = await shop.placeOrder()
  await shop.idle()
  return orderId
}

suite('a mail that can not be sent', () => {
  const refusing = notingMailer(() => Promise.reject(new Error('The mailbox is full.')))
  test(
    'is tried three times, two and four seconds apart, then given up; its order stays confirmed',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop)
        await shop.advance(60_000)
        assert.deepEqual(refusing.secondsOf(orderId), [0, 2, 6])
        const [told, ...others] = await shop.notificationsOf(orderId)
        assert.deepEqual(others, [])
        assert.deepEqual([told?.status, told?.attempts, told?.reason], ['failed', 3, 'The mailbox is full.'])
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        assert.deepEqual(await shop.eventsOf(orderId, 'notifications'), ['NotificationFailed'])
      },
      { clock: refusing.clock, adapters: refusing.adapters },
    ),
  )

  const naming = notingMailer(() => Promise.reject(new Error('No mailbox of Ana, <ana@example.org>, at this host.')))
  test(
    'names nobody in its reason and its story, whatever the mail server says',
    inShop(
      async (shop) => {
        await shop.client({ name: 'Ana', email: 'ana@example.org' })
        const orderId = await orderOf(shop)
        await shop.advance(60_000)
        const [told] = await shop.notificationsOf(orderId)
        assert.equal(told?.reason, 'No mailbox of …, <…>, at this host.')
        const tries = (await shop.story(orderId)).filter(({ what, name }) => what === 'effect' && name === 'sendMail')
        assert.ok(tries.length >= 3 && tries.every(({ cause = '' }) => !/\bAna\b|ana@/.test(cause)))
      },
      { clock: naming.clock, adapters: naming.adapters },
    ),
  )

  const final = notingMailer(async () => ({ refused: 'There is no such mailbox.' }))
  test(
    'is not tried again where the mail server will never take it',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop)
        await shop.advance(60_000)
        assert.deepEqual(final.secondsOf(orderId), [0])
        const [told] = await shop.notificationsOf(orderId)
        assert.deepEqual([told?.status, told?.attempts, told?.reason], ['failed', 1, 'There is no such mailbox.'])
      },
      { clock: final.clock, adapters: final.adapters },
    ),
  )

  test(
    'is counted as failed in its window, and the share of those that were sent falls',
    inShop(
      async (shop) => {
        await orderOf(shop)
        await shop.advance(10_000)
        const [window] = await shop.windows()
        assert.deepEqual(window?.notifications, { sent: 0, failed: 2, successRate: 0 })
        assert.deepEqual([window.orders.confirmed, shop.mails()], [1, []])
      },
      { mailFailureRate: 1 },
    ),
  )

  const silent = notingMailer(() => new Promise<void>(() => undefined))
  test(
    'because nobody answers is given up after five seconds each time',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop)
        await shop.advance(20_000)
        assert.deepEqual(silent.secondsOf(orderId), [0, 7, 16])
        assert.equal((await shop.notificationsOf(orderId))[0]?.status, 'sending')
        await shop.advance(2000)
        assert.equal((await shop.notificationsOf(orderId))[0]?.status, 'failed')
      },
      { clock: silent.clock, adapters: silent.adapters },
    ),
  )

  const recovering = notingMailer((attempt) => (attempt < 3 ? Promise.reject(new Error('busy')) : Promise.resolve()))
  test(
    'at first is sent at the third try, under the same key each time',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop)
        await shop.advance(10_000)
        const [told] = await shop.notificationsOf(orderId)
        assert.deepEqual([told?.status, told?.attempts], ['sent', 3])
        const keys = recovering.tries.filter(({ key }) => key.includes(orderId)).map(({ key }) => key)
        assert.deepEqual([keys.length, new Set(keys).size], [3, 1])
      },
      { clock: recovering.clock, adapters: recovering.adapters },
    ),
  )
})

suite('the mails of a shop', () => {
  test(
    'can be read afterwards, one by one by clerks, with their text and recipient',
    inShop(async (shop) => {
      await shop.product()
      const clientId = await shop.client({ name: 'Ana Lima', email: 'ana@example.org' })
      const { orderId } = await shop.placeOrder({ clientId })
      await shop.idle()
      const [told] = await shop.notificationsOf(orderId)
      const path = `/v1/notifications/${told?.notificationId}`
      const mail = expectStatus(
        await shop.as('clerk').get<{ readonly to: { readonly address: string }; readonly text: string }>(path),
        200,
      )
      assert.equal(mail.to.address, 'ana@example.org')
      assert.match(mail.text, /^Hello Ana Lima,/)
      expectRefusal(await shop.as('reader').get(path), 403, 'ROLE_MISSING')
      const nothing = await shop.as('clerk').get('/v1/notifications/nothing')
      expectRefusal(nothing, 404, 'NOTIFICATION_NOT_FOUND')
    }),
  )

  test(
    'go to the address that the client has when they are written',
    inShop(async (shop) => {
      await shop.product()
      const clientId = await shop.client({ email: 'old@example.org' })
      const { orderId } = await shop.placeOrder({ clientId, payments: [{ method: 'manual' }] })
      await shop.idle()
      const changed = { name: 'Ana', email: 'new@example.org' }
      expectStatus(await shop.as('clerk').put(`/v1/clients/${clientId}`, changed), 200)
      await shop.patch(orderId, 'PAGO')
      await shop.idle()
      assert.equal(shop.mails().at(-1)?.to.address, 'new@example.org')
    }),
  )
})
