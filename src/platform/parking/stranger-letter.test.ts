// The letter of a record that is no message: the same each time, with every byte of it, storable everywhere.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import type { RecordBody } from '../log/record.ts'
import { strangeBytes, strangerId, strangerLetter, type StrangeRecord } from './stranger-letter.ts'

const found: StrangeRecord = {
  topic: 'orders.events',
  topicId: '0f9d2c1e-4a55-4c59-9a53-1f8f0f4cf3a1',
  partition: 3,
  offset: 17n,
  timestamp: 1000,
  key: Buffer.from('k'),
  value: Buffer.from('hello'),
  headers: [[Buffer.from('name'), Buffer.from('value')]],
  code: 'KAFKA_NO_HEADERS',
  why: 'it has no ce_source',
}

const moment = { group: 'orders', now: 2000 }

test('each byte of key and value comes back, and the row holds nothing that a database refuses', () => {
  const maybe = fc.option(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)))
  fc.assert(
    fc.property(maybe, maybe, (key, value) => {
      const { record } = strangerLetter({ ...found, key, value, headers: [[key, value]] }, moment)
      assert.ok(!record.includes('\\u0000') && record.isWellFormed())
      assert.deepEqual(strangeBytes((JSON.parse(record) as RecordBody).data), { key, value })
    }),
  )
})

test('its id is a UUID that topic, partition and offset alone decide', () => {
  const id = strangerId(found)
  assert.ok(z.uuid().safeParse(id).success, id)
  assert.equal(strangerId({ ...found, value: null, code: 'KAFKA_NO_JSON' }), id)
  const others = [{ topicId: 'another' }, { partition: 4 }, { offset: 18n }].map((other) =>
    strangerId({ ...found, ...other }),
  )
  assert.equal(new Set([id, ...others]).size, 4)
})

test('it waits behind nobody, and says where it lay', () => {
  const { keyName, key, sequence, source, topic, partition, failure } = strangerLetter(found, moment)
  assert.deepEqual(
    [keyName, key, sequence, source, topic, partition, failure.faultClass],
    ['', 'kafka/orders.events/3/17', 17, 'kafka', 'orders.events', 3, 'undecodable'],
  )
})
