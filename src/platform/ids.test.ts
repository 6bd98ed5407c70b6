// Ids: their layout, and that they never go back within a process.
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IdRandom } from './ids.ts'
import { createIds } from './ids.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const systemRandom: IdRandom = { fill: (block) => void randomFillSync(block) }

function always(byte: number): IdRandom {
  return { fill: (block) => void block.fill(byte) }
}

function msOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

test('an id carries its millisecond, version, variant, counter and random bits where RFC 9562 wants them', () => {
  const newId = createIds({ now: () => 0x017f22e279b0 }, always(0xab))
  assert.equal(newId(), '017f22e2-79b0-72ae-abab-abababababab')
  assert.equal(newId(), '017f22e2-79b0-72ae-abac-abababababab')
})

test('a counter carries over from one group to the next', () => {
  const newId = createIds({ now: () => 1 }, always(0xff))
  assert.equal(newId(), '00000000-0001-73ff-bfff-ffffffffffff')
  assert.equal(newId(), '00000000-0001-7400-8000-ffffffffffff')
})

test('ids rise whatever the clock does, and carry its time when it moves on', () => {
  const steps = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 2, maxLength: 300 })
  fc.assert(
    fc.property(steps, (moves) => {
      let now = 1_700_000_000_000
      let latest = now
      const newId = createIds({ now: () => now }, systemRandom)
      let last = newId()
      for (const move of moves) {
        now += move
        latest = Math.max(latest, now)
        const id = newId()
        assert.match(id, UUID_V7)
        assert.ok(id > last, `${id} follows ${last}`)
        assert.equal(msOf(id), latest)
        last = id
      }
    }),
  )
})

test('a million ids of one millisecond differ, rise and stay in it', () => {
  const newId = createIds({ now: () => 42 }, systemRandom)
  let last = newId()
  for (let count = 0; count < 1_000_000; count++) {
    const id = newId()
    if (id <= last) assert.fail(`${id} follows ${last}`)
    last = id
  }
  assert.equal(msOf(last), 42)
})

test('fractions of a millisecond are dropped', () => {
  assert.equal(msOf(createIds({ now: () => 1234.9 }, systemRandom)()), 1234)
})

test('the same clock and the same random bytes give the same ids', () => {
  const make = () => createIds({ now: () => 7 }, always(3))
  const [one, other] = [make(), make()]
  for (let count = 0; count < 3000; count++) assert.equal(one(), other())
})
