// Parked keys over HTTP, for operators: which keys wait, why, and what waits behind them.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Route } from '../../kernel/route.ts'
import { get } from '../../kernel/route.ts'
import type { RecordBody } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { ParkedMessage } from '../parking/parked-message.ts'
import { filterInput } from './letter-filter.ts'
import type { LetterPlace } from './letters.ts'
import type { ListedKey } from './parked-keys.ts'
import { findKey, listKeys, listQueue } from './parked-keys.ts'

/** A message without a key is parked alone; a path can't hold an empty name. */
const NO_NAME = '-'

const state = z.enum(['retrying', 'held'])
const keyFields = {
  service: z.string(),
  group: z.string(),
  keyName: z.string().describe('The field that the key stands in; - for a message without a key.'),
  key: z.string(),
  state: state.describe('retrying: its first message is tried again. held: a dead letter holds it for a person.'),
  attempts: z.int().describe('Tries of its first message so far.'),
  nextTry: z.string().nullable().describe('When its first message is tried again; null while it is held.'),
  messages: z.int().describe('How many wait, the one that is tried included.'),
  firstFailedAt: z.string(),
  parkedAt: z.string(),
  code: z.string().nullable().describe('What its first message, or the dead letter that holds it, failed with.'),
  handler: z.string().nullable(),
}
const KeyAnswer = z.object(keyFields)
const MessageAnswer = z.object({
  place: z.int().describe('Its place in the queue.'),
  type: z.string(),
  topic: z.string(),
  position: z.string().describe('Where its record lies: source/topic/partition/sequence.'),
  correlation: z.string(),
  attempts: z.int(),
  lastFailedAt: z.string().nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
  deadLetter: z.string().nullable().describe('The dead letter that was redriven, where it is one.'),
  value: z.unknown().describe('The body of the message; it may hold personal data.'),
  text: z.string().describe('The record as the log stored it, byte for byte.'),
})
const params = z.object({ group: z.string(), keyName: z.string(), key: z.string() })

export function parkedRoutes({ letterPlaces: places }: { readonly letterPlaces: readonly LetterPlace[] }) {
  const routes: readonly Route[] = [
    get('/v1/ops/parked', {
      summary: 'List parked keys, those first that wait longest, without bodies.',
      role: 'operator',
      query: z.object({
        group: filterInput.group,
        state: state.optional(),
        key: filterInput.key,
        code: filterInput.code,
        ...pageQuery(['number', 'string', 'string', 'string']),
      }),
      answers: { 200: pageShape(KeyAnswer) },
      handle: async ({ query: { after, limit, ...filter } }) => {
        const page = await listKeys(places, filter, { after, limit })
        return { status: 200, body: { ...page, items: page.items.map(keyView) } }
      },
    }),
    get('/v1/ops/parked/:group/:keyName/:key', {
      summary: 'Look into a parked key: its state, and the messages that wait, in their order.',
      role: 'operator',
      params,
      query: z.object(pageQuery(['number'])),
      answers: { 200: z.object({ ...keyFields, queue: pageShape(MessageAnswer) }) },
      codes: ['PARKED_KEY_NOT_FOUND'],
      handle: async ({ params: { group, keyName, key }, query: { after, limit } }) => {
        const name = { group, keyName: keyName === NO_NAME ? '' : keyName, key }
        const found = await findKey(places, name)
        if (found === undefined) throw new Refusal('PARKED_KEY_NOT_FOUND', { group })
        const queue = await listQueue(places, found, { after, limit })
        return { status: 200, body: { ...keyView(found), queue: { ...queue, items: queue.items.map(messageView) } } }
      },
    }),
  ]
  return routes
}

export function keyView({ service, group, keyName, key, attempts, messages, code, handler, ...parked }: ListedKey) {
  return {
    service,
    group,
    keyName: keyName === '' ? NO_NAME : keyName,
    key,
    state: parked.state,
    attempts,
    nextTry: parked.state === 'held' ? null : momentOf(parked.due),
    messages,
    firstFailedAt: momentOf(parked.firstFailedAt),
    parkedAt: momentOf(parked.parkedAt),
    code,
    handler,
  }
}

function messageView(message: ParkedMessage) {
  const { position, type, topic, attempts, lastFailedAt, failure, deadLetter, record } = message
  const { key, data, correlation } = JSON.parse(record) as RecordBody
  return {
    place: position,
    type,
    topic,
    position: positionOf(message),
    correlation: correlation ?? key,
    attempts,
    lastFailedAt: lastFailedAt === null ? null : momentOf(lastFailedAt),
    code: failure?.code ?? null,
    message: failure?.message ?? null,
    deadLetter,
    value: data,
    text: record,
  }
}
