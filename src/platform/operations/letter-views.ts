// Dead letters and their causes as the API shows them: times as text, places as positions, bodies only where asked for.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import type { RecordBody } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import { deadLetterHeaders } from '../parking/dead-letter-headers.ts'
import type { FoundLetter, LetterCause, ListedLetter } from './letters.ts'
import { causeId } from './letters.ts'
import { LETTER_STATUSES } from './letter-filter.ts'

const faultClass = z.enum(['transient', 'permanent', 'undecodable', 'unknown'])
const moment = z.string()

const listedFields = {
  id: z.string(),
  service: z.string(),
  group: z.string().describe('The consumer group that gave it up.'),
  handler: z.string().describe('The handler that failed.'),
  type: z.string(),
  topic: z.string(),
  position: z.string().describe('Where its record lies: source/topic/partition/sequence.'),
  keyName: z.string().describe('The field that the key stands in; empty for a message without a key.'),
  key: z.string(),
  faultClass,
  code: z.string(),
  message: z.string().describe('What was thrown, without personal data.'),
  cause: z.string().describe('The id of its cause: letters of one group, handler, type, class and code share it.'),
  status: z.enum(LETTER_STATUSES),
  attempts: z.int().describe('Tries so far, those of its redrives included.'),
  redriveCount: z.int(),
  firstFailedAt: moment,
  lastFailedAt: moment,
  diedAt: moment,
  reason: z.string().nullable().describe('Why a person decided as he did.'),
  editedFrom: z.string().nullable().describe('The dead letter that this message was made of by an edit.'),
}

export const ListedLetterAnswer = z.object(listedFields)
export const LetterAnswer = z.object({
  ...listedFields,
  stack: z.string(),
  correlation: z.string().describe('What the whole chain is about, such as the id of an order.'),
  story: z.string().nullable().describe('Where the story of the correlation is, for what has one.'),
  waitingBehind: z.int().describe('Messages of its key that wait in the queue.'),
  record: z.object({
    key: z.string(),
    value: z.unknown().describe('The body of the message; it may hold personal data.'),
    headers: z.record(z.string(), z.string()).describe('Ours, and the names of Spring for Apache Kafka.'),
    text: z.string().describe('The record as the log stored it, byte for byte.'),
    cause: z.string(),
    traceparent: z.string().nullable(),
    appendedAt: moment,
    generation: z.int(),
    incarnation: z.int(),
  }),
})
export const CauseAnswer = z.object({
  id: z.string().describe('Names the cause in a redrive.'),
  group: z.string(),
  handler: z.string(),
  type: z.string(),
  faultClass,
  code: z.string(),
  message: z.string().describe('That of one of its letters.'),
  count: z.int(),
  keys: z.int(),
  firstAt: moment.describe('When the first message of it failed first.'),
  lastAt: moment.describe('When the last one died.'),
})

export function listedView(letter: ListedLetter) {
  const { failure, firstFailedAt, lastFailedAt, diedAt, group, type } = letter
  const { handler, faultClass, code, message } = failure
  const { id, service, topic, keyName, key, status, attempts, redriveCount, reason, editedFrom } = letter
  return {
    id,
    service,
    group,
    handler,
    type,
    topic,
    position: positionOf(letter),
    keyName,
    key,
    faultClass,
    code,
    message,
    cause: causeId({ group, handler, type, faultClass, code }),
    status,
    attempts,
    redriveCount,
    firstFailedAt: momentOf(firstFailedAt),
    lastFailedAt: momentOf(lastFailedAt),
    diedAt: momentOf(diedAt),
    reason,
    editedFrom,
  }
}

/** What is told of a letter besides its own row. */
export interface Surroundings {
  readonly story: string | null
  readonly waitingBehind: number
}

export function letterView(letter: FoundLetter, surroundings: Surroundings) {
  const { key, data, correlation, cause, traceparent } = JSON.parse(letter.record) as RecordBody
  return {
    ...listedView(letter),
    stack: letter.failure.stack,
    correlation: correlation ?? key,
    ...surroundings,
    record: {
      key,
      value: data,
      headers: deadLetterHeaders(letter),
      text: letter.record,
      cause,
      traceparent: traceparent ?? null,
      appendedAt: momentOf(letter.appendedAt),
      generation: letter.generation,
      incarnation: letter.incarnation,
    },
  }
}

export function causeView({ firstAt, lastAt, ...cause }: LetterCause) {
  return { ...cause, firstAt: momentOf(firstAt), lastAt: momentOf(lastAt) }
}
