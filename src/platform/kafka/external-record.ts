// A record of somebody else's topic as a message of ours: its offset is its number, and nobody else's headers count.
import type { MessageInfo } from '../../kernel/message.ts'
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import type { FetchedRecord, RelayedRecord, Stranger } from './record-headers.ts'

/** W3C Trace Context, as its authors' libraries write it. */
const TRACEPARENT = 'traceparent'
/** No database of ours keeps U+0000, or half of a character: JSON writes both as escapes. */
const NOT_STORABLE = /\\u0000|\\ud[89a-f]/i

/** What is no JSON is no message; whether a body fits the schema its handler finds out. */
export function fromOutside(fetched: FetchedRecord, info: MessageInfo, topicId: string): RelayedRecord | Stranger {
  const { topic, partition, value, headers, timestamp } = fetched
  const sequence = Number(fetched.offset)
  const data = parsed(value)
  if (data === undefined) return { stranger: 'its body is no JSON', code: 'KAFKA_NO_JSON' }
  if (NOT_STORABLE.test(JSON.stringify(data))) {
    return { stranger: 'its body holds U+0000 or half of a character', code: 'KAFKA_NO_JSON' }
  }
  const key = keyIn(fetched, info, data)
  const traceparent = headers.find(([name]) => name?.toString() === TRACEPARENT)?.[1]?.toString()
  return {
    type: info.type,
    key,
    data,
    correlation: key === '' ? `${topic}/${partition}/${sequence}` : key,
    cause: `${EXTERNAL_SOURCE}/${topic}/${partition}/${sequence}`,
    traceparent,
    source: EXTERNAL_SOURCE,
    topic,
    partition,
    logId: topicId,
    generation: 1,
    incarnation: 1,
    began: undefined,
    sequence,
    appendedAt: Math.max(0, timestamp),
  }
}

/** The body's own, as the contract says; where that is missing Kafka's, so that it dies beside its neighbours. */
function keyIn({ key }: FetchedRecord, { key: field }: MessageInfo, data: unknown): string {
  const own = Object(data) as Readonly<Record<string, unknown>>
  const value = own[field]
  if (typeof value === 'string') return value
  const text = key?.toString() ?? ''
  return text.includes('\u0000') ? '' : text.toWellFormed()
}

function parsed(value: Buffer | null): unknown {
  if (value === null) return undefined
  try {
    return JSON.parse(value.toString()) as unknown
  } catch {
    return undefined
  }
}
