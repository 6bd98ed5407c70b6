// The copy of a parked or dead message as other tools find it on Kafka: its body, and in headers what happened to it.
import type { RecordBody } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import { deadLetterHeaders } from '../parking/dead-letter-headers.ts'
import { deadLetterOf } from '../parking/dead-letter.ts'
import type { Mirrored } from '../parking/mirror-row.ts'
import type { ParkedMessage, StoredRecord } from '../parking/parked-message.ts'
import { STRANGER_TYPE, strangeBytes } from '../parking/stranger-letter.ts'
import { MIRROR_HEADER, mirrorTopicName } from './mirror-topics.ts'
import { HEADERS } from './record-headers.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

/** Of a message that waits: what a letter would tell of its death is left out. */
const OF_LETTERS_ALONE: ReadonlySet<string> = new Set(['x-dead-letter-id', 'x-failure-kind'])
/** What its last try came to: a message that waits behind another one was never tried. */
const OF_TRIES: ReadonlySet<string> = new Set([
  'x-first-failed-at',
  'x-last-failed-at',
  'x-error-class',
  'x-error-code',
  'x-error-message',
  'x-stack',
  'x-handler',
])
/** As `org.springframework.kafka.listener.DeadLetterPublishingRecoverer` writes them: big-endian numbers. */
const SPRING_INTEGERS: ReadonlySet<string> = new Set(['kafka_dlt-original-partition'])
const SPRING_LONGS: ReadonlySet<string> = new Set(['kafka_dlt-original-offset', 'kafka_dlt-original-timestamp'])

export function mirrorRecord(mirrored: Mirrored): OutgoingRecord {
  const stored: StoredRecord = mirrored.kind === 'retry' ? mirrored.message : mirrored.letter
  const facts = mirrored.kind === 'retry' ? waitingHeaders(mirrored.message) : deadLetterHeaders(mirrored.letter)
  const body = JSON.parse(stored.record) as RecordBody
  const isStrange = stored.type === STRANGER_TYPE
  const { key, value } = isStrange
    ? strangeBytes(body.data)
    : { key: Buffer.from(body.key), value: Buffer.from(JSON.stringify(body.data)) }
  const headers = new Map<Buffer, Buffer>([[Buffer.from(MIRROR_HEADER), Buffer.from(mirrored.kind)]])
  const told: Readonly<Record<string, string>> = isStrange ? {} : eventHeaders(stored, body)
  for (const [name, text] of Object.entries({ ...told, ...facts })) headers.set(Buffer.from(name), bytesOf(name, text))
  return {
    topic: mirrorTopicName(stored.topic, mirrored.kind),
    partition: 0,
    key: key ?? Buffer.alloc(0),
    value: value ?? Buffer.alloc(0),
    headers,
    timestamp: BigInt(mirrored.kind === 'retry' ? mirrored.message.parkedAt : mirrored.letter.diedAt),
  }
}

/** The event is the same one, so its id is: without the numbers by which readers of the log's topic count. */
function eventHeaders(stored: StoredRecord, { key, type, correlation = key, cause, traceparent }: RecordBody) {
  const { topic, partition, sequence, incarnation, source, appendedAt } = stored
  return {
    [HEADERS.specVersion]: '1.0',
    [HEADERS.id]: `${incarnation}/${topic}/${partition}/${sequence}`,
    [HEADERS.source]: source,
    [HEADERS.type]: type,
    [HEADERS.time]: new Date(appendedAt).toISOString(),
    [HEADERS.subject]: key,
    [HEADERS.contentType]: 'application/json',
    [HEADERS.correlation]: correlation,
    [HEADERS.causation]: cause,
    ...(traceparent === undefined ? {} : { [HEADERS.traceparent]: traceparent }),
    'x-event-id': positionOf(stored),
  }
}

function waitingHeaders(message: ParkedMessage): Readonly<Record<string, string>> {
  const letter = deadLetterOf(message, { id: message.deadLetter ?? '', now: message.parkedAt, before: undefined })
  const isTried = message.failure !== undefined
  return Object.fromEntries(
    Object.entries(deadLetterHeaders(letter)).filter(
      ([name]) => !name.startsWith('kafka_dlt-') && !OF_LETTERS_ALONE.has(name) && (isTried || !OF_TRIES.has(name)),
    ),
  )
}

function bytesOf(name: string, text: string): Buffer {
  if (SPRING_INTEGERS.has(name)) {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(Number(text))
    return bytes
  }
  if (!SPRING_LONGS.has(name)) return Buffer.from(text)
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(text))
  return bytes
}
