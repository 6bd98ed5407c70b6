// The rules of partial refunds: once per return, never above what is left, and known before it is claimed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '../../kernel/effect.ts'
import { holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import type { RefundRequest } from './adapters/gateway.ts'
import { PaymentRefunded, RefundPayment, RefundReturn, ReturnRefundRefused, ReturnRefunded } from './contract.ts'
import { takeRefundAnswer } from './gateway-answers.ts'
import { refundAtGateway } from './gateway.effect.ts'
import type { Part } from './payment.ts'
import { payment } from './payment.ts'
import { refundPayment } from './refund-payment.ts'
import { refundReturn, returnRefundAt } from './refund-return.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const returnId = '019a0000-0000-7000-8000-0000000000aa'
const other = '019a0000-0000-7000-8000-0000000000bb'
const currency = 'EUR'
const reference = 'R-1'

const refunded: Answer<unknown> = { outcome: 'answered', result: { outcome: 'refunded' }, attempts: 1 }
const refused: Answer<unknown> = { outcome: 'answered', result: { outcome: 'refused', reason: 'CLOSED' }, attempts: 1 }
const gaveUp: Answer<unknown> = { outcome: 'gave-up', reason: 'no answer', attempts: 10 }

const part = (amount: string, method: Part['method'] = 'card'): Part => {
  return { method, amount, status: 'captured', returned: '0' }
}

function paid(...parts: Part[]): Holding {
  const amount = parts.length === 1 ? (parts[0]?.amount ?? '0') : '10.00'
  return holding([
    starting(payment.at(orderId), { status: 'captured', captured: true, amount, currency, reference, parts }),
  ])
}

const ask = (held: Holding, amount: string, id = returnId) =>
  held.handle(refundReturn, RefundReturn({ orderId, returnId: id, amount, currency }))

const slice = (at: number, amount: string, id = returnId) => {
  const request: RefundRequest = { orderId, returnId: id, part: at, amount, currency, reference }
  return refundAtGateway(request)
}

const done = (amount: string, id = returnId) => ReturnRefunded({ orderId, returnId: id, amount, currency })
const refusal = (reason: string) => ReturnRefundRefused({ orderId, returnId, reason })

test('a return is refunded once', () => {
  const held = paid(part('10.00'))
  assert.deepEqual(ask(held, '4.00').requested, [slice(0, '4.00')])
  assert.deepEqual(ask(held, '4.00'), { said: [], requested: [], scheduled: [] })
  assert.deepEqual(held.answer(takeRefundAnswer, slice(0, '4.00'), refunded).said, [done('4.00')])
  assert.deepEqual(ask(held, '4.00').said, [done('4.00')])
  assert.equal(held.state(payment.at(orderId)).parts[0]?.returned, '4.00')
})

test('never more than is left of the capture, counting what is on its way', () => {
  const held = paid(part('10.00'))
  ask(held, '7.00', other)
  assert.deepEqual(ask(held, '3.01').said, [refusal('ABOVE_CAPTURE')])
  assert.deepEqual(ask(held, '3.00').said, [refusal('ABOVE_CAPTURE')], 'a refused return stays refused')
})

test('what was not captured, or is in another currency, is not refunded', () => {
  assert.deepEqual(ask(holding(), '1.00').said, [refusal('NOT_CAPTURED')])
  const held = paid(part('10.00'))
  const inDollars = RefundReturn({ orderId, returnId, amount: '1.00', currency: 'USD' })
  assert.deepEqual(held.handle(refundReturn, inDollars).said, [refusal('CURRENCY_MIXED')])
})

test('a refund may take from several parts, and is answered when all of it is back', () => {
  const held = paid(part('6.00'), part('4.00', 'pix'))
  assert.deepEqual(ask(held, '8.00').requested, [slice(0, '6.00'), slice(1, '2.00')])
  assert.deepEqual(held.answer(takeRefundAnswer, slice(1, '2.00'), refunded).said, [])
  assert.deepEqual(held.answer(takeRefundAnswer, slice(0, '6.00'), refunded).said, [done('8.00')])
})

test('what was paid by hand a person gives back by hand', () => {
  const { said, requested } = ask(paid(part('10.00', 'manual')), '4.00')
  assert.deepEqual([said, requested], [[done('4.00')], []])
})

test('nothing to give back needs no gateway', () => {
  assert.deepEqual(ask(paid(part('10.00')), '0.00').said, [done('0.00')])
})

test('a refusal of the gateway leaves the money there for another return', () => {
  const held = paid(part('10.00'))
  ask(held, '4.00')
  assert.deepEqual(held.answer(takeRefundAnswer, slice(0, '4.00'), refused).said, [refusal('CLOSED')])
  assert.deepEqual(ask(held, '10.00', other).requested, [slice(0, '10.00', other)])
})

test('without an answer, or given back in part only, nothing is claimed and the money counts as gone', () => {
  const unanswered = paid(part('10.00'))
  ask(unanswered, '4.00')
  assert.deepEqual(unanswered.answer(takeRefundAnswer, slice(0, '4.00'), gaveUp).said, [])
  const torn = paid(part('6.00'), part('4.00'))
  ask(torn, '8.00')
  torn.answer(takeRefundAnswer, slice(0, '6.00'), refunded)
  assert.deepEqual(torn.answer(takeRefundAnswer, slice(1, '2.00'), refused).said, [])
  for (const held of [unanswered, torn]) {
    assert.equal(held.state(returnRefundAt({ orderId, returnId })).status, 'unknown')
    assert.equal(ask(held, '6.01', other).said[0]?.type, 'ReturnRefundRefused')
  }
})

test('the refund of the whole waits for the return on its way and gives back the rest', () => {
  const held = paid(part('10.00'))
  ask(held, '4.00')
  const undo = RefundPayment({ orderId, currency })
  assert.deepEqual(held.handle(refundPayment, undo), { said: [], requested: [], scheduled: [] })
  const landed = held.answer(takeRefundAnswer, slice(0, '4.00'), refunded)
  const rest = refundAtGateway({ orderId, part: 0, amount: '6.00', currency, reference })
  assert.deepEqual([landed.said, landed.requested], [[done('4.00')], [rest]])
  const { said } = held.answer(takeRefundAnswer, rest, refunded)
  assert.deepEqual(said, [PaymentRefunded({ orderId, amount: '6.00', currency })])
  assert.deepEqual(ask(held, '1.00', other).said[0]?.type, 'ReturnRefundRefused')
})
