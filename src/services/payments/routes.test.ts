// Payments over HTTP: how an order is paid, also when it was withdrawn before anything was asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calling } from '../../testing/calling.ts'
import { holding, starting } from '../../testing/handle.ts'
import { payment } from './payment.ts'
import { payments } from './service.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const path = `/v1/payments/${orderId}`

test('a payment is shown part by part', async () => {
  const parts = [{ method: 'card', amount: '10', status: 'captured', returned: '2.50' }] as const
  const paid = starting(payment.at(orderId), { status: 'captured', amount: '10', currency: 'EUR', parts })
  const { body } = await calling(payments, { documents: holding([paid]) }).call('GET', path)
  assert.deepEqual(body, {
    orderId,
    status: 'captured',
    amount: '10.00',
    currency: 'EUR',
    declineReason: null,
    parts: [{ method: 'card', amount: '10.00', status: 'captured', returned: '2.50' }],
  })
})

test('a payment that was withdrawn is known, one that nobody asked for is not', async () => {
  const withdrawn = starting(payment.at(orderId), { status: 'withdrawn', currency: 'EUR' })
  const { status } = await calling(payments, { documents: holding([withdrawn]) }).call('GET', path)
  assert.equal(status, 200)
  await assert.rejects(calling(payments).call('GET', path), { code: 'PAYMENT_NOT_FOUND' })
  // The news of a manual payment may come first: there is no payment to show yet.
  const early = starting(payment.at(orderId), { manualReceived: true })
  const asked = calling(payments, { documents: holding([early]) }).call('GET', path)
  await assert.rejects(asked, { code: 'PAYMENT_NOT_FOUND' })
})
