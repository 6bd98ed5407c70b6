// The watchdog counts the time that a handler burns, and no pause of the process.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hand, lookAt } from './hand.ts'
import { HandlerTime } from './handler-time.ts'

const BUSY = { elapsedMs: 1000, processorMs: 1000 }

/** How many looks of this kind it takes. */
function looksUntilHung(time: HandlerTime, look: Parameters<HandlerTime['look']>[0]): number | 'never' {
  for (let count = 1; count <= 1000; count += 1) if (time.look(look)) return count
  return 'never'
}

test('a handler that burns a processor for longer than the limit hangs', () => {
  // At the first look it may have been there for no time at all.
  assert.equal(looksUntilHung(new HandlerTime(5000), { call: 1, ...BUSY }), 6)
})

test('a process that is stopped, or that others keep from the processors, does not hang', () => {
  assert.equal(looksUntilHung(new HandlerTime(5000), { call: 1, elapsedMs: 1000, processorMs: 0 }), 'never')
  const overrun = looksUntilHung(new HandlerTime(5000), { call: 1, elapsedMs: 1000, processorMs: 100 })
  assert.equal(overrun, 51, 'a tenth of a processor takes ten times as long')
  const afterAnHour = new HandlerTime(5000)
  afterAnHour.look({ call: 1, ...BUSY })
  assert.equal(afterAnHour.look({ call: 1, elapsedMs: 3_600_000, processorMs: 40 }), false)
})

test('other threads that burn time beside it do not make it hang earlier', () => {
  assert.equal(looksUntilHung(new HandlerTime(5000), { call: 1, elapsedMs: 1000, processorMs: 4000 }), 6)
})

test('work that goes on, and a process that has nothing in hand, never hang', () => {
  const time = new HandlerTime(5000)
  for (let call = 1; call < 100; call += 1) assert.equal(time.look({ call, ...BUSY }), false)
  assert.equal(looksUntilHung(time, { call: 0, ...BUSY }), 'never')
})

test('what is in hand can be seen from another thread', () => {
  const handler = { service: 'ledger', name: 'keep', loads: () => [], handle: () => [] }
  const hand = new Hand([handler])
  assert.equal(lookAt(hand.memory).call, 0)
  hand.recordsFrom('log')
  hand.record(7, 2 ** 40)
  hand.handler(handler)
  const { call, ...record } = lookAt(hand.memory)
  assert.deepEqual(record, { kind: 'record', handler: 1, place: 7, partitions: 0, at: 2 ** 40, name: '' })
  hand.recordsFrom('memory')
  hand.record(7, 3)
  assert.equal(lookAt(hand.memory).kind, 'fresh')
  assert.notEqual(lookAt(hand.memory).call, call)
  hand.named('retry', { name: 'ledger account Ñandú', at: 4, partitions: 6, partition: 2 })
  const { kind, name, place, partitions, at } = lookAt(hand.memory)
  assert.deepEqual([kind, name, place, partitions, at], ['retry', 'ledger account Ñandú', 2, 6, 4])
  hand.down()
  assert.equal(lookAt(hand.memory).call, 0)
})
