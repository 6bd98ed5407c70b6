// The record that ends a generation in a partition: what comes behind it was placed by another count of partitions.
import { bodyTextOf, type LogRecord } from './record.ts'

/** Its type, in the log and on Kafka; no service declares a message of this name, and other consumers skip it. */
export const BARRIER = 'lonja.barrier'

export interface Barrier {
  /** The generation that begins behind it. */
  readonly generation: number
  /** How many partitions that one has. */
  readonly partitions: number
  /** How many the generation before it has: each of them ends with such a record. */
  readonly before: number
}

/**
 * The body of a log row that holds a barrier alone. It has no key, as it concerns every key of its partition; a record
 * on Kafka without a correlation would be taken for none of ours.
 */
export function barrierBody(barrier: Barrier, cause: string): string {
  const told = { type: BARRIER, key: '', correlation: BARRIER, cause, traceparent: undefined }
  return `[${bodyTextOf({ ...told, data: barrier })}]`
}

/** The generation that begins behind a barrier. */
export function generationBehind({ data }: Pick<LogRecord, 'data'>): number {
  return (data as Barrier).generation
}
