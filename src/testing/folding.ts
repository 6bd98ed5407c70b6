// Folds events into a projection's rows in memory, as the runtime does it in bulk.
import assert from 'node:assert/strict'
import type { Message } from '../kernel/message.ts'
import type { CountFold, Fold, Projection, ProjectionRow, ProjectionValue, RecordFacts } from '../kernel/projection.ts'
import { keysOf } from '../kernel/projection.ts'
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
    const steps = projection.folds
      .filter((fold) => fold.event.type === event.type)
      .flatMap((fold) => {
        const known = { topic: fold.event.topic, partition: 0, sequence, appendedAt: TEST_NOW, ...facts }
        return keysOf(fold, event.data, known).map((key) => ({ fold, key, known }))
      })
    for (const { fold, key, known } of steps) {
      const before = rows.get(JSON.stringify(key))
      const row = rowAfter(projection, fold, { before, key, event, known })
      if (row !== undefined) rows.set(JSON.stringify(key), Object.freeze(row))
    }
  }
  return [...rows.values()]
}

interface Folding {
  readonly before: ProjectionRow | undefined
  readonly key: readonly ProjectionValue[]
  readonly event: Message
  readonly known: RecordFacts
}

function rowAfter(projection: Projection, fold: Fold, folding: Folding): ProjectionRow | undefined {
  const { before, key, event, known } = folding
  const row = 'counts' in fold ? counted(projection, fold, folding) : fold.fold(before, event.data, known)
  if (row !== undefined) checkShape(projection, row, key)
  return row
}

function counted(
  { key: names, columns }: Projection,
  fold: CountFold,
  { before, key, event, known }: Folding,
): ProjectionRow {
  const zeros = Object.fromEntries(Object.keys(columns).map((name) => [name, key[names.indexOf(name)] ?? 0]))
  const row: Record<string, ProjectionValue> = { ...zeros, ...before }
  for (const [column, by] of fold.counts(event.data, known)) row[column] = Number(row[column]) + by
  return row
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
