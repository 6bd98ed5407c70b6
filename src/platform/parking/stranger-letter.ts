// A record on Kafka that nobody here can read as a message: kept among the dead letters, byte for byte.
import { createHash } from 'node:crypto'
import type { RecordBody } from '../log/record.ts'
import type { DeadLetter } from './dead-letter.ts'

/**
 * Why a record is none of ours, as the code of its letter. The names are in lists and filters: they do not change.
 *
 * - KAFKA_NO_HEADERS: no relay wrote it. KAFKA_BROKEN_HEADERS: its numbers are none.
 * - KAFKA_WRONG_PLACE: written for another topic or partition. KAFKA_NO_JSON: its body can not be read.
 * - KAFKA_UNKNOWN_MESSAGE: sent by hand to a retry topic, as a message that no contract has.
 */
export type StrangerCode =
  | 'KAFKA_NO_HEADERS'
  | 'KAFKA_BROKEN_HEADERS'
  | 'KAFKA_WRONG_PLACE'
  | 'KAFKA_NO_JSON'
  | 'KAFKA_UNKNOWN_MESSAGE'

/** No contract declares it: whatever reads the letter's record as a message finds that nobody handles it. */
export const STRANGER_TYPE = 'KafkaRecord'
/** Stands for the service that appended it: nobody knows who wrote it. */
export const STRANGER_SOURCE = 'kafka'

/** Whether a letter holds a record that is no message, which nobody can handle however often it is sent. */
export function isStrangerCode(code: string): boolean {
  return code.startsWith('KAFKA_')
}

/** The record as Kafka has it, and what is wrong with it. */
export interface StrangeRecord {
  readonly topic: string
  /** Tells a topic from one that was made anew under its name. */
  readonly topicId: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer | null, Buffer | null])[]
  readonly code: StrangerCode
  /** A sentence without personal data. */
  readonly why: string
}

/** What the letter's body shows of it: text where it is text, and the bytes as base64 in any case. */
interface ShownRecord {
  readonly keyBase64: string | null
  readonly valueBase64: string | null
  readonly valueText: string | null
  readonly headers: readonly { readonly name: string; readonly text: string | null; readonly base64: string | null }[]
  readonly timestamp: number
}

/** The same record has the same letter, however often it is found. */
export function strangerId({ topicId, partition, offset }: StrangeRecord): string {
  const hash = createHash('sha256').update(`${topicId}/${partition}/${offset}`).digest('hex')
  // Version 8 of RFC 9562: an id whose maker says what its bits are.
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

export function strangerLetter(record: StrangeRecord, { group, now }: { group: string; now: number }): DeadLetter {
  const { topic, partition, code, why } = record
  const sequence = Number(record.offset)
  const body: RecordBody = {
    type: STRANGER_TYPE,
    key: textOf(record.key) ?? '',
    data: shown(record),
    cause: `${STRANGER_SOURCE}/${topic}/${partition}/${sequence}`,
  }
  return {
    id: strangerId(record),
    version: 1,
    group,
    // It waits behind nobody, and nobody waits behind it.
    keyName: '',
    key: body.cause,
    position: 1,
    topic,
    source: STRANGER_SOURCE,
    partition,
    generation: 1,
    incarnation: 1,
    sequence,
    appendedAt: Math.max(0, record.timestamp),
    type: STRANGER_TYPE,
    record: JSON.stringify(body),
    attempts: 1,
    firstFailedAt: now,
    lastFailedAt: now,
    failure: { faultClass: 'undecodable', code, message: why, stack: '', handler: '' },
    parkedAt: now,
    diedAt: now,
    status: 'dead',
    redriveCount: 0,
    reason: null,
    editedFrom: null,
  }
}

function shown({ key, value, headers, timestamp }: StrangeRecord): ShownRecord {
  return {
    keyBase64: base64(key),
    valueBase64: base64(value),
    valueText: textOf(value) ?? null,
    headers: headers.map(([name, text]) => {
      return { name: textOf(name) ?? base64(name) ?? '', text: textOf(text) ?? null, base64: base64(text) }
    }),
    timestamp,
  }
}

/** The bytes that the letter of a stranger holds. */
export function strangeBytes(data: unknown): { readonly key: Buffer | null; readonly value: Buffer | null } {
  const { keyBase64, valueBase64 } = data as ShownRecord
  const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))
  return { key: bytes(keyBase64), value: bytes(valueBase64) }
}

function base64(bytes: Buffer | null): string | null {
  return bytes?.toString('base64') ?? null
}

/** Undefined where the bytes are no text that every database keeps. */
function textOf(bytes: Buffer | null): string | undefined {
  if (bytes === null || bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
