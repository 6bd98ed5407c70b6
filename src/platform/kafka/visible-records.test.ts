// Which records a reader sees: hand-made fetches, among them those at which the client's own filter goes wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FetchedRecord } from './record-headers.ts'
import { visibleRecords, type AbortedTransaction, type FetchedBatch } from './visible-records.ts'

const TRANSACTIONAL = 16
const CONTROL = 32

/** What a broker stored: batches in the order of their offsets, each after the one before. */
interface Stored {
  readonly producer: bigint
  readonly texts: readonly string[]
  readonly attributes: number
  readonly marker?: 'abort' | 'commit'
}

const data = (producer: bigint, ...texts: readonly string[]): Stored => ({ producer, texts, attributes: TRANSACTIONAL })
const plain = (...texts: readonly string[]): Stored => ({ producer: -1n, texts, attributes: 0 })
const abort = (producer: bigint): Stored => {
  return { producer, texts: [''], attributes: TRANSACTIONAL | CONTROL, marker: 'abort' }
}
const commit = (producer: bigint): Stored => ({ ...abort(producer), marker: 'commit' })

/** The key of a control record: a version and a type, each of two bytes. */
const markerKey = (marker: 'abort' | 'commit'): Buffer => Buffer.from([0, 0, 0, marker === 'abort' ? 0 : 1])

function batchesOf(stored: readonly Stored[], first = 0n): FetchedBatch[] {
  let firstOffset = first
  return stored.map(({ producer, texts, attributes, marker }) => {
    const batch: FetchedBatch = {
      firstOffset,
      lastOffsetDelta: texts.length - 1,
      attributes,
      producerId: producer,
      firstTimestamp: 1000n,
      records: texts.map((text, offsetDelta) => {
        const key = marker === undefined ? Buffer.from('key') : markerKey(marker)
        return { offsetDelta, timestampDelta: BigInt(offsetDelta), key, value: Buffer.from(text), headers: [] }
      }),
    }
    firstOffset += BigInt(texts.length)
    return batch
  })
}

interface Asked {
  readonly from?: bigint
  readonly aborted?: readonly AbortedTransaction[]
}

function seen(batches: readonly FetchedBatch[], { from = batches[0]?.firstOffset ?? 0n, aborted = [] }: Asked = {}) {
  const { records, next } = visibleRecords({ topic: 'orders.events', partition: 3, batches, aborted, from })
  return { texts: records.map(({ value }) => value?.toString()), next, records }
}

const abortedFrom = (producerId: bigint, firstOffset: bigint): AbortedTransaction => ({ producerId, firstOffset })

test('gives the records of committed transactions with their places, and goes past the markers', () => {
  const { records, next } = seen(batchesOf([data(1n, 'a', 'b'), commit(1n)], 7n))
  const place = { topic: 'orders.events', partition: 3, key: Buffer.from('key'), headers: [] }
  const expected: FetchedRecord[] = [
    { ...place, offset: 7n, value: Buffer.from('a'), timestamp: 1000 },
    { ...place, offset: 8n, value: Buffer.from('b'), timestamp: 1001 },
  ]
  assert.deepEqual(records, expected)
  assert.equal(next, 10n)
})

test('an aborted transaction whose marker lies in another fetch is not seen in either', () => {
  const batches = batchesOf([data(1n, 'dirty 1'), data(1n, 'dirty 2'), abort(1n), data(1n, 'clean'), commit(1n)])
  const aborted = [abortedFrom(1n, 0n)]
  assert.deepEqual(seen(batches.slice(0, 1), { aborted }).texts, [])
  // The broker names the transaction again, with an offset below what is asked for.
  const rest = seen(batches.slice(1), { aborted, from: 1n })
  assert.deepEqual(rest.texts, ['clean'])
  assert.equal(rest.next, 5n)
})

test('two aborted transactions of one producer in one fetch, with committed ones between them', () => {
  const batches = batchesOf([
    data(1n, 'dirty 1'),
    abort(1n),
    data(1n, 'clean 1'),
    commit(1n),
    data(1n, 'dirty 2'),
    abort(1n),
    data(1n, 'clean 2'),
    commit(1n),
  ])
  // In no order that anybody promised.
  const aborted = [abortedFrom(1n, 4n), abortedFrom(1n, 0n)]
  assert.deepEqual(seen(batches, { aborted }).texts, ['clean 1', 'clean 2'])
})

test('a transaction that was aborted without data takes nothing of the committed ones before it along', () => {
  const batches = batchesOf([
    data(1n, 'dirty'),
    abort(1n),
    data(1n, 'clean 1'),
    commit(1n),
    // Began in this partition, wrote nothing: only the marker is here, and the broker names no first offset.
    abort(1n),
    data(1n, 'clean 2'),
    commit(1n),
  ])
  assert.deepEqual(seen(batches, { aborted: [abortedFrom(1n, 0n)] }).texts, ['clean 1', 'clean 2'])
})

test('what one producer aborts hides nothing of the others between', () => {
  const batches = batchesOf([
    data(1n, 'dirty 1'),
    data(2n, 'clean 1'),
    plain('plain'),
    data(1n, 'dirty 2'),
    commit(2n),
    data(3n, 'dirty 3'),
    abort(1n),
    data(2n, 'clean 2'),
    abort(3n),
    commit(2n),
  ])
  const aborted = [abortedFrom(1n, 0n), abortedFrom(3n, 5n)]
  assert.deepEqual(seen(batches, { aborted }).texts, ['clean 1', 'plain', 'clean 2'])
})

test('records below the asked offset are left out, also of a batch that begins there', () => {
  const batches = batchesOf([plain('below', 'asked', 'above')], 4n)
  assert.deepEqual(seen(batches, { from: 5n }).texts, ['asked', 'above'])
})

test('a batch that lies below the asked offset as a whole moves nothing back', () => {
  const { texts, next } = seen(batchesOf([plain('a', 'b')], 4n), { from: 9n })
  assert.deepEqual([texts, next], [[], 9n])
})

test('records outside transactions are seen, whatever a transaction of the same producer became', () => {
  const batches = batchesOf([{ ...data(1n, 'idempotent'), attributes: 0 }, data(1n, 'dirty'), abort(1n)])
  assert.deepEqual(seen(batches, { aborted: [abortedFrom(1n, 0n)] }).texts, ['idempotent'])
})

test('a fetch of nothing but aborted records and markers moves on all the same', () => {
  const { texts, next } = seen(batchesOf([data(1n, 'dirty'), abort(1n), commit(2n)], 50n), {
    aborted: [abortedFrom(1n, 50n)],
  })
  assert.deepEqual([texts, next], [[], 53n])
  assert.equal(seen([], { from: 12n }).next, 12n)
})

interface Deed {
  readonly producer: bigint
  readonly batches: number
  readonly isAborted: boolean
}

const deeds = fc.array(
  fc.record({
    producer: fc.constantFrom(1n, 2n, 3n),
    batches: fc.integer({ min: 0, max: 3 }),
    isAborted: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
)

/** Interleaves the producers; each does its own deeds one after the other. `pick` chooses who is next. */
function interleaved(made: readonly Deed[], pick: readonly number[]) {
  const lanes = [...Map.groupBy(made, ({ producer }) => producer).values()].map((own) => own.flatMap(storedBy))
  const stored: (Stored & { readonly isAborted: boolean })[] = []
  for (let turn = 0; lanes.some((lane) => lane.length > 0); turn += 1) {
    const open = lanes.filter((lane) => lane.length > 0)
    const next = open[(pick[turn % pick.length] ?? 0) % open.length]?.shift()
    if (next !== undefined) stored.push(next)
  }
  return stored
}

function storedBy({ producer, batches, isAborted }: Deed) {
  const written = Array.from({ length: batches }, () => ({
    ...data(producer, isAborted ? 'dirty' : 'clean'),
    isAborted,
  }))
  return [...written, { ...(isAborted ? abort(producer) : commit(producer)), isAborted }]
}

/** What the broker answers: every aborted transaction with a record in the range, by the offset of its first one. */
function abortedIn(stored: readonly (Stored & { readonly isAborted: boolean })[], from: number, to: number) {
  const begun = new Map<bigint, number>()
  const aborted: AbortedTransaction[] = []
  for (const [offset, { producer, marker }] of stored.entries()) {
    if (marker === undefined) {
      if (!begun.has(producer)) begun.set(producer, offset)
      continue
    }
    const first = begun.get(producer)
    begun.delete(producer)
    if (marker === 'abort' && first !== undefined && offset >= from && first < to) {
      aborted.push(abortedFrom(producer, BigInt(first)))
    }
  }
  return aborted
}

test('whatever producers do, and wherever fetches are cut: all that is committed, nothing that is not', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 })
  const picks = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(deeds, picks, cuts, (made, pick, sizes) => {
      const stored = interleaved(made, pick)
      const batches = batchesOf(stored)
      const offsets: bigint[] = []
      for (let from = 0, fetch = 0; from < stored.length; fetch += 1) {
        const to = from + (sizes[fetch % sizes.length] ?? 1)
        const fetched = { aborted: abortedIn(stored, from, to), from: BigInt(from) }
        const { records, next } = seen(batches.slice(from, to), fetched)
        offsets.push(...records.map(({ offset }) => offset))
        assert.equal(next, BigInt(Math.min(to, stored.length)))
        from = to
      }
      const committed = [...stored.entries()].filter(([, { marker, isAborted }]) => marker === undefined && !isAborted)
      assert.deepEqual(
        offsets,
        committed.map(([offset]) => BigInt(offset)),
      )
    }),
  )
})
