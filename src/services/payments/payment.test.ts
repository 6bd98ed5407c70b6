// The rules of a payment: captured as one, undone at any moment, and nothing claimed that nobody knows.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Answer } from '../../kernel/effect.ts'
import type { EffectRequest } from '../../kernel/handler.ts'
import { TEST_NOW, holding } from '../../testing/handle.ts'
import type { Handled, Holding } from '../../testing/handle.ts'
import { ManualPaymentReceived } from '../orders/contract.ts'
import { capturePayment, takeManualPayment } from './capture-payment.ts'
import type { PaymentPart } from './contract.ts'
import { CapturePayment, PaymentCaptured, PaymentDeclined, PaymentRefunded, RefundPayment } from './contract.ts'
import { takeCaptureAnswer, takeRefundAnswer } from './gateway-answers.ts'
import { captureAtGateway, refundAtGateway } from './gateway.effect.ts'
import { payment } from './payment.ts'
import { refundPayment } from './refund-payment.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const currency = 'EUR'
const reference = 'R-1'

const captured: Answer<unknown> = { outcome: 'answered', result: { outcome: 'captured' }, attempts: 1 }
const refunded: Answer<unknown> = { outcome: 'answered', result: { outcome: 'refunded' }, attempts: 1 }
const gaveUp: Answer<unknown> = { outcome: 'gave-up', reason: 'no answer', attempts: 10 }
const declined: Answer<unknown> = {
  outcome: 'answered',
  result: { outcome: 'declined', reason: 'FRAUD' },
  attempts: 1,
}

const capturing = (part: number, amount: string, method: PaymentPart['method'] = 'card') =>
  captureAtGateway({ orderId, part, method, amount, currency, reference })
const refunding = (part: number, amount: string) => refundAtGateway({ orderId, part, amount, currency, reference })
const wasCaptured = (amount: string) => PaymentCaptured({ orderId, amount, currency })
const wasRefunded = (amount: string) => PaymentRefunded({ orderId, amount, currency })
const wasDeclined = (reason: string) => PaymentDeclined({ orderId, reason })

function ask(held: Holding, parts: PaymentPart[] = [{ method: 'card', amount: '10.00' }], amount = '10.00'): Handled {
  return held.handle(capturePayment, CapturePayment({ orderId, amount, currency, parts, reference }))
}

const undo = (held: Holding) => held.handle(refundPayment, RefundPayment({ orderId, currency }))
const settleByHand = (held: Holding) => held.handle(takeManualPayment, ManualPaymentReceived({ orderId, at: TEST_NOW }))
const statusOf = (held: Holding) => held.state(payment.at(orderId)).status

function answer(held: Holding, request: EffectRequest, given: Answer<unknown>): Handled {
  return held.answer(request.effect === 'captureAtGateway' ? takeCaptureAnswer : takeRefundAnswer, request, given)
}

const SPLIT: PaymentPart[] = [
  { method: 'card', amount: '6.00' },
  { method: 'pix', amount: '4.00' },
]

suite('capturing', () => {
  test('a payment is captured when the gateway says so', () => {
    const held = holding()
    assert.deepEqual(ask(held).requested, [capturing(0, '10.00')])
    assert.deepEqual(answer(held, capturing(0, '10.00'), captured).said, [wasCaptured('10.00')])
    assert.equal(statusOf(held), 'captured')
  })

  test('asked twice, it is requested once, and what is known is said again', () => {
    const held = holding()
    ask(held)
    assert.deepEqual(ask(held), { said: [], requested: [], scheduled: [] })
    answer(held, capturing(0, '10.00'), captured)
    assert.deepEqual(ask(held), { said: [wasCaptured('10.00')], requested: [], scheduled: [] })
  })

  test('a decline says why', () => {
    const held = holding()
    ask(held)
    assert.deepEqual(answer(held, capturing(0, '10.00'), declined).said, [wasDeclined('FRAUD')])
    assert.deepEqual(ask(held).said, [wasDeclined('FRAUD')])
  })

  test('without an answer nothing is claimed', () => {
    const held = holding()
    ask(held)
    assert.deepEqual(answer(held, capturing(0, '10.00'), gaveUp).said, [])
    assert.equal(statusOf(held), 'unknown')
    assert.deepEqual(ask(held).said, [])
  })

  test('nothing to pay needs no gateway', () => {
    const { said, requested } = ask(holding(), [{ method: 'card', amount: '0.00' }], '0.00')
    assert.deepEqual([said, requested], [[wasCaptured('0.00')], []])
  })

  test('parts that do not add up are declined', () => {
    assert.deepEqual(ask(holding(), SPLIT, '11.00').said, [wasDeclined('PARTS_MISMATCH')])
  })
})

suite('several parts', () => {
  test('they are captured one after the other and answered once', () => {
    const held = holding()
    assert.deepEqual(ask(held, SPLIT).requested, [capturing(0, '6.00')])
    const first = answer(held, capturing(0, '6.00'), captured)
    assert.deepEqual([first.said, first.requested], [[], [capturing(1, '4.00', 'pix')]])
    assert.deepEqual(answer(held, capturing(1, '4.00', 'pix'), captured).said, [wasCaptured('10.00')])
  })

  test('when one is declined, the others are given back before it is said', () => {
    const held = holding()
    ask(held, SPLIT)
    answer(held, capturing(0, '6.00'), captured)
    const second = answer(held, capturing(1, '4.00', 'pix'), declined)
    assert.deepEqual([second.said, second.requested], [[], [refunding(0, '6.00')]])
    assert.deepEqual(answer(held, refunding(0, '6.00'), refunded).said, [wasDeclined('FRAUD')])
    assert.deepEqual(undo(held).said, [wasRefunded('0.00')])
  })

  test('an undo between two parts captures no more and gives back what was', () => {
    const held = holding()
    ask(held, SPLIT)
    assert.deepEqual(undo(held).said, [])
    assert.deepEqual(answer(held, capturing(0, '6.00'), captured).requested, [refunding(0, '6.00')])
    // The payment never counted as captured, so it does not count as refunded either.
    assert.deepEqual(answer(held, refunding(0, '6.00'), refunded).said, [wasRefunded('0.00')])
    assert.deepEqual(ask(held).said, [wasDeclined('WITHDRAWN')])
  })

  test('a part without an answer leaves the payment unknown; an undo gives back the others and claims nothing', () => {
    const held = holding()
    ask(held, SPLIT)
    answer(held, capturing(0, '6.00'), captured)
    answer(held, capturing(1, '4.00', 'pix'), gaveUp)
    assert.deepEqual(undo(held).requested, [refunding(0, '6.00')])
    assert.deepEqual(answer(held, refunding(0, '6.00'), refunded).said, [])
    assert.equal(statusOf(held), 'unknown')
  })
})

suite('paying by hand', () => {
  const manual: PaymentPart[] = [{ method: 'manual', amount: '10.00' }]

  test('the payment waits for a person', () => {
    const held = holding()
    assert.deepEqual(ask(held, manual), { said: [], requested: [], scheduled: [] })
    assert.equal(statusOf(held), 'awaiting-manual')
    assert.deepEqual(settleByHand(held).said, [wasCaptured('10.00')])
  })

  test('the news may come before the payment is asked for', () => {
    const held = holding()
    assert.deepEqual(settleByHand(held).said, [])
    assert.deepEqual(ask(held, manual).said, [wasCaptured('10.00')])
  })

  test('the news may come while another part is on its way', () => {
    const held = holding()
    ask(held, [
      { method: 'card', amount: '6.00' },
      { method: 'manual', amount: '4.00' },
    ])
    assert.deepEqual(settleByHand(held).said, [])
    assert.deepEqual(answer(held, capturing(0, '6.00'), captured).said, [wasCaptured('10.00')])
  })

  test('an undo does not wait for a person, and what he settled is given back by hand', () => {
    const waiting = holding()
    ask(waiting, manual)
    assert.deepEqual(undo(waiting).said, [wasRefunded('0.00')])
    assert.deepEqual(settleByHand(waiting).said, [])
    const settled = holding()
    ask(settled, manual)
    settleByHand(settled)
    const { said, requested } = undo(settled)
    assert.deepEqual([said, requested], [[wasRefunded('10.00')], []])
  })
})

suite('undoing', () => {
  test('an undo that comes first leaves a tombstone, and the capture is declined', () => {
    const held = holding()
    assert.deepEqual(undo(held).said, [wasRefunded('0.00')])
    const late = ask(held)
    assert.deepEqual([late.said, late.requested], [[wasDeclined('WITHDRAWN')], []])
  })

  test('while a capture is in flight the undo waits for its outcome, then reverses it', () => {
    const held = holding()
    ask(held)
    assert.deepEqual(undo(held), { said: [], requested: [], scheduled: [] })
    const late = answer(held, capturing(0, '10.00'), captured)
    assert.deepEqual([late.said, late.requested], [[wasCaptured('10.00')], [refunding(0, '10.00')]])
    assert.deepEqual(answer(held, refunding(0, '10.00'), refunded).said, [wasRefunded('10.00')])
  })

  test('a capture in flight that is declined leaves nothing to give back', () => {
    const held = holding()
    ask(held)
    undo(held)
    const { said } = answer(held, capturing(0, '10.00'), declined)
    assert.deepEqual(said, [wasDeclined('FRAUD'), wasRefunded('0.00')])
  })

  test('a captured payment is given back, once', () => {
    const held = holding()
    ask(held)
    answer(held, capturing(0, '10.00'), captured)
    assert.deepEqual(undo(held).requested, [refunding(0, '10.00')])
    assert.deepEqual(undo(held), { said: [], requested: [], scheduled: [] })
    assert.deepEqual(answer(held, refunding(0, '10.00'), refunded).said, [wasRefunded('10.00')])
    assert.deepEqual(undo(held).said, [wasRefunded('0.00')])
  })

  test('a refund that the gateway refuses or never answers is no refund', () => {
    const refused: Answer<unknown> = { outcome: 'answered', result: { outcome: 'refused', reason: 'X' }, attempts: 1 }
    for (const outcome of [refused, gaveUp]) {
      const held = holding()
      ask(held)
      answer(held, capturing(0, '10.00'), captured)
      undo(held)
      assert.deepEqual(answer(held, refunding(0, '10.00'), outcome).said, [])
      assert.equal(statusOf(held), 'unknown')
      assert.deepEqual(undo(held).said, [])
    }
  })
})
