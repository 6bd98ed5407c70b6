// How a record of a log looks on Kafka: a CloudEvent in binary mode, with its place in our log in headers of our own.
import type { LogRecord } from '../log/record.ts'
import type { StrangerCode } from '../parking/stranger-letter.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

/** Names of headers; those of CloudEvents are from its Kafka binding 1.0.2, traceparent from W3C Trace Context. */
export const HEADERS = {
  specVersion: 'ce_specversion',
  id: 'ce_id',
  source: 'ce_source',
  type: 'ce_type',
  time: 'ce_time',
  subject: 'ce_subject',
  contentType: 'content-type',
  correlation: 'ce_correlationid',
  causation: 'ce_causationid',
  traceparent: 'traceparent',
  logId: 'lonja-log-id',
  incarnation: 'lonja-incarnation',
  began: 'lonja-incarnation-first',
  generation: 'lonja-generation',
  topic: 'lonja-topic',
  partition: 'lonja-partition',
  sequence: 'lonja-sequence',
} as const

type HeaderName = keyof typeof HEADERS

/** Names and the values that repeat are made into bytes once: eleven of them a record would cost more than its body. */
const names = Object.fromEntries(Object.entries(HEADERS).map(([name, text]) => [name, Buffer.from(text)])) as Record<
  HeaderName,
  Buffer
>
const VALUES_LIMIT = 10_000
const values = new Map<string, Buffer>()

function repeated(text: string): Buffer {
  let bytes = values.get(text)
  if (bytes === undefined) {
    if (values.size >= VALUES_LIMIT) values.clear()
    values.set(text, (bytes = Buffer.from(text)))
  }
  return bytes
}

/**
 * The record as it goes to the same partition number of the same topic.
 *
 * @param logId of its source.
 * @param began the first sequence of its incarnation; said of all but the first one, which began at 0.
 */
export function toKafka(record: LogRecord, logId: string, began = 0): OutgoingRecord {
  const { topic, partition, source, sequence, incarnation, appendedAt, traceparent } = record
  const key = Buffer.from(record.key)
  const headers = new Map<Buffer, Buffer>([
    [names.specVersion, repeated('1.0')],
    [names.id, Buffer.from(`${incarnation}/${topic}/${partition}/${sequence}`)],
    [names.source, repeated(source)],
    [names.type, repeated(record.type)],
    [names.time, Buffer.from(new Date(appendedAt).toISOString())],
    [names.subject, key],
    [names.contentType, repeated('application/json')],
    [names.correlation, Buffer.from(record.correlation)],
    [names.causation, Buffer.from(record.cause)],
    [names.logId, repeated(logId)],
    [names.incarnation, repeated(String(incarnation))],
    [names.generation, repeated(String(record.generation))],
    [names.topic, repeated(topic)],
    [names.partition, repeated(String(partition))],
    [names.sequence, Buffer.from(String(sequence))],
  ])
  if (incarnation > 1) headers.set(names.began, repeated(String(began)))
  if (traceparent !== undefined) headers.set(names.traceparent, Buffer.from(traceparent))
  const value = Buffer.from(JSON.stringify(record.data))
  return { topic, partition, key, value, headers, timestamp: BigInt(appendedAt) }
}

/** A record as a fetch brings it. */
export interface FetchedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer | null, Buffer | null])[]
  readonly timestamp: number
}

/** A record in one of our topics that the relay did not put there, or not so. */
export interface Stranger {
  readonly stranger: string
  readonly code: StrangerCode
}

export interface RelayedRecord extends LogRecord {
  readonly logId: string
  /** Where its incarnation began; undefined where it does not say. */
  readonly began: number | undefined
}

/** Reads a record back; what is not ours, or lies elsewhere than it says, is told with the reason. */
export function fromKafka(fetched: FetchedRecord): RelayedRecord | Stranger {
  const texts = new Map(fetched.headers.map(([name, value]) => [name?.toString() ?? '', value?.toString() ?? '']))
  const text = (name: HeaderName): string => texts.get(HEADERS[name]) ?? ''
  const missing = NEEDED.filter((name) => text(name) === '').map((name) => HEADERS[name])
  if (missing.length > 0) return { stranger: `it has no ${missing.join(', ')}`, code: 'KAFKA_NO_HEADERS' }
  const numbers = Object.fromEntries(WHOLE.map((name) => [name, wholeNumber(text(name))])) as Record<
    (typeof WHOLE)[number],
    number
  >
  const wrong = WHOLE.find((name) => Number.isNaN(numbers[name]))
  if (wrong !== undefined) {
    return { stranger: `its ${HEADERS[wrong]} is no whole number`, code: 'KAFKA_BROKEN_HEADERS' }
  }
  if (text('topic') !== fetched.topic || numbers.partition !== fetched.partition) {
    return { stranger: `it was written for ${text('topic')}/${numbers.partition}`, code: 'KAFKA_WRONG_PLACE' }
  }
  const data = parsed(fetched.value)
  if (data === undefined) return { stranger: 'its body is no JSON', code: 'KAFKA_NO_JSON' }
  const traceparent = texts.get(HEADERS.traceparent)
  return {
    type: text('type'),
    key: fetched.key?.toString() ?? '',
    data,
    correlation: text('correlation'),
    cause: text('causation'),
    traceparent,
    source: text('source'),
    topic: fetched.topic,
    logId: text('logId'),
    began: text('began') === '' ? undefined : Number(text('began')),
    ...numbers,
    appendedAt: fetched.timestamp,
  }
}

const NEEDED = ['source', 'type', 'correlation', 'causation', 'logId', 'topic', 'partition', 'sequence'] as const
const WHOLE = ['partition', 'sequence', 'incarnation', 'generation'] as const

function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
}

function parsed(value: Buffer | null): unknown {
  if (value === null) return undefined
  try {
    return JSON.parse(value.toString()) as unknown
  } catch {
    return undefined
  }
}
