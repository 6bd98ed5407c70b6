// Whatever comes in whatever order, with whatever answers: no money goes back that was not taken, and undo is final.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Answer } from '../../kernel/effect.ts'
import type { EffectRequest } from '../../kernel/handler.ts'
import { sumMinor, toMinor } from '../../kernel/money.ts'
import { TEST_NOW, holding } from '../../testing/handle.ts'
import type { Handled } from '../../testing/handle.ts'
import { ManualPaymentReceived } from '../orders/contract.ts'
import type { CaptureRequest, RefundRequest } from './adapters/gateway.ts'
import { capturePayment, takeManualPayment } from './capture-payment.ts'
import type { PaymentPart } from './contract.ts'
import { CapturePayment, RefundPayment, RefundReturn } from './contract.ts'
import { takeCaptureAnswer, takeRefundAnswer } from './gateway-answers.ts'
import { refundPayment } from './refund-payment.ts'
import { refundReturn } from './refund-return.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const currency = 'EUR'

const returnOf = (at: number): string => `019a0000-0000-7000-8000-00000000000${at}`

interface Step {
  readonly what: 'capture' | 'undo' | 'return' | 'manual' | 'answer'
  readonly pick: number
  readonly outcome: 'yes' | 'no' | 'gave-up-done' | 'gave-up'
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('capture', 'undo', 'return', 'manual', 'answer', 'answer', 'answer'),
  pick: fc.nat(4),
  outcome: fc.constantFrom('yes', 'yes', 'yes', 'no', 'gave-up-done', 'gave-up'),
})

const parts: fc.Arbitrary<PaymentPart[]> = fc.array(
  fc.record({
    method: fc.constantFrom('card' as const, 'card' as const, 'manual' as const),
    amount: fc.constantFrom('0.00', '1.00', '3.50'),
  }),
  { minLength: 1, maxLength: 3 },
)

/** A payment beside a gateway that does what each step says, also when its answer is lost. */
class Bench {
  readonly held = holding()
  readonly parts: PaymentPart[]
  readonly said: string[] = []
  open: EffectRequest[] = []
  /** What the gateway really did, in minor units. */
  captured = 0n
  refunded = 0n
  readonly requested = new Set<string>()

  constructor(parts: PaymentPart[]) {
    this.parts = parts
  }

  run({ what, pick, outcome }: Step): void {
    const amount = (Number(sumMinor(this.parts.map((part) => toMinor(part.amount, currency)))) / 100).toFixed(2)
    if (what === 'answer') this.#answer(pick, outcome)
    if (what === 'undo') this.#take(this.held.handle(refundPayment, RefundPayment({ orderId, currency })))
    if (what === 'manual')
      this.#take(this.held.handle(takeManualPayment, ManualPaymentReceived({ orderId, at: TEST_NOW })))
    if (what === 'return') {
      const asked = RefundReturn({ orderId, returnId: returnOf(pick), amount: `${pick}.25`, currency })
      this.#take(this.held.handle(refundReturn, asked))
    }
    if (what === 'capture') {
      const asked = CapturePayment({ orderId, amount, currency, parts: this.parts, reference: 'R' })
      this.#take(this.held.handle(capturePayment, asked))
    }
  }

  /** Lets the gateway answer until nothing is open. */
  drain(outcome: Step['outcome']): void {
    while (this.open.length > 0) this.#answer(0, outcome)
  }

  #answer(pick: number, outcome: Step['outcome']): void {
    const request = this.open[pick % Math.max(1, this.open.length)]
    if (request === undefined) return
    this.open = this.open.filter((one) => one !== request)
    const isCapture = request.effect === 'captureAtGateway'
    const { amount } = request.request as CaptureRequest | RefundRequest
    const isDone = outcome === 'yes' || outcome === 'gave-up-done'
    if (isDone && isCapture) this.captured += toMinor(amount, currency)
    if (isDone && !isCapture) this.refunded += toMinor(amount, currency)
    const given = answerOf(isCapture, outcome)
    this.#take(this.held.answer(isCapture ? takeCaptureAnswer : takeRefundAnswer, request, given))
  }

  #take({ said, requested }: Handled): void {
    this.said.push(...said.map(({ type }) => type))
    for (const request of requested) {
      const { part, returnId = '' } = request.request as RefundRequest
      const name = `${request.effect} ${returnId} ${part}`
      // The runtime's row of a request is named by it, so the same one twice would never be written.
      assert.ok(!this.requested.has(name), `${name} was requested twice`)
      this.requested.add(name)
    }
    this.open.push(...requested)
  }
}

function answerOf(isCapture: boolean, outcome: Step['outcome']): Answer<unknown> {
  if (outcome === 'gave-up' || outcome === 'gave-up-done') return { outcome: 'gave-up', reason: 'lost', attempts: 9 }
  const yes = { outcome: isCapture ? 'captured' : 'refunded' }
  const no = { outcome: isCapture ? 'declined' : 'refused', reason: 'NO' }
  return { outcome: 'answered', result: outcome === 'yes' ? yes : no, attempts: 1 }
}

test('captured - refunded is never negative, and nothing is requested twice', () => {
  fc.assert(
    fc.property(parts, fc.array(step, { maxLength: 40 }), (parts, steps) => {
      const bench = new Bench(parts)
      for (const step of steps) {
        bench.run(step)
        assert.ok(bench.refunded <= bench.captured, 'more was given back than was taken')
      }
    }),
    { numRuns: 1000 },
  )
})

test('after PaymentRefunded the gateway holds nothing and is asked for nothing, whatever comes later', () => {
  fc.assert(
    fc.property(parts, fc.array(step, { maxLength: 40 }), (parts, steps) => {
      const bench = new Bench(parts)
      let isOver = false
      for (const step of steps) {
        const before = bench.captured
        bench.run(step)
        if (isOver) assert.equal(bench.captured, before, 'captured after PaymentRefunded')
        isOver ||= bench.said.includes('PaymentRefunded')
        if (!isOver) continue
        assert.equal(bench.captured - bench.refunded, 0n, 'money stayed at the gateway')
        assert.deepEqual(bench.open, [])
      }
    }),
    { numRuns: 1000 },
  )
})

test('with a gateway that answers, every undo is answered in the end', () => {
  const answering = step.map((step): Step => (step.outcome === 'no' ? step : { ...step, outcome: 'yes' }))
  fc.assert(
    fc.property(parts, fc.array(answering, { maxLength: 30 }), (parts, steps) => {
      const bench = new Bench(parts)
      for (const step of steps) bench.run(isRefundRefused(bench, step) ? { ...step, outcome: 'yes' } : step)
      bench.run({ what: 'undo', pick: 0, outcome: 'yes' })
      bench.drain('yes')
      assert.ok(bench.said.includes('PaymentRefunded'))
      assert.equal(bench.captured - bench.refunded, 0n)
    }),
    { numRuns: 1000 },
  )
})

/** A refund that is refused leaves money at the gateway, which is a person's case. */
function isRefundRefused({ open }: Bench, { what, pick, outcome }: Step): boolean {
  return what === 'answer' && outcome === 'no' && open[pick % Math.max(1, open.length)]?.effect === 'refundAtGateway'
}
