// Folds a chunk of records into a projection's table: what the live loop does with a batch, in larger pieces.
import type { Projection } from '../../kernel/projection.ts'
import type { LogRecord } from '../log/record.ts'
import type { Table, Transaction, Write } from '../ports.ts'
import { ProjectionSet } from '../runtime/projection-set.ts'
import type { Group } from '../runtime/registry.ts'

/** The group of a projection. */
export interface ProjectionGroup extends Group {
  readonly projection: Projection
}

/** @returns undefined for a group that keeps no projection. */
export function asProjectionGroup(group: Group): ProjectionGroup | undefined {
  return group.projection === undefined ? undefined : { ...group, projection: group.projection }
}

export interface FoldTarget {
  readonly group: ProjectionGroup
  readonly table: Table
}

/**
 * The rows that the records change in the table, loaded and to be committed in this transaction.
 *
 * @throws what a fold throws, with the record's address.
 */
export async function foldChunk(
  transaction: Transaction,
  { group, table }: FoldTarget,
  records: readonly LogRecord[],
): Promise<readonly Write[]> {
  const set = new ProjectionSet(() => table)
  const at = (record: LogRecord) => `${record.type} at ${record.topic}/${record.partition}/${record.sequence}`
  for (const record of records) {
    const folds = group.folds.get(record.type)
    if (folds !== undefined) set.want(group, folds, record)
  }
  await set.load(transaction)
  for (const record of records) {
    const folds = group.folds.get(record.type)
    if (folds === undefined) continue
    try {
      set.fold(group, folds, record)
    } catch (error) {
      throw new Error(`${group.name} can not fold ${at(record)}: ${(error as Error).message}`, { cause: error })
    }
  }
  return set.changes()
}
