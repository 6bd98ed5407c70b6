// Clocks compared: what is told of one that is off, and what a slow answer hides.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockTexts, skewOf, spanOf } from './clocks.ts'

test('an answer was given while we waited for it: within that nothing is known', () => {
  const asked = { from: 1000, to: 1400 }
  assert.equal(skewOf(1200, asked), 0)
  assert.equal(skewOf(1400, asked), 0)
  assert.equal(skewOf(2400, asked), 1000)
  assert.equal(skewOf(400, asked), -600)
})

test('more than is tolerated is a sentence, either way', () => {
  const clock = { whose: 'the database of orders', toleratedMs: 1000, effect: 'limits may fire too early' }
  assert.deepEqual(
    clockTexts([
      { ...clock, aheadMs: 1000 },
      { ...clock, aheadMs: -1000 },
    ]),
    [],
  )
  assert.deepEqual(
    clockTexts([
      { ...clock, aheadMs: 10_800_000 },
      { ...clock, aheadMs: -1500 },
    ]),
    [
      'the clock of the database of orders is 3.0 h ahead of ours: limits may fire too early',
      'the clock of the database of orders is 1.5 s behind ours: limits may fire too early',
    ],
  )
})

test('spans are told in what one would say', () => {
  assert.deepEqual([1500, 119_000, 120_000, 3_599_000, 5_400_000].map(spanOf), [
    '1.5 s',
    '119.0 s',
    '2 min',
    '60 min',
    '1.5 h',
  ])
})
