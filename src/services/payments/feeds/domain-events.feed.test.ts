// Payments' part of the feed `domain-events`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy } from '../../../testing/feeding.ts'
import { PaymentCaptured, PaymentDeclined, PaymentRefunded, ReturnRefunded } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const payment = { orderId: '12345', amount: '1059.97', currency: 'EUR' }
const data = '{"orderId":"12345","amount":1059.97,"currency":"EUR"}'

test('money that was taken, refused and given back', () => {
  assert.deepEqual(fedBy(domainEvents, PaymentCaptured(payment)), {
    'payment-events': `{"eventType":"payment.captured","data":${data}}`,
  })
  assert.deepEqual(fedBy(domainEvents, PaymentDeclined({ orderId: '12345', reason: 'card_declined' })), {
    'payment-events': '{"eventType":"payment.declined","data":{"orderId":"12345","reason":"card_declined"}}',
  })
  const refunded = { 'payment-events': `{"eventType":"payment.refunded","data":${data}}` }
  assert.deepEqual(fedBy(domainEvents, PaymentRefunded(payment)), refunded)
  assert.deepEqual(fedBy(domainEvents, ReturnRefunded({ ...payment, returnId: 'r-1' })), refunded)
  assert.deepEqual(fedBy(domainEvents, PaymentRefunded({ ...payment, amount: '0.00' })), {})
})
