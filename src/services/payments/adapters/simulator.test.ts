// The simulated gateway: each rule of its references, and that a key is worked on once.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isOneIn } from '../../../kernel/simulated.ts'
import type { CaptureRequest, RefundRequest } from './gateway.ts'
import { simulatedGateway } from './simulator.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'

function capture(reference: string, part = 0): CaptureRequest {
  return { orderId, part, method: 'card', amount: '10.00', currency: 'EUR', reference }
}

function refund(amount: string, reference = 'R'): RefundRequest {
  return { orderId, part: 0, amount, currency: 'EUR', reference }
}

const call = (idempotencyKey = 'key', signal = new AbortController().signal) => ({ idempotencyKey, signal })

/** A clock whose calls run when the test says so. */
function handClock() {
  const due: { readonly delayMs: number; readonly call: () => void }[] = []
  return {
    due,
    after: (delayMs: number, call: () => void) => {
      const entry = { delayMs, call }
      due.push(entry)
      return () => void due.splice(due.indexOf(entry), 1)
    },
    run: () => {
      for (const { call } of due.splice(0)) call()
    },
  }
}

const gateway = (settings = {}) => simulatedGateway({ clock: handClock(), ...settings })

suite('capturing', () => {
  test('it approves, and a repeated key gets the same answer without charging twice', async () => {
    const approving = gateway()
    assert.deepEqual(await approving.capture(capture('R'), call()), { outcome: 'captured' })
    assert.deepEqual(await approving.capture(capture('R'), call()), { outcome: 'captured' })
    assert.deepEqual([approving.worked().captures, approving.balanceOf(orderId)], [1, 1000n])
  })

  test('it declines with the reason in the reference', async () => {
    const answer = await gateway().capture(capture('A-DECLINE-FRAUD-7'), call())
    assert.deepEqual(answer, { outcome: 'declined', reason: 'FRAUD' })
  })

  test('it declines one part of a split payment', async () => {
    const declining = gateway()
    assert.equal((await declining.capture(capture('DECLINE2-LIMIT', 0), call('a'))).outcome, 'captured')
    assert.equal((await declining.capture(capture('DECLINE2-LIMIT', 1), call('b'))).outcome, 'declined')
  })

  test('a lost answer took the money, once; asked, it says so', async () => {
    const losing = gateway()
    await assert.rejects(losing.capture(capture('LOSE-ANSWER'), call()))
    assert.equal(losing.balanceOf(orderId), 1000n)
    assert.deepEqual(await losing.findCapture(capture('LOSE-ANSWER'), call()), { outcome: 'captured' })
    assert.deepEqual(await losing.capture(capture('LOSE-ANSWER'), call()), { outcome: 'captured' })
    assert.equal(losing.worked().captures, 1)
  })

  test('what never arrived is unknown', async () => {
    assert.equal(await gateway().findCapture(capture('R'), call()), undefined)
  })

  test('a slow capture goes on when nobody waits for it any more', async () => {
    const clock = handClock()
    const slow = simulatedGateway({ clock })
    const controller = new AbortController()
    const waiting = slow.capture(capture('SLOW-9000'), call('key', controller.signal))
    controller.abort()
    await assert.rejects(waiting)
    await assert.rejects(slow.findCapture(capture('SLOW-9000'), call()), /still being worked on/)
    assert.equal(clock.due[0]?.delayMs, 9000)
    clock.run()
    assert.deepEqual(await slow.findCapture(capture('SLOW-9000'), call()), { outcome: 'captured' })
  })

  test('a caller who waits gets the slow answer', async () => {
    const clock = handClock()
    const waiting = simulatedGateway({ clock }).capture(capture('SLOW-5'), call())
    clock.run()
    assert.deepEqual(await waiting, { outcome: 'captured' })
  })

  test('a time-out takes nothing, and is known late', async () => {
    const clock = handClock()
    const late = simulatedGateway({ clock })
    const controller = new AbortController()
    const waiting = late.capture(capture('TIMEOUT'), call('key', controller.signal))
    controller.abort()
    await assert.rejects(waiting)
    clock.run()
    const found = await late.findCapture(capture('TIMEOUT'), call())
    assert.deepEqual(found, { outcome: 'declined', reason: 'TIMEOUT' })
    assert.equal(late.balanceOf(orderId), 0n)
  })

  test('a gateway that is down answers nothing', async () => {
    await assert.rejects(gateway().capture(capture('GATEWAY-DOWN'), call()))
    await assert.rejects(gateway().findCapture(capture('GATEWAY-DOWN'), call()))
  })

  test('stopped, it leaves no timer and keeps nobody waiting', async () => {
    const clock = handClock()
    const slow = simulatedGateway({ clock })
    const waiting = slow.capture(capture('SLOW-9000'), call())
    slow.stop()
    await assert.rejects(waiting)
    assert.deepEqual(clock.due, [])
  })

  test('it keeps a limited number of orders', async () => {
    const small = gateway({ ordersRemembered: 2 })
    for (const id of ['a', 'b', 'c']) await small.capture({ ...capture('R'), orderId: id }, call(id))
    assert.deepEqual(
      small.ledger().map(({ orderId }) => orderId),
      ['b', 'c'],
    )
    assert.equal(await small.findCapture(capture('R'), call('a')), undefined)
  })
})

suite('refunding', () => {
  test('never more than was captured', async () => {
    const giving = gateway()
    await giving.capture(capture('R'), call('c'))
    assert.equal((await giving.refund(refund('7.00'), call('r1'))).outcome, 'refunded')
    assert.equal((await giving.refund(refund('7.00'), call('r1'))).outcome, 'refunded')
    assert.deepEqual(await giving.refund(refund('3.01'), call('r2')), { outcome: 'refused', reason: 'ABOVE_CAPTURE' })
    assert.deepEqual([giving.balanceOf(orderId), giving.worked().refunds], [300n, 2])
  })

  test('it refuses and loses answers where the reference says so', async () => {
    const giving = gateway()
    assert.equal((await giving.refund(refund('1.00', 'REFUSE-REFUND'), call('a'))).outcome, 'refused')
    await assert.rejects(giving.refund(refund('1.00', 'LOSE-REFUND'), call('b')))
    assert.deepEqual(await giving.findRefund(refund('1.00', 'LOSE-REFUND'), call('b')), { outcome: 'refunded' })
  })
})

suite('one in so many', () => {
  const invoices = Array.from({ length: 10_000 }, (_, at) => String(536_365 + at))

  test('invoice numbers in a row are chosen evenly, and always the same ones', async () => {
    const declining = gateway({ declineOneIn: 50 })
    let declined = 0
    for (const reference of invoices) {
      const { outcome } = await declining.capture(capture(reference), call(reference))
      if (outcome === 'declined') declined += 1
      assert.equal(outcome === 'declined', isOneIn(50, 'decline', `${reference} 0`))
    }
    assert.ok(declined > 150 && declined < 250, `${declined} of 10,000 were declined`)
  })

  test('orders without a reference are chosen by their id', async () => {
    const declining = gateway({ declineOneIn: 2 })
    const outcomes = new Set<string>()
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      outcomes.add((await declining.capture({ ...capture(''), orderId: id }, call(id))).outcome)
    }
    assert.equal(outcomes.size, 2)
  })

  test('zero chooses nobody', () => {
    assert.ok(!invoices.some((reference) => isOneIn(0, 'decline', reference)))
  })
})
