// Deletes the oldest rows of a partition on SQLite and raises its head's `first`; the caller holds the transaction.
import type { StatementSync } from 'node:sqlite'
import type { LogTrim, Trimmed } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { sqliteName } from './sqlite-statements.ts'

interface TrimContext {
  readonly statement: (sql: string) => StatementSync
  readonly positionOf: (topic: string, partition: number, sequence: number) => number
}

/** @throws {Conflict} */
export function trimRows({ statement, positionOf }: TrimContext, source: string, trim: LogTrim): Trimmed {
  const { topic, partition, incarnation, below, before, limitRows } = trim
  const log = sqliteName(source, 'log')
  const start = positionOf(topic, partition, 0)
  // The limit comes before the time: without one the last look would read the whole partition.
  const rows = statement(
    `SELECT first, last, appended_at FROM ${log} WHERE position >= ? AND position < ? ORDER BY position LIMIT ?`,
  ).all(start, positionOf(topic, partition, below), limitRows) as unknown as [number, number, number][]
  const old = rows.filter(([, , appendedAt]) => appendedAt < before)
  const [from, to] = [old[0]?.[0], old.at(-1)?.[1]]
  if (from === undefined || to === undefined) return { rows: 0, records: 0 }
  const raised = statement(
    `UPDATE ${sqliteName(source, 'heads')} SET first = ?
     WHERE topic = ? AND partition = ? AND incarnation = ? AND first = ?`,
  ).run(to + 1, topic, partition, incarnation, from)
  if (Number(raised.changes) !== 1) {
    throw new Conflict(
      `the head of ${source}/${topic}/${partition} is another one, or its log does not begin at ${from}`,
    )
  }
  statement(`DELETE FROM ${log} WHERE position BETWEEN ? AND ?`).run(start, positionOf(topic, partition, to))
  return { rows: old.length, records: to - from + 1 }
}
