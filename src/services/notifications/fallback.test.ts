// The rules of what follows a mail that was given up: the client's other channels, and then a person.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Answer } from '../../kernel/effect.ts'
import type { EffectRequest } from '../../kernel/handler.ts'
import type { Handled, Holding } from '../../testing/handle.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import { OrderConfirmed } from '../orders/contract.ts'
import { NotificationFailed, NotificationResent, NotificationSent, ResendNotification } from './contract.ts'
import type { Channel } from './contract.ts'
import { resendNotification } from './delivering.ts'
import { takeMailAnswer, takeTextAnswer, takeWebhookAnswer } from './message-answers.ts'
import { MAX_DELIVERIES, notification } from './notification.ts'
import { tellConfirmed } from './order-news.ts'
import type { RecipientDetails } from './recipient.ts'
import { recipient } from './recipient.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const clientId = '019a0000-0000-7000-8000-0000000000c1'
const notificationId = `${orderId}.order-confirmed`
const named = { about: orderId, notificationId, template: 'order-confirmed' } as const
const order = {
  orderId,
  clientId,
  clientName: 'Ana Lobo',
  total: '10.00',
  currency: 'EUR',
  lines: 1,
  units: 1,
  orderedAt: TEST_NOW,
  at: TEST_NOW,
}

const takers = { sendMail: takeMailAnswer, sendText: takeTextAnswer, callWebhook: takeWebhookAnswer }
const gaveUp: Answer<unknown> = { outcome: 'gave-up', reason: 'no answer within 5000 ms', attempts: 3 }
const taken: Answer<unknown> = { outcome: 'answered', result: {}, attempts: 1 }
const phone = '+34 600 123 456'
const webhook = 'https://ana.example/hook'

/** A client with these channels, and the mail that was requested for him. */
function told(details: Partial<RecipientDetails>): { readonly held: Holding; readonly mail: EffectRequest } {
  const held = holding([
    starting(recipient.at(clientId), { details: { name: 'Ana Lobo', email: 'ana@example.org', ...details } }),
  ])
  return { held, mail: requested(held.handle(tellConfirmed, OrderConfirmed(order))) }
}

function requested({ requested: [request, ...more] }: Handled): EffectRequest {
  assert.ok(request !== undefined && more.length === 0, 'one message is requested')
  return request
}

function answer(held: Holding, request: EffectRequest, outcome: Answer<unknown>): Handled {
  return held.answer(takers[request.effect as keyof typeof takers], request, outcome)
}

const state = (held: Holding) => held.state(notification.at(notificationId))
const resend = (channel?: Channel) =>
  ResendNotification({ about: orderId, clientId, notificationId, ...(channel === undefined ? {} : { channel }) })

suite('a mail that was given up', () => {
  test('is followed by a text message to a client with a telephone, which names nobody', () => {
    const { held, mail } = told({ phone })
    const failed = answer(held, mail, gaveUp)
    const { reason } = gaveUp as { readonly reason: string }
    assert.deepEqual(failed.said, [
      NotificationFailed({ ...named, channel: 'email', attempts: 3, reason, fallback: 'sms' }),
    ])
    const sms = requested(failed)
    assert.equal(sms.effect, 'sendText')
    const { to, text } = sms.request as { readonly to: string; readonly text: string }
    assert.equal(to, phone)
    assert.match(text, /^We have confirmed your order .* over 10\.00 EUR\./)
    assert.ok(!text.includes('Ana'))
    assert.equal(state(held).status, 'sending')
    assert.deepEqual(answer(held, sms, taken).said, [NotificationSent({ ...named, channel: 'sms', attempts: 1 })])
    assert.deepEqual(
      state(held).deliveries?.map(({ channel, status, attempts }) => [channel, status, attempts]),
      [
        ['email', 'failed', 3],
        ['sms', 'sent', 1],
      ],
    )
  })

  test('is followed by the webhook that the client named, before his telephone', () => {
    const { held, mail } = told({ phone, webhook })
    const call = requested(answer(held, mail, gaveUp))
    const { url, body } = call.request as { readonly url: string; readonly body: string }
    assert.deepEqual([call.effect, url], ['callWebhook', webhook])
    assert.deepEqual(JSON.parse(body), {
      notificationId,
      template: 'order-confirmed',
      about: orderId,
      clientId,
      subject: `Your order ${orderId} is confirmed`,
      text: `We have confirmed your order ${orderId} over 10.00 EUR. It is paid, and the carrier has been booked.`,
      at: '2026-11-21T09:00:00.000Z',
    })
    const sms = requested(answer(held, call, gaveUp))
    assert.equal(sms.effect, 'sendText')
    const last = answer(held, sms, gaveUp)
    assert.deepEqual(last.requested, [])
    const { reason } = gaveUp as { readonly reason: string }
    assert.deepEqual(last.said, [NotificationFailed({ ...named, channel: 'sms', attempts: 3, reason })])
    assert.equal(state(held).status, 'failed')
  })

  test('is followed first by what the client prefers, if he has it', () => {
    const preferred = (details: Partial<RecipientDetails>) => {
      const { held, mail } = told(details)
      return answer(held, mail, gaveUp).requested.map(({ effect }) => effect)
    }
    assert.deepEqual(preferred({ phone, webhook, fallbackChannel: 'sms' }), ['sendText'])
    assert.deepEqual(preferred({ webhook, fallbackChannel: 'sms' }), ['callWebhook'])
    // Without an address of his own it is the shop's webhook, which the adapter knows.
    assert.deepEqual(preferred({ phone, fallbackChannel: 'webhook' }), ['callWebhook'])
    assert.deepEqual(preferred({}), [])
  })

  test('that an older program requested fails without a fallback, for it does not say whose it was', () => {
    const { held, mail } = told({ phone })
    const { clientId: _, round: __, ...request } = mail.request as Readonly<Record<string, unknown>>
    assert.deepEqual(answer(held, { effect: 'sendMail', request }, gaveUp).requested, [])
    assert.equal(state(held).status, 'failed')
  })
})

test('what an adapter refuses for good has failed on that channel, without more tries', () => {
  const { held, mail } = told({ webhook })
  const call = requested(answer(held, mail, gaveUp))
  const refused = { outcome: 'answered', result: { refused: 'the address is not https' }, attempts: 1 } as const
  const { said } = answer(held, call, refused)
  assert.deepEqual(said, [
    NotificationFailed({ ...named, channel: 'webhook', attempts: 1, reason: 'the address is not https' }),
  ])
})

suite('a notification that a person sends again', () => {
  function failed(details: Partial<RecipientDetails> = {}): Holding {
    const { held, mail } = told(details)
    let handled = answer(held, mail, gaveUp)
    while (handled.requested.length > 0) handled = answer(held, requested(handled), gaveUp)
    assert.equal(state(held).status, 'failed')
    return held
  }

  test('goes through all channels anew, under another key', () => {
    const held = failed({ phone })
    const resent = held.handle(resendNotification, resend())
    assert.deepEqual(resent.said, [NotificationResent({ ...named, channel: 'email' })])
    const mail = requested(resent)
    assert.deepEqual((mail.request as { readonly round: number }).round, 2)
    assert.equal(requested(answer(held, mail, gaveUp)).effect, 'sendText')
  })

  test('on a channel of his choice goes there only', () => {
    const held = failed({ phone, webhook })
    const sms = requested(held.handle(resendNotification, resend('sms')))
    assert.equal(sms.effect, 'sendText')
    assert.deepEqual(answer(held, sms, gaveUp).requested, [])
    assert.equal(state(held).status, 'failed')
  })

  test('is refused on a channel that the client has not, and while it is under way', () => {
    const held = failed()
    assert.throws(() => held.handle(resendNotification, resend('sms')), { code: 'CHANNEL_UNAVAILABLE' })
    held.handle(resendNotification, resend())
    assert.throws(() => held.handle(resendNotification, resend()), { code: 'NOTIFICATION_UNDER_WAY' })
    const other = { about: orderId, clientId, notificationId: 'other' }
    assert.throws(() => held.handle(resendNotification, ResendNotification(other)), { code: 'NOTIFICATION_NOT_FOUND' })
  })

  test('may be one that was sent, and its record ends somewhere', () => {
    const { held, mail } = told({})
    answer(held, mail, taken)
    for (let times = 0; times < MAX_DELIVERIES; times += 1) {
      answer(held, requested(held.handle(resendNotification, resend())), gaveUp)
    }
    const { deliveries = [], round } = state(held)
    assert.deepEqual([deliveries.length, deliveries[0]?.status, round], [MAX_DELIVERIES, 'failed', MAX_DELIVERIES + 1])
  })
})
