// A projection folded from the whole log by itself: what its live table has to be.
import type { Cell, Row, Table, Transaction } from '../../src/platform/ports.ts'
import { ProjectionSet } from '../../src/platform/runtime/projection-set.ts'
import type { Group } from '../../src/platform/runtime/registry.ts'
import type { Oracle } from './oracle.ts'

/** There is nothing to load: everything is folded in one go. */
const nothing: Pick<Transaction, 'load'> = { load: async () => [] }

/** @returns each row of the table as its cells. */
export async function replayProjection({ logs }: Oracle, group: Group, table: Table): Promise<Row[]> {
  const { service, projection, folds, topics } = group
  if (projection === undefined) throw new Error(`${group.name} is no projection.`)
  const set = new ProjectionSet(() => table)
  const records = [...logs.values()]
    .filter(([first]) => first !== undefined && topics.includes(first.topic))
    .flatMap((log) => log.filter(({ type }) => folds.has(type)))
    // Where topics were scaled a key has records in several partitions.
    .toSorted((one, other) => one.order - other.order)
    .map((record) => ({ ...record, cause: '', traceparent: undefined, generation: 1, incarnation: 1 }))
  for (const record of records) set.want({ service, projection }, folds.get(record.type) ?? [], record)
  await set.load(nothing as Transaction)
  for (const record of records) set.fold({ service, projection }, folds.get(record.type) ?? [], record)
  return set.changes().flatMap(({ rows }): Row[] => [...rows])
}

/** Rows as texts in one order, so that two tables can be compared. */
export function comparable(rows: readonly (readonly Cell[])[]): string[] {
  return rows.map((row) => JSON.stringify(row)).toSorted()
}
