// Logs of services elsewhere, as the real Kafka brings them: to groups that stand still, beside sources of others.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { headsTopic } from '../../src/platform/kafka/heads-record.ts'
import { KafkaLog, type Position } from '../../src/platform/kafka/kafka-log.ts'
import { KnownLogs, unknownLogText } from '../../src/platform/kafka/known-logs.ts'
import { toKafka } from '../../src/platform/kafka/record-headers.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { systemClock } from '../../src/platform/system.ts'
import { topicNamed } from '../../src/kernel/message.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, sharedKafka } from '../../src/testing/kafka/kafka.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 120_000
const withinMs = 20_000

interface Run {
  readonly source: string
  readonly first: number
  readonly count: number
  readonly text?: () => string
  /** The identity of the log; that of the source unless given. */
  readonly logId?: string
}

suite('a log over Kafka', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await sharedKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'log' }

  /** A topic of the services, in whose first partition all lies, and readers of it that end with the test. */
  async function logWorld(topic: string) {
    assert.ok(services.length > 0)
    const admin = new TopicAdmin(address)
    await admin.create([headsTopic, topicNamed(topic)], 1)
    await admin.close()
    const failures: unknown[] = []

    async function put({ source, first, count, text = () => '', logId = `log of ${source}` }: Run): Promise<void> {
      const records = Array.from({ length: count }, (_, index) => {
        const place = { source, topic, partition: 0, generation: 1, incarnation: 1, sequence: first + index }
        const told = { type: 'T', key: 'k', data: text(), correlation: 'k', cause: 'c', traceparent: undefined }
        return toKafka({ ...place, ...told, appendedAt: Date.now() }, logId)
      })
      const producer = await TransactionalProducer.open({ address, transactionalId: `${topic} of ${source}` })
      await producer.send([records])
      await producer.close()
    }

    function open(sources: readonly string[], positions: readonly Position[] = [], known?: KnownLogs): KafkaLog {
      const log = new KafkaLog({
        address,
        clock: systemClock,
        topics: [topic],
        reads: (_, source) => sources.includes(source),
        holds: () => true,
        positions,
        ...(known && { known }),
        grown: () => undefined,
        observer: { failed: (error) => failures.push(error), stranger: async ({ why }) => failures.push(why) > 0 },
      })
      log.start()
      return log
    }
    return { put, open, failures, topic }
  }

  async function read(log: KafkaLog, source: string, { topic, from }: { topic: string; from: number }) {
    const rows = await log.readLog(source, [{ topic, partition: 0, from }], 1000)
    return rows.map(({ first }) => first)
  }

  /** As a group does, again and again until there is something. */
  function numbersFrom(log: KafkaLog, source: string, place: { topic: string; from: number }): Promise<number[]> {
    const found = async () => {
      const numbers = await read(log, source, place)
      return numbers.length > 0 && numbers
    }
    return waitFor(found, { withinMs, what: `${source} from ${place.from}` })
  }

  test('a group that stood still finds all again that another has read meanwhile', { timeout }, async () => {
    const { put, open, failures, topic } = await logWorld('shipping.commands')
    await put({ source: 'orders', first: 0, count: 5 })
    const log = open(['orders'])
    try {
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 0 }), [0, 1, 2, 3, 4])
      await put({ source: 'orders', first: 5, count: 1 })
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 5 }), [5])
      assert.deepEqual((await numbersFrom(log, 'orders', { topic, from: 2 })).slice(0, 1), [2])
      // And a second time: what a new beginning has brought was dropped again.
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 5 }), [5])
      assert.deepEqual((await numbersFrom(log, 'orders', { topic, from: 0 })).slice(0, 1), [0])
      assert.deepEqual(failures, [])
    } finally {
      await log.stop()
    }
  })

  test('goes on where a run before was, and finds what lies below that for whoever needs it', { timeout }, async () => {
    const { put, open, failures, topic } = await logWorld('inventory.commands')
    await put({ source: 'orders', first: 0, count: 4 })
    const before = open(['orders'])
    await numbersFrom(before, 'orders', { topic, from: 0 })
    await read(before, 'orders', { topic, from: 3 })
    const positions = before.positions()
    await before.stop()
    assert.deepEqual(
      positions.map(({ partition, offset }) => [partition, offset]),
      [[0, 3]],
    )
    const log = open(['orders'], positions)
    try {
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 3 }), [3])
      assert.deepEqual((await numbersFrom(log, 'orders', { topic, from: 1 })).slice(0, 1), [1])
      const [anew] = positions.map((position) => ({ ...position, topicId: crypto.randomUUID(), offset: 3 }))
      const remade = open(['orders'], anew && [anew])
      try {
        assert.deepEqual(await numbersFrom(remade, 'orders', { topic, from: 0 }), [0, 1, 2, 3])
      } finally {
        await remade.stop()
      }
      assert.deepEqual(failures, [])
    } finally {
      await log.stop()
    }
  })

  test(
    'an offset that Kafka does not have any more is no end: reading begins again at the first',
    { timeout },
    async () => {
      const { put, open, failures, topic } = await logWorld('orders.commands')
      await put({ source: 'orders', first: 0, count: 3 })
      const before = open(['orders'])
      await numbersFrom(before, 'orders', { topic, from: 0 })
      await read(before, 'orders', { topic, from: 3 })
      const positions = before.positions()
      await before.stop()
      const log = open(
        ['orders'],
        positions.map((position) => ({ ...position, offset: 4000 })),
      )
      try {
        assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 0 }), [0, 1, 2])
        assert.deepEqual(failures, [])
      } finally {
        await log.stop()
      }
    },
  )

  test('what was lost is found where it was sent again, behind what came after it', { timeout }, async () => {
    const { put, open, failures, topic } = await logWorld('orders.events')
    await put({ source: 'orders', first: 100, count: 3 })
    const log = open(['orders'])
    try {
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 100 }), [100, 101, 102])
      assert.deepEqual(await read(log, 'orders', { topic, from: 95 }), [])
      await put({ source: 'orders', first: 95, count: 9 })
      assert.deepEqual(await numbersFrom(log, 'orders', { topic, from: 95 }), [95, 96, 97, 98, 99])
      const rest = () => numbersFrom(log, 'orders', { topic, from: 100 })
      await waitFor(async () => (await rest()).length === 4, { withinMs })
      assert.deepEqual(await rest(), [100, 101, 102, 103])
      assert.deepEqual(failures, [])
    } finally {
      await log.stop()
    }
  })

  test('what a source sends that is read elsewhere does not stop up the partition', { timeout }, async () => {
    const { put, open, failures, topic } = await logWorld('payments.commands')
    // More than a lane holds, and more than one request fetches.
    const text = () => Buffer.from(crypto.getRandomValues(new Uint8Array(225))).toString('base64')
    await put({ source: 'orders', first: 0, count: 2100, text })
    await put({ source: 'returns', first: 0, count: 3 })
    const log = open(['returns'])
    try {
      assert.deepEqual(await numbersFrom(log, 'returns', { topic, from: 0 }), [0, 1, 2])
      assert.deepEqual([await log.heads('orders'), failures], [[], []])
    } finally {
      await log.stop()
    }
  })

  test(
    'two databases under one name: nothing is read above what the other wrote, until it is ignored',
    { timeout },
    async () => {
      const { put, open, failures, topic } = await logWorld('notifications.commands')
      await put({ source: 'orders', first: 0, count: 3 })
      await put({ source: 'orders', first: 3, count: 1, logId: 'log-of-a-clone' })
      await put({ source: 'orders', first: 3, count: 2 })
      await put({ source: 'returns', first: 0, count: 1 })
      const known = new KnownLogs(new Map())
      const log = open(['orders', 'returns'], [], known)
      try {
        assert.deepEqual(await numbersFrom(log, 'returns', { topic, from: 0 }), [0])
        assert.deepEqual(await read(log, 'orders', { topic, from: 0 }), [0, 1, 2])
        assert.deepEqual(await read(log, 'orders', { topic, from: 3 }), [])
        const head = (await log.heads('orders')).find(({ partition }) => partition === 0)
        assert.equal(head?.next, 4, 'whoever reads on finds the record missing, and stands still')
        const [unknown, ...others] = known.unknown
        assert.deepEqual([unknown, others], [{ source: 'orders', logId: 'log-of-a-clone', known: 'log of orders' }, []])
        assert.match(unlessMissing(unknown), /two databases call themselves orders: .* over with KAFKA_IGNORED_LOGS/)
      } finally {
        await log.stop()
      }
      const passing = open(['orders'], [], new KnownLogs(new Map([['orders', 'log of orders']]), ['log-of-a-clone']))
      try {
        assert.deepEqual(await numbersFrom(passing, 'orders', { topic, from: 3 }), [3, 4])
        assert.deepEqual(failures, [])
      } finally {
        await passing.stop()
      }
    },
  )
})

function unlessMissing(unknown: Parameters<typeof unknownLogText>[0] | undefined): string {
  return unknown === undefined ? '' : unknownLogText(unknown)
}
