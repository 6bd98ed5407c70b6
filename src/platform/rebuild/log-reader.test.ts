// The log is read up to exactly its bounds, through rows that straddle them, and never across a gap.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRow, Store } from '../ports.ts'
import type { Place } from './log-reader.ts'
import { LogGap, LogReader, placeName, remaining } from './log-reader.ts'

const place: Place = { source: 'shop', topic: 'shop.events', partition: 0, next: 0, generation: 1, incarnation: 1 }
const bounds = (next: number) => new Map([[placeName(place), next]])

/** A row whose records are named by their sequences; even ones are wanted. */
function row(first: number, last: number, change: Partial<LogRow> = {}): LogRow {
  const bodies = Array.from({ length: last - first + 1 }, (_, index) => {
    const sequence = first + index
    return { type: sequence % 2 === 0 ? 'Even' : 'Odd', key: `k${sequence}`, data: { sequence }, cause: 'test' }
  })
  const { topic, partition } = place
  const head = { topic, partition, generation: 1, incarnation: 1, appendedAt: 7 }
  return { ...head, first, last, body: JSON.stringify(bodies), ...change }
}

function readerOf(rows: readonly LogRow[], recordsAChunk = 1000): LogReader {
  const store: Pick<Store, 'readLog'> = {
    readLog: async (_, [range], limit) => rows.filter(({ last }) => last >= (range?.from ?? 0)).slice(0, limit),
  }
  return new LogReader({ storeOf: () => store as Store, wants: (type) => type === 'Even', recordsAChunk })
}

const sequences = (records: readonly { readonly sequence: number }[]) => records.map(({ sequence }) => sequence)

test('a bound inside a row is kept, and the next chunk goes on inside that row', async () => {
  const reader = readerOf([row(0, 9), row(10, 11)])
  const first = await reader.read([place], bounds(5))
  assert.deepEqual(sequences(first.records), [0, 2, 4])
  assert.deepEqual([first.passed, first.places[0]?.next], [5, 5])
  const second = await reader.read(first.places, bounds(12))
  assert.deepEqual(sequences(second.records), [6, 8, 10])
  assert.deepEqual([second.passed, remaining(second.places, bounds(12))], [7, 0])
  assert.deepEqual((await reader.read(second.places, bounds(12))).passed, 0)
})

test('a record carries its own data and address', async () => {
  const { records } = await readerOf([row(0, 3)]).read([{ ...place, next: 1 }], bounds(4))
  const address = { source: 'shop', topic: 'shop.events', partition: 0, generation: 1, incarnation: 1 }
  const rest = { correlation: 'k2', cause: 'test', traceparent: undefined, sequence: 2, appendedAt: 7 }
  assert.deepEqual(records, [{ type: 'Even', key: 'k2', data: { sequence: 2 }, ...address, ...rest }])
})

test('nothing above a gap is read, whether a row is missing or a body', async () => {
  const missing = readerOf([row(0, 1), row(3, 4)])
  const before = await missing.read([place], bounds(5))
  assert.deepEqual([sequences(before.records), before.passed], [[0], 2])
  await assert.rejects(missing.read(before.places, bounds(5)), LogGap)
  await assert.rejects(readerOf([row(0, 1, { last: 2 })]).read([place], bounds(3)), LogGap)
  await assert.rejects(readerOf([]).read([place], bounds(1)), LogGap)
})

test('a chunk passes no more than it may, however many records a row holds', async () => {
  const reader = readerOf([row(0, 499), row(500, 999)], 100)
  let places: readonly Place[] = [place]
  const passed: number[] = []
  while (remaining(places, bounds(1000)) > 0) {
    const chunk = await reader.read(places, bounds(1000))
    passed.push(chunk.passed)
    places = chunk.places
  }
  assert.deepEqual(
    passed,
    Array.from({ length: 10 }, () => 100),
  )
})

test('a chunk passes about as many records as it may, and takes over the incarnation', async () => {
  const rows = Array.from({ length: 50 }, (_, index) => row(index * 10, index * 10 + 9, { incarnation: 2 }))
  const reader = readerOf(rows, 100)
  const first = await reader.read([place], bounds(500))
  assert.equal(first.places[0]?.incarnation, 2)
  const second = await reader.read(first.places, bounds(500))
  assert.equal(second.passed, 100, 'the second chunk knows how many records a row holds')
})

test('what was appended under another count of partitions comes after all that was appended before', async () => {
  const other = { ...place, partition: 1 }
  const logs = new Map([
    [0, [row(0, 1), row(2, 3, { generation: 2 })]],
    [1, [row(0, 5, { partition: 1 }), row(6, 7, { partition: 1, generation: 2 })]],
  ])
  const store: Pick<Store, 'readLog'> = {
    readLog: async (_, ranges, limit) =>
      ranges.flatMap(({ partition, from }) =>
        (logs.get(partition) ?? []).filter(({ last }) => last >= from).slice(0, limit),
      ),
  }
  const reader = new LogReader({ storeOf: () => store as Store, wants: () => true, recordsAChunk: 6 })
  const both = new Map([
    [placeName(place), 4],
    [placeName(other), 8],
  ])
  let places: readonly Place[] = [place, other]
  const generations: number[] = []
  while (remaining(places, both) > 0) {
    const chunk = await reader.read(places, both)
    generations.push(...chunk.records.map(({ generation }) => generation))
    places = chunk.places
  }
  assert.deepEqual(generations, [...Array(8).fill(1), ...Array(4).fill(2)])
})
