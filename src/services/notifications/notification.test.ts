// The rules of notifications: told once, to an address that may be learnt late, and never in an order's way.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Answer } from '../../kernel/effect.ts'
import type { EffectRequest } from '../../kernel/handler.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import { ClientChanged, ClientRegistered } from '../clients/contract.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, ReturnCompleted } from '../orders/contract.ts'
import { PaymentRefunded } from '../payments/contract.ts'
import { changeRecipient, deliverNotification, welcomeClient } from './client-news.ts'
import { DeliverNotification, NotificationFailed, NotificationSent } from './contract.ts'
import { takeMailAnswer } from './message-answers.ts'
import type { MailRequest } from './mail.effect.ts'
import { MAX_WAITING } from './delivering.ts'
import { notification } from './notification.ts'
import { noteRefund, tellCancelled, tellConfirmed, tellFailed, tellReturned } from './order-news.ts'
import { recipient } from './recipient.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const clientId = '019a0000-0000-7000-8000-0000000000c1'
const returnId = '019a0000-0000-7000-8000-0000000000aa'
const quiet = { said: [], requested: [], scheduled: [] }

const details = { name: 'Ana Lobo', email: 'ana@example.org' }
const client = { clientId, ...details, addresses: [] }
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
const returned = {
  orderId,
  clientId,
  returnId,
  amount: '4.00',
  currency: 'EUR',
  units: 1,
  orderedAt: TEST_NOW,
  at: TEST_NOW,
}
const gaveBack = (amount: string) => PaymentRefunded({ orderId, amount, currency: 'EUR' })
const cancelled = OrderCancelled({ ...order, reason: 'OUT_OF_STOCK' })

const known = (): Holding => holding([starting(recipient.at(clientId), { details })])
const mailOf = ([request]: readonly EffectRequest[]): MailRequest => {
  assert.ok(request !== undefined, 'no mail was requested')
  return request.request as MailRequest
}

suite('telling', () => {
  test('a confirmed order is told to its client, once', () => {
    const held = known()
    const mail = mailOf(held.handle(tellConfirmed, OrderConfirmed(order)).requested)
    assert.equal(mail.notificationId, `${orderId}.order-confirmed`)
    assert.deepEqual(mail.to, { name: 'Ana Lobo', address: 'ana@example.org' })
    assert.match(mail.text, /10\.00 EUR/)
    assert.deepEqual(held.handle(tellConfirmed, OrderConfirmed(order)), quiet)
  })

  test('a cancelled order says why, in words', () => {
    const { requested } = known().handle(tellCancelled, cancelled)
    assert.equal(requested.length, 1)
    assert.match(mailOf(requested).text, /because an item that you ordered is sold out/)
  })

  test('a new client is welcomed', () => {
    const held = holding()
    const mail = mailOf(held.handle(welcomeClient, ClientRegistered(client)).requested)
    assert.deepEqual([mail.notificationId, mail.to.address], [`${clientId}.welcome`, 'ana@example.org'])
  })

  test('a changed address is the one that is written to', () => {
    const held = known()
    held.handle(changeRecipient, ClientChanged({ ...client, email: 'ana@new.example.org' }))
    const mail = mailOf(held.handle(tellConfirmed, OrderConfirmed(order)).requested)
    assert.equal(mail.to.address, 'ana@new.example.org')
  })
})

suite('refunds', () => {
  const refundId = `${orderId}.order-refunded`

  test('money that went back is told when the order has ended, whichever is heard first', () => {
    const refundFirst = known()
    assert.deepEqual(refundFirst.handle(noteRefund, gaveBack('10.00')), quiet)
    const both = refundFirst.handle(tellCancelled, cancelled).requested
    assert.equal(mailOf(both.slice(1)).notificationId, refundId)
    const endFirst = known()
    assert.equal(endFirst.handle(tellCancelled, cancelled).requested.length, 1)
    const deliver = DeliverNotification({ about: orderId, clientId, notificationId: refundId })
    assert.deepEqual(endFirst.handle(noteRefund, gaveBack('10.00')).said, [deliver])
    assert.match(mailOf(endFirst.handle(deliverNotification, deliver).requested).text, /given back 10\.00 EUR/)
    assert.deepEqual(endFirst.handle(deliverNotification, deliver), quiet)
  })

  test('the same money is told once', () => {
    const held = known()
    held.handle(noteRefund, gaveBack('10.00'))
    held.handle(tellCancelled, cancelled)
    assert.deepEqual(held.handle(noteRefund, gaveBack('10.00')), quiet)
    assert.deepEqual(held.handle(tellCancelled, cancelled), quiet)
  })

  test('nothing is told of no money', () => {
    const held = known()
    assert.deepEqual(held.handle(noteRefund, gaveBack('0.00')), quiet)
    assert.equal(held.handle(tellCancelled, cancelled).requested.length, 1)
    assert.deepEqual(held.handle(tellReturned, ReturnCompleted({ ...returned, amount: '0.00' })), quiet)
  })

  test('an order that was given up tells of its money only', () => {
    const held = known()
    held.handle(noteRefund, gaveBack('10.00'))
    const { requested } = held.handle(tellFailed, OrderFailed({ ...order, reason: 'PAYMENT_TIMEOUT' }))
    assert.deepEqual([requested.length, mailOf(requested).notificationId], [1, refundId])
  })

  test('each return is told by itself, once', () => {
    const held = known()
    const mail = mailOf(held.handle(tellReturned, ReturnCompleted(returned)).requested)
    assert.equal(mail.notificationId, `${orderId}.order-refunded.${returnId}`)
    assert.deepEqual(held.handle(tellReturned, ReturnCompleted(returned)), quiet)
    const second = ReturnCompleted({ ...returned, returnId: '019a0000-0000-7000-8000-0000000000ab' })
    assert.equal(held.handle(tellReturned, second).requested.length, 1)
  })
})

suite('a recipient who is not known yet', () => {
  const deliver = DeliverNotification({ about: orderId, clientId, notificationId: `${orderId}.order-confirmed` })

  test('what is to be told waits, and goes out when he is', () => {
    for (const [handler, news] of [
      [welcomeClient, ClientRegistered(client)],
      [changeRecipient, ClientChanged(client)],
    ] as const) {
      const held = holding()
      assert.deepEqual(held.handle(tellConfirmed, OrderConfirmed(order)), quiet)
      assert.deepEqual(held.handle(handler, news).said, [deliver])
      assert.equal(mailOf(held.handle(deliverNotification, deliver).requested).to.address, 'ana@example.org')
      assert.deepEqual(held.handle(handler, news).said, [])
    }
  })

  test('waiting twice is waiting once', () => {
    const held = holding()
    held.handle(tellConfirmed, OrderConfirmed(order))
    held.handle(deliverNotification, deliver)
    assert.equal(held.state(recipient.at(clientId)).waiting.length, 1)
  })

  test('the queue of an unknown client ends somewhere, and what is beyond it fails visibly', () => {
    const waiting = Array.from({ length: MAX_WAITING }, (_, at) => ({ notificationId: String(at), about: orderId }))
    const held = holding([starting(recipient.at(clientId), { waiting })])
    const [failed] = held.handle(tellConfirmed, OrderConfirmed(order)).said
    assert.equal(failed?.type, 'NotificationFailed')
    assert.equal(held.state(notification.at(`${orderId}.order-confirmed`)).status, 'failed')
  })
})

suite('answers of the mail server', () => {
  const notificationId = `${orderId}.order-confirmed`
  const named = { about: orderId, notificationId, template: 'order-confirmed', channel: 'email' } as const

  function sending(): [Holding, EffectRequest] {
    const held = known()
    const [request] = held.handle(tellConfirmed, OrderConfirmed(order)).requested
    assert.ok(request !== undefined)
    return [held, request]
  }

  test('a mail that was taken is sent', () => {
    const [held, request] = sending()
    const taken: Answer<unknown> = { outcome: 'answered', result: undefined, attempts: 2 }
    assert.deepEqual(held.answer(takeMailAnswer, request, taken).said, [NotificationSent({ ...named, attempts: 2 })])
    assert.equal(held.state(notification.at(notificationId)).status, 'sent')
  })

  test('a mail that was given up has failed, and says why', () => {
    const [held, request] = sending()
    const gaveUp: Answer<unknown> = { outcome: 'gave-up', reason: 'no answer within 5000 ms', attempts: 3 }
    const failed = NotificationFailed({ ...named, attempts: 3, reason: 'no answer within 5000 ms' })
    assert.deepEqual(held.answer(takeMailAnswer, request, gaveUp).said, [failed])
    assert.equal(held.state(notification.at(notificationId)).status, 'failed')
  })
})

test('no document but the recipient holds anything personal', () => {
  const held = known()
  held.handle(tellConfirmed, OrderConfirmed(order))
  const kept = JSON.stringify(held.state(notification.at(`${orderId}.order-confirmed`)))
  assert.ok(!/Ana|example/.test(kept))
})
