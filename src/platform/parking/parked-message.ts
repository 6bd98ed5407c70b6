// A message that waits in the queue of a parked key: the record as it was, and what its tries came to.
import type { LogRecord, RecordBody } from '../log/record.ts'
import { bodyTextOf } from '../log/record.ts'
import type { Cell, Row, Table } from '../ports.ts'
import type { Failure } from './failure.ts'
import type { KeyName } from './parked-key.ts'

/** Where a record lay and what it was. */
export interface StoredRecord {
  readonly topic: string
  readonly source: string
  readonly partition: number
  readonly generation: number
  readonly incarnation: number
  readonly sequence: number
  readonly appendedAt: number
  readonly type: string
  /** The stored text of its body, byte for byte. */
  readonly record: string
}

export interface ParkedMessage extends KeyName, StoredRecord {
  /** Its place in the queue; they rise, with holes where dead ones were taken out. */
  readonly position: number
  readonly attempts: number
  readonly firstFailedAt: number | null
  readonly lastFailedAt: number | null
  /** Of its last try; undefined for one that was never tried. */
  readonly failure: Failure | undefined
  readonly parkedAt: number
  /** The dead letter that it was redriven from. */
  readonly deadLetter: string | null
}

export function storedRecordOf(record: LogRecord): StoredRecord {
  const { topic, source, partition, generation, incarnation, sequence, appendedAt, type } = record
  const place = { topic, source, partition, generation, incarnation, sequence, appendedAt, type }
  return { ...place, record: bodyTextOf(record) }
}

/** The record as the log had it. @throws when its text is no record. */
export function recordOf({ record, ...place }: StoredRecord): LogRecord {
  const { type, key, data, correlation, cause, traceparent } = JSON.parse(record) as RecordBody
  const { topic, source, partition, generation, incarnation, sequence, appendedAt } = place
  const at = { topic, source, partition, generation, incarnation, sequence, appendedAt }
  return { type, key, data, correlation: correlation ?? key, cause, traceparent, ...at }
}

export function recordCells(stored: StoredRecord): Row {
  const { topic, source, partition, generation, incarnation, sequence, appendedAt, type, record } = stored
  return [topic, source, partition, generation, incarnation, sequence, appendedAt, type, record]
}

export function messageKey({ group, keyName, key, position }: ParkedMessage): Row {
  return [group, keyName, key, position]
}

export function messageCells(message: ParkedMessage): Row {
  const { attempts, firstFailedAt, lastFailedAt, failure, parkedAt, deadLetter } = message
  return [
    ...messageKey(message),
    ...recordCells(message),
    attempts,
    firstFailedAt,
    lastFailedAt,
    failure?.faultClass ?? null,
    failure?.code ?? null,
    failure?.message ?? null,
    failure?.stack ?? null,
    failure?.handler ?? null,
    parkedAt,
    deadLetter,
  ]
}

/** A row as `Store.query` gives it, by its columns' names. */
export type StoredRow = Readonly<Record<string, Cell>>

/** A row that `Transaction.load` gave, by its columns' names. */
export function storedRowOf({ columns }: Table, cells: Row): StoredRow {
  return Object.fromEntries(columns.map(({ name }, at) => [name, cells[at] ?? null]))
}

export function storedRecordIn(row: StoredRow): StoredRecord {
  return {
    topic: String(row['topic']),
    source: String(row['source']),
    partition: Number(row['partition']),
    generation: Number(row['generation']),
    incarnation: Number(row['incarnation']),
    sequence: Number(row['sequence']),
    appendedAt: Number(row['appended_at']),
    type: String(row['type']),
    record: String(row['record']),
  }
}

export function failureIn(row: StoredRow): Failure | undefined {
  if (row['code'] === null) return undefined
  return {
    faultClass: String(row['fault_class']) as Failure['faultClass'],
    code: String(row['code']),
    message: String(row['message']),
    stack: String(row['stack']),
    handler: String(row['handler']),
  }
}

export function parkedMessageOf(row: StoredRow): ParkedMessage {
  const moment = (name: string) => (row[name] === null ? null : Number(row[name]))
  return {
    group: String(row['consumer_group']),
    keyName: String(row['key_name']),
    key: String(row['key']),
    position: Number(row['position']),
    ...storedRecordIn(row),
    attempts: Number(row['attempts']),
    firstFailedAt: moment('first_failed_at'),
    lastFailedAt: moment('last_failed_at'),
    failure: failureIn(row),
    parkedAt: Number(row['parked_at']),
    deadLetter: row['dead_letter'] === null ? null : String(row['dead_letter']),
  }
}
