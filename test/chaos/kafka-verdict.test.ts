// What a reader of Kafka keeps, and what the verdict on it refuses: a verdict that can't turn red says nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelayedRecord } from '../../src/platform/kafka/record-headers.ts'
import { asReaderKeeps } from './kafka-verdict.ts'

interface Heard {
  readonly sequence: number
  readonly incarnation?: number
  readonly began?: number
}

function heard({ sequence, incarnation = 1, began }: Heard): RelayedRecord {
  const place = { source: 'orders', topic: 'orders.events', partition: 0, generation: 1, appendedAt: 0 }
  const told = { type: 'T', key: 'k', data: `${incarnation}/${sequence}`, correlation: 'c', cause: 'd' }
  return { ...place, ...told, traceparent: undefined, sequence, incarnation, began, logId: 'log' }
}

const first = (...sequences: readonly number[]): Heard[] => sequences.map((sequence) => ({ sequence }))
const keptOf = (...records: readonly Heard[]) => asReaderKeeps('orders', records.map(heard)).map(({ data }) => data)

test('repeats are dropped', () => {
  assert.deepEqual(keptOf(...first(0, 1, 0, 1, 2)), ['1/0', '1/1', '1/2'])
})

test('a jump is told', () => {
  assert.throws(() => keptOf(...first(0, 2)), /jumps from 0 to 2/)
  assert.throws(() => keptOf(...first(1)), /jumps from -1 to 1/)
})

test('an incarnation makes void what was there from its beginning on, and must not begin above it', () => {
  const second = { incarnation: 2, began: 1 }
  assert.deepEqual(keptOf(...first(0, 1, 2), { sequence: 1, ...second }, { sequence: 2, ...second }), [
    '1/0',
    '2/1',
    '2/2',
  ])
  assert.throws(() => keptOf(...first(0), { sequence: 5, incarnation: 2, began: 5 }), /jumps from 0 to 5/)
  assert.throws(() => keptOf(...first(0, 1), { sequence: 2, ...second }), /jumps from 0 to 2/)
})
