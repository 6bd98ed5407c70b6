// The pause before a retry: it doubles, has a cap, and is spread over its whole length.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '../system.ts'
import { QUICK_TRIES, retryDelayMs } from './policy.ts'

const HIGHEST = 1 - Number.EPSILON
const ceilings = (attempts: number) => retryDelayMs(attempts, { ...systemRandom, fraction: () => HIGHEST })

test('the longest pause before a retry doubles with each try, up to a quarter of an hour', () => {
  const pauses = Array.from({ length: 12 }, (_, more) => ceilings(QUICK_TRIES + more))
  assert.deepEqual(pauses.slice(0, 5), [1000, 2000, 4000, 8000, 16_000])
  assert.deepEqual(pauses.slice(-3), [512_000, 900_000, 900_000])
})

test('a pause lies anywhere between nothing and the longest: who failed together does not come back together', () => {
  const pauseAt = (fraction: number) => retryDelayMs(QUICK_TRIES + 3, { ...systemRandom, fraction: () => fraction })
  assert.deepEqual([0, 0.25, 0.5, HIGHEST].map(pauseAt), [0, 2000, 4000, 8000])
})
