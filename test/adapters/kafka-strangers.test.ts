// Records that nobody's relay wrote, in the topics of services elsewhere: dead letters, each once, and nothing stops.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { toKafka } from '../../src/platform/kafka/record-headers.ts'
import { TransactionalProducer, type OutgoingRecord } from '../../src/platform/kafka/transactional-producer.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000
const topic = 'inventory.events'
const front = 'clients,catalog,orders,notifications,analytics'
const back = 'inventory,payments,shipping'

interface Letter {
  readonly id: string
  readonly code: string
  readonly status: string
  readonly position: string
  readonly record: { readonly value: { readonly valueBase64: string; readonly valueText: string | null } }
}

/** No text, and no JSON either. */
const bytes = Buffer.from([0xff, 0x00, 0x41])

function strange(value: Buffer, headers: Readonly<Record<string, string>> = {}): OutgoingRecord {
  const own = Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)] as const)
  return { topic, partition: 2, key: Buffer.from('k'), value, headers: new Map(own), timestamp: BigInt(Date.now()) }
}

function ours(sequence: number): OutgoingRecord {
  const place = { source: 'inventory', topic, partition: 2, generation: 1, incarnation: 1, sequence }
  const told = {
    type: 'StockAdjusted',
    key: 'LAMP',
    data: null,
    correlation: 'LAMP',
    cause: 'test',
    traceparent: undefined,
  }
  return toKafka({ ...place, ...told, appendedAt: Date.now() }, 'log of inventory')
}

async function produce(address: KafkaAddress, records: readonly OutgoingRecord[]): Promise<void> {
  const producer = await TransactionalProducer.open({ address, transactionalId: 'a stranger' })
  await producer.send([records])
  await producer.close()
}

suite('strangers on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('become dead letters, each once also after restarts, and their partition goes on', { timeout }, async () => {
    const kafka = await startKafka()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    const [one, other] = [await sharedPostgres(), await sharedPostgres()]
    await makeTopics(address)
    const stores = Object.fromEntries(back.split(',').map((name) => [`STORE_URL_${name.toUpperCase()}`, other]))
    const flags = ['--services', front, '--store', one, '--log', `kafka://${kafka.brokers[0]}`]
    const wrong = ours(1)
    wrong.headers.set(Buffer.from('lonja-sequence'), Buffer.from('many'))
    await produce(address, [strange(bytes), ours(0), strange(Buffer.from('hello')), wrong])

    let served = await serveOnKafka(flags, stores)
    const all = async (status: string) => {
      const path = `/v1/ops/dead-letters?topic=${topic}&status=${status}`
      return (await served.call<{ readonly items: readonly Letter[] }>(path)).items
    }
    const letters = async (status = 'dead') => (await all(status)).filter(({ code }) => code.startsWith('KAFKA_'))
    const three = () => waitFor(async () => (await letters('all')).length >= 3 && letters('all'), { withinMs })
    try {
      const found = (await three()).toSorted((a, b) => (a.position < b.position ? -1 : 1))
      assert.deepEqual(
        found.map(({ position, code }) => [position, code]),
        [
          [`kafka/${topic}/2/0`, 'KAFKA_NO_HEADERS'],
          [`kafka/${topic}/2/2`, 'KAFKA_NO_HEADERS'],
          [`kafka/${topic}/2/3`, 'KAFKA_BROKEN_HEADERS'],
        ],
      )
      // The record between them was handed to the groups, which can do nothing with it: it has no body.
      await waitFor(async () => (await all('dead')).some(({ code }) => code === 'TypeError'), { withinMs })
      const [raw, hello] = await Promise.all(found.map(({ id }) => served.call<Letter>(`/v1/ops/dead-letters/${id}`)))
      assert.deepEqual(Buffer.from(raw?.record.value.valueBase64 ?? '', 'base64'), bytes)
      assert.equal(hello?.record.value.valueText, 'hello')
      // Sent again it would die again: it is no message.
      const redrive = { id: crypto.randomUUID(), all: true, reason: 'try' }
      await served.call('/v1/ops/redrives', redrive)
      await served.call(`/v1/ops/dead-letters/${raw?.id}/discard`, { reason: 'a test of theirs' })
      assert.equal((await letters()).length, 2)
      await served.stop()

      // A start that reads all of Kafka again finds the same three and nothing new.
      const client = new Client({ connectionString: one })
      await client.connect()
      await client.query('DELETE FROM lonja.kafka_positions')
      await client.end()
      served = await serveOnKafka(flags, stores)
      await produce(address, [strange(Buffer.from('last'))])
      await waitFor(async () => (await letters('all')).length >= 4, { withinMs })
      assert.deepEqual((await letters('all')).map(({ status }) => status).toSorted(), [
        'dead',
        'dead',
        'dead',
        'discarded',
      ])
    } finally {
      await served.stop()
      await kafka.stop()
    }
  })
})
