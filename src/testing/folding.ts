// Folds events into a projection's rows in memory, as the runtime does it in bulk.
import assert from 'node:assert/strict'
import type { Message } from '../kernel/message.ts'
import type { Projection, ProjectionRow, RecordFacts } from '../kernel/projection.ts'
import { TEST_NOW } from './handle.ts'

/** A record of a test: an event, and what the log knows of it where that matters. */
export type Recorded = Message | { readonly event: Message; readonly facts: Partial<RecordFacts> }

/**
 * The rows that a projection has after these records, in the order in which they were made. Each row has exactly the
 * declared columns and its own key; rows are frozen.
 */
export function rowsOf(projection: Projection, records: readonly Recorded[]): ProjectionRow[] {
  const rows = new Map<string, ProjectionRow>()
  for (const [sequence, record] of records.entries()) {
    const { event, facts } = 'event' in record ? record : { event: record, facts: {} }
    for (const fold of projection.folds.filter((fold) => fold.event.type === event.type)) {
      const known = { topic: fold.event.topic, partition: 0, sequence, appendedAt: TEST_NOW, ...facts }
      const key = fold.keyOf(event.data, known)
      if (key === undefined) continue
      const row = fold.fold(rows.get(JSON.stringify(key)), event.data, known)
      if (row === undefined) continue
      checkShape(projection, row, key)
      rows.set(JSON.stringify(key), Object.freeze(row))
    }
  }
  return [...rows.values()]
}

function checkShape(projection: Projection, row: ProjectionRow, key: readonly unknown[]): void {
  assert.deepEqual(Object.keys(row).toSorted(), Object.keys(projection.columns).toSorted())
  assert.deepEqual(
    projection.key.map((name) => row[name]),
    key,
  )
  for (const [name, spec] of Object.entries(projection.columns)) {
    const value = row[name]
    const fits = spec.startsWith('text') ? typeof value === 'string' : Number.isSafeInteger(value)
    assert.ok(fits || (value === null && spec.endsWith('?')), `${name} ${spec} is ${String(value)}`)
  }
}
