// Records go to Kafka and come back as they were; what no relay put there is told, with the reason.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LogRecord } from '../log/record.ts'
import { fromKafka, HEADERS, toKafka, type FetchedRecord, type RelayedRecord } from './record-headers.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

const logId = '0f9d2c1e-4a55-4c59-9a53-1f8f0f4cf3a1'

const placed: LogRecord = {
  type: 'OrderPlaced',
  key: 'order-1',
  data: { orderId: 'order-1', total: '12.50' },
  correlation: 'order-1',
  cause: 'http POST /v1/orders 4711',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  source: 'orders',
  topic: 'orders.events',
  partition: 3,
  generation: 2,
  incarnation: 4,
  sequence: 1234,
  appendedAt: Date.UTC(2026, 1, 1, 12, 30, 15, 250),
}

/** As a broker hands it back. */
function fetchedOf({ topic, partition, key, value, headers, timestamp }: OutgoingRecord): FetchedRecord {
  return { topic, partition, offset: 99n, key, value, headers: [...headers], timestamp: Number(timestamp) }
}

const fetched = (): FetchedRecord => fetchedOf(toKafka(placed, logId, 900))

function without(name: string): FetchedRecord {
  return { ...fetched(), headers: fetched().headers.filter(([header]) => header?.toString() !== name) }
}

function withHeader(name: string, text: string): FetchedRecord {
  const headers = [...without(name).headers, [Buffer.from(name), Buffer.from(text)] as const]
  return { ...fetched(), headers }
}

function strangerIn(record: FetchedRecord): string {
  const read = fromKafka(record)
  return 'stranger' in read ? read.stranger : assert.fail(`taken for one of ours: ${JSON.stringify(read)}`)
}

function reasonsFor(name: keyof typeof HEADERS, texts: readonly string[]): readonly string[] {
  return texts.map((text) => strangerIn(withHeader(HEADERS[name], text)))
}

test('a record on Kafka is a CloudEvent with its place in the log beside it', () => {
  const { topic, partition, key, value, headers, timestamp } = toKafka(placed, logId, 900)
  assert.deepEqual(
    { topic, partition, key: key.toString(), timestamp },
    { topic: 'orders.events', partition: 3, key: 'order-1', timestamp: BigInt(placed.appendedAt) },
  )
  assert.equal(value.toString(), '{"orderId":"order-1","total":"12.50"}')
  const texts = Object.fromEntries([...headers].map(([name, text]) => [name.toString(), text.toString()]))
  assert.deepEqual(texts, {
    ce_specversion: '1.0',
    ce_id: '4/orders.events/3/1234',
    ce_source: 'orders',
    ce_type: 'OrderPlaced',
    ce_time: '2026-02-01T12:30:15.250Z',
    ce_subject: 'order-1',
    'content-type': 'application/json',
    ce_correlationid: 'order-1',
    ce_causationid: 'http POST /v1/orders 4711',
    traceparent: placed.traceparent,
    'lonja-log-id': logId,
    'lonja-incarnation': '4',
    'lonja-incarnation-first': '900',
    'lonja-generation': '2',
    'lonja-topic': 'orders.events',
    'lonja-partition': '3',
    'lonja-sequence': '1234',
  })
})

test('it comes back as it went', () => {
  assert.deepEqual(fromKafka(fetched()), { ...placed, logId, began: 900 })
})

const untraced: LogRecord = { ...placed, traceparent: undefined }

test('one that nobody traces has no such header, and none when it comes back', () => {
  const record = fetchedOf(toKafka(untraced, logId, 900))
  assert.ok(!record.headers.some(([name]) => name?.toString() === 'traceparent'))
  assert.deepEqual(fromKafka(record), { ...untraced, logId, began: 900 })
})

/** Lone surrogates are refused at the door, and so have no bytes. */
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
const whole = fc.oneof(fc.nat(), fc.constantFrom(0, 999_999_999_999_999))
const anyRecord = fc.record<LogRecord>({
  type: text,
  key: fc.string({ unit: 'grapheme', maxLength: 30 }),
  data: fc.jsonValue({ stringUnit: 'grapheme' }).map((data) => JSON.parse(JSON.stringify(data)) as unknown),
  correlation: text,
  cause: text,
  traceparent: fc.option(text, { nil: undefined }),
  source: text,
  topic: text,
  partition: fc.nat({ max: 10_000 }),
  generation: whole,
  incarnation: whole,
  sequence: whole,
  appendedAt: fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }).map(Number),
})

test('any record comes back as it went, in whatever script it is written', () => {
  fc.assert(
    fc.property(anyRecord, text, whole, (record, id, first) => {
      const began = record.incarnation > 1 ? first : undefined
      const expected: RelayedRecord = { ...record, logId: id, began }
      assert.deepEqual(fromKafka(fetchedOf(toKafka(record, id, first))), expected)
    }),
  )
})

test('names are right also after more of them than are kept as bytes', () => {
  for (let index = 0; index < 12_000; index += 1) {
    const type = `Type${index % 10_500}`
    const read = fromKafka(fetchedOf(toKafka({ ...placed, type }, logId)))
    if ('stranger' in read || read.type !== type) assert.fail(`${type} became ${JSON.stringify(read)}`)
  }
})

test('a record without one of the headers that place it is a stranger that says which', () => {
  const needed = ['source', 'type', 'correlation', 'causation', 'logId', 'topic', 'partition', 'sequence'] as const
  for (const name of [...needed, 'incarnation', 'generation'] as const) {
    assert.match(strangerIn(without(HEADERS[name])), new RegExp(`\\b${HEADERS[name]}\\b`))
  }
  const none = strangerIn({ ...fetched(), headers: [] })
  for (const name of needed) assert.match(none, new RegExp(`\\b${HEADERS[name]}\\b`))
  assert.match(strangerIn(withHeader(HEADERS.type, '')), /it has no ce_type/)
})

test('headers of nobody do no harm, nor does one without name or value', () => {
  const headers = [...fetched().headers, [null, Buffer.from('x')], [Buffer.from('other'), null]] as const
  assert.deepEqual(fromKafka({ ...fetched(), headers }), { ...placed, logId, began: 900 })
})

test('a record that lies elsewhere than it says is a stranger', () => {
  assert.equal(strangerIn({ ...fetched(), partition: 4 }), 'it was written for orders.events/3')
  assert.equal(strangerIn({ ...fetched(), topic: 'orders.old' }), 'it was written for orders.events/3')
})

test('a number that is none, or more than a sequence can be, is told', () => {
  const wrong = ['x', '-1', '1.5', '1e3', ' 1', '0x10', '1234567890123456']
  for (const name of ['sequence', 'incarnation', 'generation', 'partition'] as const) {
    const sentence = `its ${HEADERS[name]} is no whole number`
    assert.deepEqual(
      reasonsFor(name, wrong),
      wrong.map(() => sentence),
    )
  }
})

test('a body that is no JSON, or none at all, is told', () => {
  for (const value of [null, Buffer.from(''), Buffer.from('{"orderId"'), Buffer.from('undefined')]) {
    assert.equal(strangerIn({ ...fetched(), value }), 'its body is no JSON')
  }
})
