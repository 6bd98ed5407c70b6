// The simulated carrier: each rule of its references, and that a key is worked on once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BookingRequest } from './carrier.ts'
import { simulatedCarrier } from './simulator.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const trackingNumber = 'SIM-019A0000000070008000000000000001'

const due: (() => void)[] = []
const clock = {
  after: (_delayMs: number, call: () => void) => {
    due.push(call)
    return () => {}
  },
}

const booking = (reference: string): BookingRequest => ({ orderId, pieces: 1, reference })
const call = (idempotencyKey = 'key', signal = new AbortController().signal) => ({ idempotencyKey, signal })
const outcomeOf = async (reference: string) =>
  (await simulatedCarrier({ clock }).book(booking(reference), call())).outcome

test('it books, and a repeated key gets the same answer', async () => {
  const carrier = simulatedCarrier({ clock })
  const booked = { outcome: 'booked', carrier: 'simulated', trackingNumber }
  assert.deepEqual(await carrier.book(booking('R'), call()), booked)
  assert.deepEqual(await carrier.book(booking('R'), call()), booked)
  assert.equal(carrier.worked().bookings, 1)
})

test('it refuses with the reason in the reference', async () => {
  const carrier = simulatedCarrier({ clock })
  const refused = await carrier.book(booking('A-REFUSE-SHIPMENT'), call('a'))
  assert.deepEqual(refused, { outcome: 'refused', reason: 'NOT_SERVED' })
  const told = await carrier.book(booking('REFUSE-SHIPMENT-TOO_HEAVY-7'), call('b'))
  assert.deepEqual(told, { outcome: 'refused', reason: 'TOO_HEAVY' })
})

test('it refuses one in so many', async () => {
  const carrier = simulatedCarrier({ clock, refuseOneIn: 4 })
  let refused = 0
  for (let at = 0; at < 1000; at += 1) {
    const { outcome } = await carrier.book(booking(`R-${at}`), call(`R-${at}`))
    if (outcome === 'refused') refused += 1
  }
  assert.ok(refused > 200 && refused < 300, `${refused} of 1000`)
})

test('a lost answer booked; asked, it says so', async () => {
  const carrier = simulatedCarrier({ clock })
  await assert.rejects(carrier.book(booking('LOSE-BOOKING'), call()))
  assert.equal((await carrier.findBooking(booking('LOSE-BOOKING'), call()))?.outcome, 'booked')
})

test('a slow booking goes on when nobody waits; the words for payments do not slow it', async () => {
  assert.equal(await outcomeOf('SLOW-9000'), 'booked')
  assert.equal(due.length, 0)
  const carrier = simulatedCarrier({ clock })
  const controller = new AbortController()
  const waiting = carrier.book(booking('SLOW-SHIPMENT-9000'), call('key', controller.signal))
  controller.abort()
  await assert.rejects(waiting)
  for (const finish of due.splice(0)) finish()
  assert.equal((await carrier.findBooking(booking('SLOW-SHIPMENT-9000'), call()))?.outcome, 'booked')
})

test('it cancels, unless the goods are on their way', async () => {
  const carrier = simulatedCarrier({ clock })
  const request = { orderId, trackingNumber, reference: 'R' }
  assert.deepEqual(await carrier.cancel(request, call('a')), { outcome: 'cancelled' })
  const late = await carrier.cancel({ ...request, reference: 'REFUSE-CANCELLATION' }, call('b'))
  assert.deepEqual(late, { outcome: 'refused', reason: 'COLLECTED' })
  assert.deepEqual(await carrier.findCancellation(request, call('a')), { outcome: 'cancelled' })
})

test('a carrier that is down answers nothing', async () => {
  const carrier = simulatedCarrier({ clock })
  await assert.rejects(carrier.book(booking('CARRIER-DOWN'), call()))
  await assert.rejects(carrier.findBooking(booking('CARRIER-DOWN'), call()))
})
