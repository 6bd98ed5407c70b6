// Deletes the oldest rows of a partition on PostgreSQL; the head's `first` moves with them, in one round trip.
import type { LogTrim, Trimmed } from '../ports.ts'
import type { Connection, Statement } from './postgres-connection.ts'
import { BEGIN, COMMIT, committed } from './postgres-batch.ts'
import { mapped } from './postgres-errors.ts'
import { deleteLogStatement, oldestRowsStatement, raiseFirstStatement } from './postgres-statements.ts'

const NOTHING: Trimmed = { rows: 0, records: 0 }

/**
 * What goes is chosen before the transaction: the head is held for the deletion alone, some milliseconds, and a head
 * that moved in between is a conflict.
 */
export async function trimLog(connection: Connection, source: string, trim: LogTrim): Promise<Trimmed> {
  const { topic, partition, incarnation, below, before, limitRows } = trim
  const oldest = { text: oldestRowsStatement(source), values: [topic, partition, below, limitRows] }
  const { rows } = await mapped(connection.send(oldest))
  const old = (rows as [number, number, number][]).filter(([, , appendedAt]) => appendedAt < before)
  const [from, to] = [old[0]?.[0], old.at(-1)?.[1]]
  if (from === undefined || to === undefined) return NOTHING
  const statements: readonly Statement[] = [
    BEGIN,
    { text: raiseFirstStatement(source), values: [topic, partition, incarnation, from, to + 1] },
    { text: deleteLogStatement(source), values: [topic, partition, from, to] },
    COMMIT,
  ]
  committed(await connection.burst(statements))
  return { rows: old.length, records: to - from + 1 }
}
