// The headers of a dead letter: complete, in our names and in Spring's, and without holes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { deadLetterHeaders } from './dead-letter-headers.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterIn } from './dead-letter.ts'

async function someLetter(): Promise<DeadLetter> {
  const ledger = await startTroubledLedger({ bad: ['a'], thrown: () => new TypeError('the account is closed') })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const [row] = await ledger.rows('dead_letters')
  await ledger.stop()
  assert.ok(row !== undefined)
  return deadLetterIn(row)
}

test('a letter is told in the names of Spring for Apache Kafka 3 and 4, all that apply', async () => {
  const letter = await someLetter()
  const headers = deadLetterHeaders(letter)
  const springs = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('kafka_')))
  assert.match(letter.failure.stack, /^at /)
  assert.deepEqual(springs, {
    'kafka_dlt-original-topic': letter.topic,
    'kafka_dlt-original-partition': String(letter.partition),
    'kafka_dlt-original-offset': '0',
    'kafka_dlt-original-timestamp': String(letter.appendedAt),
    'kafka_dlt-original-timestamp-type': 'LogAppendTime',
    'kafka_dlt-original-consumer-group': 'ledger',
    'kafka_dlt-exception-fqcn': 'TypeError',
    'kafka_dlt-exception-cause-fqcn': 'TypeError',
    'kafka_dlt-exception-message': 'the account is closed',
    'kafka_dlt-exception-stacktrace': letter.failure.stack,
  })
})

test('our own names say the rest', async () => {
  const letter = await someLetter()
  const headers = deadLetterHeaders(letter)
  const own = (name: string) => headers[`x-${name}`]
  assert.deepEqual(
    [own('dead-letter-id'), own('event-id'), own('original-key'), own('consumer-group'), own('handler')],
    [letter.id, `desk/${letter.topic}/${letter.partition}/0`, 'a', 'ledger', letter.failure.handler],
  )
  assert.deepEqual(
    [own('attempt'), own('error-class'), own('error-code'), own('failure-kind'), own('redrive-count')],
    ['1', 'permanent', 'TypeError', 'not-retried', '0'],
  )
  assert.deepEqual(
    [own('first-failed-at'), own('last-failed-at')],
    [String(letter.firstFailedAt), String(letter.lastFailedAt)],
  )
})

test('what is empty has no header, and a message without a key has no key', async () => {
  const letter = await someLetter()
  const failure = { ...letter.failure, message: '', stack: '', faultClass: 'transient' } as const
  const headers = deadLetterHeaders({ ...letter, keyName: '', key: 'ledger/x/0/0', failure })
  const names = Object.keys(headers)
  assert.deepEqual(
    names.filter((name) => /message|stack|original-key/.test(name)),
    [],
  )
  assert.equal(headers['x-failure-kind'], 'budget-spent')
})
