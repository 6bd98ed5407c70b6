// Ids: their layout, and that they never go back within a process.
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { createIds } from './ids.ts'
import type { Random } from './ports.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const systemRandom: Pick<Random, 'fill'> = { fill: (block) => void randomFillSync(block) }

function always(byte: number): Pick<Random, 'fill'> {
  return { fill: (block) => void block.fill(byte) }
}

function msOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

test('an id carries its millisecond, version, variant, counter and random bits where RFC 9562 wants them', () => {
  const newId = createIds({ now: () => 0x017f22e279b0 }, always(0xab))
  assert.equal(newId(), '017f22e2-79b0-7aba-aeac-abababababab')
  assert.equal(newId(), '017f22e2-79b0-7aba-aead-abababababab')
})

test('the counter carries over to the group before, and from its end to the next millisecond', () => {
  const ids = createIds({ now: () => 1 }, always(0xff))
  assert.equal(ids(), '00000000-0001-7fff-bffc-ffffffffffff')
  assert.deepEqual([ids(), ids(), ids()].pop(), '00000000-0001-7fff-bfff-ffffffffffff')
  assert.equal(ids(), '00000000-0002-7fff-bffc-ffffffffffff')

  const block = Uint8Array.from([0, 0x0f, 0xff])
  const carrying = createIds(
    { now: () => 1 },
    { fill: (bytes) => bytes.forEach((_, at) => (bytes[at] = block[at % 3] ?? 0)) },
  )
  const counters = Array.from({ length: 5 }, () => carrying().slice(14, 23))
  assert.deepEqual(counters, ['7000-bffc', '7000-bffd', '7000-bffe', '7000-bfff', '7001-8000'])
})

test('ids rise whatever the clock does, and carry its time when it moves on', () => {
  const steps = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 2, maxLength: 300 })
  fc.assert(
    fc.property(steps, (moves) => {
      let now = 1_700_000_000_000
      let latest = now
      const newId = createIds({ now: () => now }, always(1))
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
  const newId = createIds({ now: () => 42 }, always(2))
  let last = newId()
  for (let count = 0; count < 1_000_000; count++) {
    const id = newId()
    if (id <= last) assert.fail(`${id} follows ${last}`)
    last = id
  }
  assert.equal(msOf(last), 42)
})

test('ids of two sources with the same clock differ', () => {
  const [one, other] = [createIds({ now: () => 42 }, systemRandom), createIds({ now: () => 42 }, systemRandom)]
  const ids = Array.from({ length: 5000 }, () => [one(), other()]).flat()
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, UUID_V7)
})

test('fractions of a millisecond are dropped', () => {
  assert.equal(msOf(createIds({ now: () => 1234.9 }, systemRandom)()), 1234)
})

test('the same clock and the same random bytes give the same ids', () => {
  const make = () => createIds({ now: () => 7 }, always(3))
  const [one, other] = [make(), make()]
  for (let count = 0; count < 3000; count++) assert.equal(one(), other())
})
