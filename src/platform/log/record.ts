// A record of the log: a message with where it lies, when it was appended and what caused it.
import type { LogRow } from '../ports.ts'

/** What is stored of a record; the rest (sequence, time, identity) is its row's. */
export interface RecordBody {
  readonly type: string
  readonly key: string
  readonly data: unknown
  /** What the whole chain is about; left out where it equals the key. */
  readonly correlation?: string
  /** The position of the record, or the input, that led to this one. */
  readonly cause: string
  readonly traceparent?: string | undefined
}

export interface LogRecord {
  readonly type: string
  readonly key: string
  readonly data: unknown
  readonly correlation: string
  readonly cause: string
  readonly traceparent: string | undefined
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly generation: number
  readonly incarnation: number
  readonly sequence: number
  readonly appendedAt: number
}

/** The record's address, unique in its log: also the id of its CloudEvent. */
export function positionOf(record: Pick<LogRecord, 'source' | 'topic' | 'partition' | 'sequence'>): string {
  return `${record.source}/${record.topic}/${record.partition}/${record.sequence}`
}

/** The records of a row from a sequence on. */
export function recordsOf(source: string, row: LogRow, from: number): LogRecord[] {
  const bodies = row.record === undefined ? (JSON.parse(row.body) as RecordBody[]) : [row.record]
  const records: LogRecord[] = []
  for (let index = Math.max(0, from - row.first); index < bodies.length; index += 1) {
    const body = bodies[index]
    if (body === undefined) continue
    records.push({
      type: body.type,
      key: body.key,
      data: body.data,
      correlation: body.correlation ?? body.key,
      cause: body.cause,
      traceparent: body.traceparent,
      source,
      topic: row.topic,
      partition: row.partition,
      generation: row.generation,
      incarnation: row.incarnation,
      sequence: row.first + index,
      appendedAt: row.appendedAt,
    })
  }
  return records
}

/** The text that the log stores of a record: the same bytes, whether it was just made or read back. */
export function bodyTextOf({
  type,
  key,
  data,
  correlation,
  cause,
  traceparent,
}: Pick<LogRecord, 'type' | 'key' | 'data' | 'correlation' | 'cause' | 'traceparent'>): string {
  // JSON leaves out what is undefined; leaving it out here would cost a copy a record.
  return JSON.stringify({
    type,
    key,
    data,
    correlation: correlation === key ? undefined : correlation,
    cause,
    traceparent,
  })
}
