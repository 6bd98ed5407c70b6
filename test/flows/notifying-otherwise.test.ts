// What follows a mail that can not be sent: another channel, a list for people, and their second try.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readAudit } from '../../src/platform/audit/audit.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { NotificationView, Page } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

/** Longer than all tries of two channels. */
const GIVEN_UP_MS = 30_000

async function orderOf(shop: Shop, client: object): Promise<string> {
  await shop.product()
  const clientId = await shop.client(client)
  const { orderId } = await shop.placeOrder({ clientId })
  await shop.idle()
  await shop.advance(GIVEN_UP_MS)
  return orderId
}

async function undelivered(shop: Shop): Promise<readonly NotificationView[]> {
  return expectStatus(await shop.as('reader').get<Page<NotificationView>>('/v1/notifications?status=failed'), 200).items
}

function deliveriesOf(told: NotificationView | undefined) {
  return told?.deliveries.map(({ channel, status, attempts }) => `${channel} ${status} ${attempts}`)
}

suite('a mail that was given up', () => {
  test(
    'goes to the telephone of a client who has one, and both are counted',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop, { phone: '+34 600 123 456' })
        const [told] = await shop.notificationsOf(orderId)
        assert.deepEqual([told?.status, deliveriesOf(told)], ['sent', ['email failed 3', 'sms sent 1']])
        assert.deepEqual(await shop.eventsOf(orderId, 'notifications'), ['NotificationFailed', 'NotificationSent'])
        const texts = shop.texter.messages().map(({ text }) => text)
        assert.equal(texts.filter((text) => text.includes(orderId)).length, 1)
        // A welcome and a confirmation, each failed by mail and sent to the telephone.
        assert.deepEqual((await shop.windows())[0]?.notifications, { sent: 2, failed: 2, successRate: 0.5 })
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        assert.deepEqual(await undelivered(shop), [])
      },
      { mailFailureRate: 1 },
    ),
  )

  const webhook = 'https://ana.example/hook'
  test(
    'calls the webhook that the client named, three times by the same rules, and then waits for a person',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop, { webhook, fallbackChannel: 'webhook' })
        const [told] = await undelivered(shop)
        assert.equal(told?.notificationId, `${orderId}.order-confirmed`)
        assert.deepEqual(deliveriesOf(told), ['email failed 3', 'webhook failed 3'])
        assert.deepEqual(await shop.eventsOf(orderId, 'notifications'), ['NotificationFailed', 'NotificationFailed'])
        assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      },
      {
        mailFailureRate: 1,
        adapters: () => ({ webhooks: { send: () => Promise.reject(new Error('The address answered 503.')) } }),
      },
    ),
  )
})

suite('a person who looks after what was given up', () => {
  const mailbox = { isFull: true }
  test(
    'sends it again, and it leaves the list; the audit says who and why',
    inShop(
      async (shop) => {
        const orderId = await orderOf(shop, {})
        const [failed] = await undelivered(shop)
        const path = `/v1/notifications/${failed?.notificationId}/resend`
        expectRefusal(await shop.as('clerk').post(path, {}), 403, 'ROLE_MISSING')
        const operator = shop.as('operator')
        expectRefusal(await operator.post(path, { channel: 'sms' }), 409, 'CHANNEL_UNAVAILABLE')
        mailbox.isFull = false
        expectStatus(await operator.post(path, { reason: 'the mailbox was emptied' }), 202)
        await shop.idle()
        const [told] = await shop.notificationsOf(orderId)
        assert.deepEqual([told?.status, deliveriesOf(told)], ['sent', ['email failed 3', 'email sent 1']])
        const left = (await undelivered(shop)).map(({ notificationId }) => notificationId)
        assert.ok(!left.includes(failed?.notificationId ?? '') && left.length > 0)
        const [entry] = await readAudit(shop.lonja.runtimes[0]!.options.store, { limit: 10 })
        assert.deepEqual(
          [entry?.action, entry?.target, entry?.reason],
          ['notification.resend', failed?.notificationId, 'the mailbox was emptied'],
        )
      },
      {
        adapters: ({ mailer }) => ({
          mailer: {
            send: (mail, call) => (mailbox.isFull ? Promise.reject(new Error('full')) : mailer.send(mail, call)),
          },
        }),
      },
    ),
  )

  test(
    'sends it down another channel that the client got meanwhile',
    inShop(
      async (shop) => {
        await shop.product()
        const clientId = await shop.client({ name: 'Ana', email: 'ana@example.org' })
        const { orderId } = await shop.placeOrder({ clientId })
        await shop.idle()
        await shop.advance(GIVEN_UP_MS)
        const phone = { name: 'Ana', email: 'ana@example.org', phone: '600123456' }
        expectStatus(await shop.as('clerk').put(`/v1/clients/${clientId}`, phone), 200)
        await shop.idle()
        const path = `/v1/notifications/${orderId}.order-confirmed`
        expectStatus(await shop.as('operator').post(`${path}/resend`, { channel: 'sms' }), 202)
        await shop.idle()
        const read = await shop.as('clerk').get<{ readonly to: unknown; readonly text: string }>(path)
        const { to, text } = expectStatus(read, 200)
        assert.deepEqual(to, { name: 'Ana', address: '600123456' })
        assert.deepEqual(
          shop.texter.messages().map((message) => message.text),
          [text],
        )
      },
      { mailFailureRate: 1 },
    ),
  )
})
