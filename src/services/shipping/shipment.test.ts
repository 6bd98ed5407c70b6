// The rules of a shipment: booked once, undone at any moment, tracked while it is booked.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Answer } from '../../kernel/effect.ts'
import { Refusal } from '../../kernel/refuse.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import { takeBookingAnswer, takeCancellationAnswer } from './carrier-answers.ts'
import { bookWithCarrier, cancelWithCarrier } from './carrier.effect.ts'
import {
  BookShipment,
  CancelShipment,
  RecordTrackingStep,
  ShipmentBooked,
  ShipmentCancelled,
  ShipmentRefused,
  TrackingStepRecorded,
} from './contract.ts'
import { bookShipment, cancelShipment, shipment } from './shipment.ts'
import type { Shipment } from './shipment.ts'
import { MAX_TRACKING_STEPS, recordTrackingStep } from './tracking.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const trackingNumber = 'T-1'
const reference = 'R-1'
const quiet = { said: [], requested: [], scheduled: [] }

const asked = BookShipment({ orderId, pieces: 3, reference })
const booking = bookWithCarrier({ orderId, pieces: 3, reference })
const cancelling = cancelWithCarrier({ orderId, trackingNumber, reference })

const answered = (result: unknown): Answer<unknown> => ({ outcome: 'answered', result, attempts: 1 })
const wasBooked = answered({ outcome: 'booked', carrier: 'C', trackingNumber })
const wasRefused = answered({ outcome: 'refused', reason: 'NOT_SERVED' })
const wasCancelled = answered({ outcome: 'cancelled' })
const gaveUp: Answer<unknown> = { outcome: 'gave-up', reason: 'no answer', attempts: 10 }

const booked = ShipmentBooked({ orderId, carrier: 'C', trackingNumber })
const refused = (reason: string) => ShipmentRefused({ orderId, reason })
const cancelled = ShipmentCancelled({ orderId })

const book = (held: Holding) => held.handle(bookShipment, asked)
const undo = (held: Holding) => held.handle(cancelShipment, CancelShipment({ orderId }))
const statusOf = (held: Holding) => held.state(shipment.at(orderId)).status

function started(): Holding {
  const held = holding()
  book(held)
  return held
}

const withStatus = (change: Partial<Shipment>): Holding =>
  holding([starting(shipment.at(orderId), { trackingNumber, reference, carrier: 'C', ...change })])

suite('booking', () => {
  test('a shipment is booked when the carrier says so', () => {
    const held = holding()
    assert.deepEqual(book(held).requested, [booking])
    assert.deepEqual(held.answer(takeBookingAnswer, booking, wasBooked).said, [booked])
  })

  test('asked twice, it is requested once, and what is known is said again', () => {
    const held = started()
    assert.deepEqual(book(held), quiet)
    held.answer(takeBookingAnswer, booking, wasBooked)
    assert.deepEqual(book(held), { ...quiet, said: [booked] })
  })

  test("the carrier's refusal says why", () => {
    const held = started()
    assert.deepEqual(held.answer(takeBookingAnswer, booking, wasRefused).said, [refused('NOT_SERVED')])
    assert.deepEqual(book(held).said, [refused('NOT_SERVED')])
  })

  test('without an answer nothing is claimed', () => {
    const held = started()
    assert.deepEqual(held.answer(takeBookingAnswer, booking, gaveUp), quiet)
    assert.equal(statusOf(held), 'unknown')
    assert.deepEqual(undo(held), quiet)
  })

  test('the address goes to the carrier and into no document', () => {
    const address = { line1: '1 Quay', city: 'Vigo', country: 'ES' }
    const held = holding()
    const { requested } = held.handle(bookShipment, BookShipment({ orderId, pieces: 1, reference, address }))
    assert.deepEqual(requested, [bookWithCarrier({ orderId, pieces: 1, reference, address })])
    assert.ok(!JSON.stringify(held.state(shipment.at(orderId))).includes('Vigo'))
  })
})

suite('undoing', () => {
  test('an undo that comes first leaves a tombstone, and the booking is refused', () => {
    const held = holding()
    assert.deepEqual(undo(held).said, [cancelled])
    assert.deepEqual(book(held), { ...quiet, said: [refused('WITHDRAWN')] })
  })

  test('while the booking is on its way the undo waits for its outcome, then reverses it', () => {
    const held = started()
    assert.deepEqual(undo(held), quiet)
    const late = held.answer(takeBookingAnswer, booking, wasBooked)
    assert.deepEqual([late.said, late.requested], [[booked], [cancelling]])
    assert.deepEqual(held.answer(takeCancellationAnswer, cancelling, wasCancelled).said, [cancelled])
  })

  test('a booking that is refused meanwhile leaves nothing to cancel', () => {
    const held = started()
    undo(held)
    assert.deepEqual(held.answer(takeBookingAnswer, booking, wasRefused).said, [refused('NOT_SERVED'), cancelled])
  })

  test('a booked shipment is cancelled, once', () => {
    const held = withStatus({ status: 'booked' })
    assert.deepEqual(undo(held).requested, [cancelling])
    assert.deepEqual(undo(held), quiet)
    assert.deepEqual(held.answer(takeCancellationAnswer, cancelling, wasCancelled).said, [cancelled])
    assert.deepEqual(undo(held), { ...quiet, said: [cancelled] })
    assert.deepEqual(book(held), { ...quiet, said: [refused('WITHDRAWN')] })
  })

  test('a refused shipment has nothing to cancel', () => {
    assert.deepEqual(undo(withStatus({ status: 'refused' })), { ...quiet, said: [cancelled] })
  })

  test('a cancellation that is refused or never answered is no cancellation', () => {
    for (const outcome of [answered({ outcome: 'refused', reason: 'COLLECTED' }), gaveUp]) {
      const held = withStatus({ status: 'cancelling' })
      assert.deepEqual(held.answer(takeCancellationAnswer, cancelling, outcome), quiet)
      assert.equal(statusOf(held), 'unknown')
    }
  })
})

suite('tracking', () => {
  const collected = RecordTrackingStep({ orderId, step: 'COLLECTED', note: 'gate 4' })
  const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

  test('a step of a booked shipment is kept with its time', () => {
    const held = withStatus({ status: 'booked' })
    const { said } = held.handle(recordTrackingStep, collected)
    assert.deepEqual(said, [TrackingStepRecorded({ orderId, step: 'COLLECTED', note: 'gate 4' })])
    const { steps } = held.state(shipment.at(orderId))
    assert.deepEqual(steps, [{ step: 'COLLECTED', note: 'gate 4', at: TEST_NOW }])
  })

  test('what is not booked has no tracking', () => {
    assert.throws(() => holding().handle(recordTrackingStep, collected), refuses('SHIPMENT_NOT_FOUND'))
    const cancelling = withStatus({ status: 'cancelling' })
    assert.throws(() => cancelling.handle(recordTrackingStep, collected), refuses('SHIPMENT_NOT_BOOKED'))
  })

  test('the list of steps ends somewhere', () => {
    const steps = Array.from({ length: MAX_TRACKING_STEPS }, () => ({ step: 'IN_TRANSIT', note: '', at: TEST_NOW }))
    const held = withStatus({ status: 'booked', steps })
    assert.throws(() => held.handle(recordTrackingStep, collected), refuses('SHIPMENT_STEPS_FULL'))
  })
})
