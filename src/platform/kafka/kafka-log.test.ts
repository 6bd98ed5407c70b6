// The log over Kafka without a broker: what readers find when Kafka has lost records, and when it gets them again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { services } from '../../services.ts'
import type { FetcherOptions, Reading } from './fetcher.ts'
import { KafkaLog } from './kafka-log.ts'
import { toKafka, type FetchedRecord } from './record-headers.ts'

const [topic, source] = ['orders.events', 'orders']

function recordAt(sequence: number, offset: number): FetchedRecord {
  const place = { source, topic, partition: 0, generation: 1, incarnation: 1, sequence, appendedAt: 1000 }
  const told = { type: 'T', key: 'k', data: {}, correlation: 'k', cause: 'c', traceparent: undefined }
  const { key, value, headers } = toKafka({ ...place, ...told }, 'log-1')
  return { topic, partition: 0, offset: BigInt(offset), key, value, headers: [...headers], timestamp: 1000 }
}

/** A log whose first partition holds these numbers, at the offsets 0, 1, 2, … */
function logOver(numbers: number[]) {
  assert.ok(services.length > 0)
  const fetcher = { options: undefined as FetcherOptions | undefined, readings: (): readonly Reading[] => [] }
  const log = new KafkaLog({
    address: { brokers: [], clientId: 'log' },
    clock: { now: () => 0, after: () => () => undefined },
    topics: [topic],
    reads: () => true,
    holds: () => true,
    positions: [],
    grown: () => undefined,
    observer: { failed: (error) => assert.fail(String(error)), stranger: ({ why }) => assert.fail(why) },
    openFetcher: (options, readings) => {
      Object.assign(fetcher, { options, readings })
      return { start: () => undefined, wake: () => undefined, stop: async () => undefined }
    },
  })
  const reading = () => fetcher.readings().find((each) => each.topic === topic && each.partition === 0) as Reading
  function fetch(): void {
    const from = Number(reading().offset)
    const records = numbers.map(recordAt).slice(from)
    reading().offset = BigInt(numbers.length)
    fetcher.options?.deliver(reading(), records, 'id')
  }
  const end = async () => (await log.heads(source)).find(({ partition }) => partition === 0)?.next
  /** As a group does that looks again and again. */
  async function read(from: number): Promise<number[]> {
    const range = { topic, partition: 0, from }
    fetch()
    await log.readLog(source, [range], 100)
    fetch()
    return (await log.readLog(source, [range], 100)).map(({ first }) => first)
  }
  const outOfRange = () => fetcher.options?.outOfRange(reading(), { first: 0n })
  return { log, read, end, fetch, outOfRange }
}

test('a group goes on behind records that Kafka has lost and that it had read before', async () => {
  const numbers = [0, 1, 2, 3, 4]
  const { read, end, outOfRange, fetch } = logOver(numbers)
  assert.deepEqual(await read(2), [2, 3, 4])
  // The tail from 2 on is lost, and the relay ships on: reading begins again at what is left.
  numbers.splice(2, 3, 5, 6)
  outOfRange()
  fetch()
  assert.equal(await end(), 7)
  assert.deepEqual(await read(5), [5, 6])
})

test('a lost record that is shipped again is found, also where nothing before it is left', async () => {
  const numbers = [3, 4]
  const { read } = logOver(numbers)
  assert.deepEqual(await read(2), [])
  numbers.push(2, 3, 4)
  assert.deepEqual([await read(2), await read(3)], [[2], [3, 4]])
})
