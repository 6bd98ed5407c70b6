// What a partition's lane keeps of a fetch: contiguous rows of each source, whatever else arrived between them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Lane } from './lane.ts'
import type { RelayedRecord } from './record-headers.ts'

interface Written {
  readonly source?: string
  readonly sequence: number
  readonly incarnation?: number
  readonly logId?: string
  /** Where its incarnation began, as it says. */
  readonly began?: number
}

function recordOf({
  source = 'orders',
  sequence,
  incarnation = 1,
  logId = `log of ${source}`,
  began,
}: Written): RelayedRecord {
  const place = { topic: 'inventory.commands', partition: 2, generation: 1, appendedAt: 1000 + sequence }
  const told = { type: 'ReserveStock', key: 'LAMP', data: { sequence }, correlation: 'c', cause: 'd' }
  return { ...place, ...told, traceparent: undefined, source, sequence, incarnation, logId, began }
}

/** A lane that was given these in the order of their offsets, the first of which can be chosen. */
function laneOf(written: readonly Written[], { lane = new Lane(), from = 0 } = {}) {
  const fetched = written.map((each, index) => ({ record: recordOf(each), offset: BigInt(from + index) }))
  return { lane, changed: [...lane.add(fetched)] }
}

const upTo = (count: number, rest: Omit<Written, 'sequence'> = {}): Written[] =>
  Array.from({ length: count }, (_, sequence) => ({ sequence, ...rest }))

const numbersIn = (lane: Lane, from: number, { source = 'orders', limit = 10_000 } = {}): number[] | undefined =>
  lane.read(source, from, limit)?.map(({ first }) => first)

test('a row says all of its record, so that whoever reads need not look into it', () => {
  const { lane } = laneOf([{ sequence: 7, incarnation: 2 }], { from: 40 })
  const record = recordOf({ sequence: 7, incarnation: 2 })
  const place = { topic: 'inventory.commands', partition: 2, generation: 1, incarnation: 2, appendedAt: 1007 }
  assert.deepEqual(lane.read('orders', 7, 1), [{ ...place, first: 7, last: 7, body: '', record, offset: 40n }])
})

test('sources that share a partition are followed each by its own numbers', () => {
  const { lane, changed } = laneOf([
    { source: 'orders', sequence: 0 },
    { source: 'returns', sequence: 0 },
    { source: 'returns', sequence: 1 },
    { source: 'orders', sequence: 1 },
  ])
  assert.deepEqual(changed, ['orders', 'returns'])
  assert.deepEqual([numbersIn(lane, 0), numbersIn(lane, 1, { source: 'returns' })], [[0, 1], [1]])
  assert.deepEqual(numbersIn(lane, 0, { source: 'nobody' }), [])
  assert.equal(lane.endOf('nobody'), undefined)
})

test('a gap of one source holds up none of the others', () => {
  const { lane } = laneOf([
    { source: 'orders', sequence: 0 },
    { source: 'orders', sequence: 2 },
    { source: 'returns', sequence: 0 },
    { source: 'returns', sequence: 1 },
  ])
  assert.deepEqual([numbersIn(lane, 0), numbersIn(lane, 0, { source: 'returns' })], [[0], [0, 1]])
})

test('repeats are dropped and are no news', () => {
  const { lane } = laneOf(upTo(5))
  const { changed } = laneOf(upTo(5), { lane, from: 5 })
  assert.deepEqual([changed, numbersIn(lane, 0)], [[], [0, 1, 2, 3, 4]])
  assert.equal(lane.read('orders', 0, 1)?.[0]?.offset, 0n)
})

test('at a gap nothing above it is kept, and who reads there finds the number missing', () => {
  const { lane, changed } = laneOf([...upTo(3), { sequence: 5 }])
  assert.deepEqual([changed, numbersIn(lane, 0), numbersIn(lane, 3)], [['orders'], [0, 1, 2], []])
  assert.equal(lane.endOf('orders')?.next, 6)
  const more = laneOf([{ sequence: 6 }, { sequence: 7 }], { lane, from: 4 })
  assert.deepEqual([more.changed, lane.endOf('orders')?.next], [['orders'], 8])
  assert.deepEqual(laneOf([{ sequence: 6 }], { lane, from: 6 }).changed, [])
})

test('whoever has read what is missing goes on behind it, once the lane begins anew for him', () => {
  const { lane } = laneOf([...upTo(2), { sequence: 5 }, { sequence: 6 }])
  assert.deepEqual(
    [1, 2, 5].map((from) => lane.isAtGap('orders', from)),
    [false, true, true],
  )
  const anew = new Lane(new Map([['orders', 5]]))
  laneOf([...upTo(2), { sequence: 5 }, { sequence: 6 }], { lane: anew })
  assert.deepEqual([numbersIn(anew, 5), anew.endOf('orders')?.next, anew.isAtGap('orders', 5)], [[5, 6], 7, false])
})

test('what is missing where the lane was to begin is looked for, and found with what follows it', () => {
  const lane = new Lane(new Map([['orders', 5]]))
  laneOf([...upTo(2), { sequence: 6 }], { lane })
  assert.deepEqual([numbersIn(lane, 5), lane.endOf('orders')?.next], [[], 7])
  laneOf([{ sequence: 5 }, { sequence: 6 }], { lane, from: 3 })
  assert.deepEqual([numbersIn(lane, 5), numbersIn(lane, 6)], [[5], [6]])
})

test('what was missing is found behind the gap, with all that follows it', () => {
  const { lane } = laneOf([...upTo(3), { sequence: 5 }, { sequence: 6 }])
  const { changed } = laneOf(
    [3, 4, 5, 6, 7].map((sequence) => ({ sequence })),
    { lane, from: 5 },
  )
  assert.deepEqual([changed, numbersIn(lane, 3)], [['orders'], [3, 4, 5, 6, 7]])
  assert.equal(lane.endOf('orders')?.next, 8)
})

test('a new incarnation is followed from its first number, below the end too', () => {
  const { lane } = laneOf([...upTo(5), { sequence: 3, incarnation: 2 }, { sequence: 4, incarnation: 2 }])
  const end = { next: 5, incarnation: 2, appendedAt: 1004 }
  assert.deepEqual([lane.endOf('orders'), lane.beganOf('orders')], [end, 3])
  const rows = lane.read('orders', 3, 10)?.map(({ first, incarnation }) => [first, incarnation])
  // What the former one had from there on is void.
  assert.deepEqual(rows, [
    [3, 2],
    [4, 2],
  ])
})

test('an incarnation whose first numbers are lost waits for them where it says that it began', () => {
  const second = { incarnation: 2, began: 3 }
  const { lane } = laneOf([...upTo(4), { sequence: 5, ...second }])
  assert.deepEqual([numbersIn(lane, 3), lane.endOf('orders')?.next, lane.beganOf('orders')], [[], 6, 3])
  laneOf(
    [3, 4, 5].map((sequence) => ({ sequence, ...second })),
    { lane, from: 5 },
  )
  assert.deepEqual(numbersIn(lane, 3), [3, 4, 5])
})

test('what was missing before a new incarnation is found behind it, and nothing of the former above it', () => {
  const second = { incarnation: 2, began: 5 }
  const { lane } = laneOf([...upTo(3), { sequence: 4 }, { sequence: 5, ...second }])
  assert.deepEqual([numbersIn(lane, 3), lane.endOf('orders')?.next], [[], 6])
  const again = [3, 4, 5].map((sequence) => ({ sequence }))
  laneOf([...again, { sequence: 5, ...second }], { lane, from: 5 })
  const rows = lane.read('orders', 2, 10)?.map(({ first, incarnation }) => [first, incarnation])
  assert.deepEqual(rows, [
    [2, 1],
    [3, 1],
    [4, 1],
    [5, 2],
  ])
})

test('a lane that begins in the midst of an incarnation knows where it began', () => {
  const { lane } = laneOf([{ sequence: 120, incarnation: 2, began: 100 }])
  assert.deepEqual([lane.beganOf('orders'), numbersIn(lane, 100), numbersIn(lane, 120)], [100, undefined, [120]])
})

test('what a reader lacks below all that is there is taken when it comes behind it; others read on meanwhile', () => {
  const lane = new Lane(new Map([['orders', 95]]))
  laneOf([{ sequence: 100 }, { sequence: 101 }], { lane })
  assert.deepEqual([numbersIn(lane, 95), numbersIn(lane, 100)], [[], [100, 101]])
  laneOf(
    [94, 95, 96, 97, 98, 99, 100, 101, 102].map((sequence) => ({ sequence })),
    { lane, from: 2 },
  )
  assert.deepEqual(
    [numbersIn(lane, 95), numbersIn(lane, 98)],
    [
      [95, 96, 97, 98, 99],
      [98, 99],
    ],
  )
  assert.deepEqual(numbersIn(lane, 100), [100, 101, 102])
})

test('while something is missing a lane is never full; what it could not keep has to be fetched again', () => {
  const lane = new Lane(new Map([['orders', 5]]))
  laneOf(
    Array.from({ length: 2100 }, (_, index) => ({ sequence: 10 + index })),
    { lane },
  )
  assert.deepEqual([lane.isFull, numbersIn(lane, 10)?.length, numbersIn(lane, 2010)], [false, 2000, undefined])
  assert.equal(lane.hasDropped('orders', 2010), true)
  laneOf(
    [5, 6, 7, 8, 9].map((sequence) => ({ sequence })),
    { lane, from: 2100 },
  )
  assert.deepEqual([numbersIn(lane, 5), lane.isFull], [[5, 6, 7, 8, 9], true])
})

test('a new incarnation is followed also when the old one was read and dropped', () => {
  const { lane } = laneOf(upTo(5))
  lane.drop('orders', 5)
  laneOf([{ sequence: 3, incarnation: 2 }], { lane, from: 5 })
  assert.deepEqual(numbersIn(lane, 3), [3])
})

test('a new incarnation may begin below all that the lane has seen, and be read to its end', () => {
  const { lane } = laneOf([{ sequence: 50 }, { sequence: 45, incarnation: 2 }])
  lane.drop('orders', 46)
  laneOf([{ sequence: 45, incarnation: 2 }], { lane, from: 2 })
  lane.drop('orders', 51)
  assert.deepEqual([numbersIn(lane, 46), lane.endOf('orders')?.next], [[], 46])
})

test('what a process of the former incarnation still sends is dropped', () => {
  const { lane } = laneOf([...upTo(3), { sequence: 2, incarnation: 2 }])
  const { changed } = laneOf([{ sequence: 3 }], { lane, from: 4 })
  assert.deepEqual([changed, lane.endOf('orders')?.next], [[], 3])
})

test('a new incarnation ends the gap of the one before', () => {
  const { lane } = laneOf([...upTo(3), { sequence: 9 }, { sequence: 2, incarnation: 2 }])
  assert.equal(lane.endOf('orders')?.next, 3)
})

test('another log under a known name is nobody`s to follow', () => {
  const { lane } = laneOf(upTo(2))
  const foreign = [
    { sequence: 2, logId: 'clone' },
    { sequence: 0, incarnation: 2, logId: 'clone' },
  ]
  const { changed } = laneOf(foreign, { lane, from: 2 })
  assert.deepEqual([changed, lane.endOf('orders')], [[], { next: 2, incarnation: 1, appendedAt: 1001 }])
})

test('no more is read than was asked for, and nothing from the end on', () => {
  const { lane } = laneOf(upTo(10))
  assert.deepEqual([numbersIn(lane, 4, { limit: 3 }), numbersIn(lane, 10)], [[4, 5, 6], []])
})

test('it is full at two thousand rows of one source, until some of them were read', () => {
  const { lane } = laneOf(upTo(1999))
  laneOf(upTo(1500, { source: 'returns' }), { lane, from: 1999 })
  assert.equal(lane.isFull, false)
  laneOf([{ sequence: 1999 }], { lane, from: 4000 })
  assert.equal(lane.isFull, true)
  lane.drop('orders', 1)
  assert.equal(lane.isFull, false)
  laneOf(upTo(2000, { source: 'returns' }), { lane, from: 5000 })
  assert.equal(lane.isFull, true)
})

test('what was dropped is not known any more, and what never was is told apart from it', () => {
  const { lane } = laneOf([{ sequence: 3 }, { sequence: 4 }, { sequence: 5 }])
  lane.drop('orders', 5)
  assert.deepEqual([numbersIn(lane, 4), numbersIn(lane, 5), numbersIn(lane, 2)], [undefined, [5], undefined])
  assert.deepEqual(
    [2, 3, 4, 5, 6].map((from) => lane.hasDropped('orders', from)),
    [false, true, true, false, false],
  )
  lane.drop('orders', 6)
  assert.deepEqual([numbersIn(lane, 5), numbersIn(lane, 6)], [undefined, []])
  assert.equal(lane.hasDropped('orders', 5), true)
})

test('dropping below what is kept drops nothing', () => {
  const { lane } = laneOf(upTo(4))
  lane.drop('orders', 0)
  lane.drop('nobody', 3)
  assert.deepEqual(numbersIn(lane, 0), [0, 1, 2, 3])
})

test('reading begins again at the lowest offset that some source has not read', () => {
  assert.equal(new Lane().resumeAt(), undefined)
  const { lane } = laneOf([
    { source: 'orders', sequence: 0 },
    { source: 'returns', sequence: 0 },
    { source: 'orders', sequence: 1 },
  ])
  assert.equal(lane.resumeAt(), 0n)
  lane.drop('orders', 1)
  assert.equal(lane.resumeAt(), 1n)
  lane.drop('returns', 1)
  assert.equal(lane.resumeAt(), 2n)
})

test('a source of which nothing is kept begins again behind what it has read', () => {
  const { lane } = laneOf(upTo(3), { from: 70 })
  lane.drop('orders', 3)
  assert.equal(lane.resumeAt(), 73n)
})

const runs = fc.array(
  fc.record({
    source: fc.constantFrom('orders', 'returns'),
    count: fc.integer({ min: 1, max: 6 }),
    acknowledged: fc.integer({ min: 0, max: 6 }),
  }),
  { minLength: 1, maxLength: 20 },
)

/** What a relay puts there: from its mark on, and the same again where the mark could not be written. */
function shipped(made: readonly { source: string; count: number; acknowledged: number }[]): Written[] {
  const marks = new Map<string, number>()
  return made.flatMap(({ source, count, acknowledged }) => {
    const first = marks.get(source) ?? 0
    marks.set(source, first + Math.min(count, acknowledged))
    return Array.from({ length: count }, (_, index) => ({ source, sequence: first + index }))
  })
}

test('whatever arrives and is read in between: each number once, in order, and a new beginning loses none', () => {
  fc.assert(
    fc.property(runs, fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1 }), (made, reads) => {
      const written = shipped(made)
      const lane = new Lane()
      const next = new Map(written.map(({ source = '' }) => [source, 0]))
      for (const [offset, each] of written.entries()) {
        laneOf([each], { lane, from: offset })
        for (const [source, from] of next) {
          const numbers = numbersIn(lane, from, { source, limit: reads[offset % reads.length] ?? 0 }) ?? []
          assert.deepEqual(
            numbers,
            numbers.map((_, index) => from + index),
          )
          next.set(source, from + numbers.length)
          lane.drop(source, from + numbers.length)
        }
      }
      const at = Number(lane.resumeAt())
      const { lane: again } = laneOf(written.slice(at), { from: at })
      for (const [source, from] of next) {
        const last = Math.max(...written.filter((each) => each.source === source).map(({ sequence }) => sequence))
        const left = Array.from({ length: last + 1 - from }, (_, index) => from + index)
        assert.deepEqual([numbersIn(lane, from, { source }), numbersIn(again, from, { source })], [left, left])
      }
    }),
  )
})

test('of a topic of others the numbers leave some out, and what lies before its beginning is not known', () => {
  const lane = new Lane(undefined, { risesFrom: 10 })
  const add = (...numbers: number[]) => {
    laneOf(
      numbers.map((sequence) => ({ source: 'external', sequence })),
      { lane },
    )
  }
  add(10, 13, 20)
  const read = (from: number) => lane.read('external', from, 10)?.map(({ first }) => first)
  assert.deepEqual([read(9), read(10), read(11)], [undefined, [10, 13, 20], [13, 20]])
  lane.drop('external', 14)
  assert.deepEqual([read(13), read(14), lane.endOf('external')?.next], [undefined, [20], 21])
  lane.drop('external', 21)
  add(30)
  assert.deepEqual([read(20), read(21), read(25)], [undefined, [30], [30]])
})
