// How a stream of rows is cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunksOf } from './chunks.ts'

test('rows are cut by their number and their size, and stay with those that they belong to', () => {
  const limits = { rows: 3, bytes: 100 }
  const sizes = (rows: readonly (readonly [number, string])[], belongs = false) =>
    [...chunksOf(rows, (row, before) => belongs && row[0] === before[0], limits)].map(({ length }) => length)
  const small = [1, 1, 1, 1, 2, 2, 2].map((number) => [number, ''] as const)
  assert.deepEqual(sizes(small), [3, 3, 1])
  assert.deepEqual(sizes(small, true), [4, 3])
  const large = [1, 2, 3].map((number) => [number, 'x'.repeat(100)] as const)
  assert.deepEqual(sizes(large), [1, 1, 1])
  assert.deepEqual(sizes([]), [])
})
