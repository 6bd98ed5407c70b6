// What is parked or dead is on Kafka for other tools, and what people put into a retry topic comes back in, once.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { Fetcher } from '../../src/platform/kafka/fetcher.ts'
import { toKafka } from '../../src/platform/kafka/record-headers.ts'
import { TransactionalProducer, type OutgoingRecord } from '../../src/platform/kafka/transactional-producer.ts'
import { systemClock } from '../../src/platform/system.ts'
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

interface Copy {
  readonly value: string
  readonly headers: Readonly<Record<string, Buffer>>
}

/** Everything in the first partition of a topic, as somebody else's reader finds it. */
function readerOf(address: KafkaAddress, of: string) {
  const copies: Copy[] = []
  const reading = { topic: of, partition: 0, offset: 0n, isFull: false }
  const fetcher = new Fetcher(
    {
      address,
      clock: systemClock,
      isolation: 'committed',
      deliver: (_, records) => {
        for (const { value, headers } of records) {
          const named = headers.map(([name, text]) => [name?.toString() ?? '', Buffer.from(text ?? '')] as const)
          copies.push({ value: value?.toString() ?? '', headers: Object.fromEntries(named) })
        }
      },
      outOfRange: () => undefined,
      failed: () => undefined,
    },
    () => [reading],
  )
  fetcher.start()
  return { copies, stop: () => fetcher.stop() }
}

/** As the relay of the other database would: a message without a body dies at once in each group that handles it. */
function hollow(sequence: number): OutgoingRecord {
  const place = { source: 'inventory', topic, partition: 2, generation: 1, incarnation: 1, sequence }
  const told = {
    type: 'StockAdjusted',
    key: 'LAMP',
    data: null,
    correlation: 'LAMP',
    cause: 'c',
    traceparent: undefined,
  }
  return toKafka({ ...place, ...told, appendedAt: Date.now() }, 'log of inventory')
}

function byHand(of: string, value: unknown, headers: Readonly<Record<string, string>>): OutgoingRecord {
  const own = Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)] as const)
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return { topic: of, partition: 0, key: Buffer.from('k'), value: body, headers: new Map(own), timestamp: 1n }
}

suite('copies of what is parked or dead', async () => {
  if (!(await kafkaIsHere())) return

  test('are on Kafka with all that happened, and records sent by hand come in once', { timeout }, async () => {
    const kafka = await startKafka()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    const [one, other] = [await sharedPostgres(), await sharedPostgres()]
    await makeTopics(address)
    const stores = Object.fromEntries(back.split(',').map((name) => [`STORE_URL_${name.toUpperCase()}`, other]))
    const flags = ['--services', front, '--store', one, '--log', `kafka://${kafka.brokers[0]}`]
    const producer = await TransactionalProducer.open({ address, transactionalId: 'somebody' })
    const [dead, waiting] = [readerOf(address, `${topic}.dlq`), readerOf(address, `${topic}.retry`)]
    let served = await serveOnKafka(flags, stores)
    const letters = async () => {
      const path = `/v1/ops/dead-letters?topic=${topic}&status=all`
      return (await served.call<{ items: { code: string; group: string; redriveCount: number }[] }>(path)).items
    }
    try {
      const hello = { ...byHand(topic, 'hello', {}), partition: 2 }
      await producer.send([[hollow(0), hollow(1), hello]])
      const found = await waitFor(async () => (await letters()).length >= 2 && letters(), { withinMs })
      const groups = found.filter(({ code }) => code === 'TypeError').map(({ group }) => group)
      assert.ok(groups.length > 0)
      await waitFor(() => dead.copies.length > groups.length && waiting.copies.length >= 1, {
        withinMs,
        what: 'the copies are on Kafka',
      })
      checkCopies(dead.copies, waiting.copies, groups)

      // The first of them again, as a person would send it: with its id, and without the mark of a copy.
      await producer.send([[byHand(`${topic}.retry`, {}, { 'x-event-id': `inventory/${topic}/2/0` })]])
      const again = () => letters().then((all) => all.filter(({ redriveCount }) => redriveCount === 1))
      await waitFor(async () => (await again()).length === new Set(groups).size, {
        withinMs,
        what: 'each was sent again',
      })

      const clientId = crypto.randomUUID()
      const registered = { clientId, name: 'Ana', email: 'ana@example.com', addresses: [] }
      const retry = 'clients.events.retry'
      await producer.send([
        [
          byHand(retry, registered, { ce_type: 'ClientRegistered' }),
          byHand(retry, { clientId }, { ce_type: 'ClientRegistered' }),
          byHand(retry, registered, { ce_type: 'ClientRegistered', 'lonja-mirror': 'retry' }),
        ],
      ])
      const entered = async () => {
        const { items } = await served.call<{ items: { reason: string }[] }>('/v1/ops/audit?action=message.enter')
        return items.map(({ reason }) => reason)
      }
      const reason = `sent by hand: kafka/${retry}/0/0`
      await waitFor(async () => (await entered()).includes(reason), { withinMs, what: 'the new message is in' })
      assert.deepEqual(await servedAfterRestart(), [reason])
      const unreadable = `/v1/ops/dead-letters?topic=clients.events&code=KAFKA_NO_JSON`
      const { items } = await served.call<{ items: { message: string }[] }>(unreadable)
      const why = `its body is none of a ClientRegistered (sent by hand to ${retry})`
      assert.deepEqual(
        items.map(({ message }) => message),
        [why, why],
      )
      const knows = await fetchOrder(clientId)
      assert.doesNotMatch(knows, /CLIENT_UNKNOWN/, 'the order copy of the client was made')

      /** Everything is read again, and nothing more comes in. */
      async function servedAfterRestart(): Promise<readonly string[]> {
        await served.stop()
        const client = new Client({ connectionString: one })
        await client.connect()
        await client.query('DELETE FROM lonja.kafka_positions')
        await client.end()
        served = await serveOnKafka(flags, stores)
        await producer.send([[byHand(retry, 'broken', { ce_type: 'ClientRegistered' })]])
        await waitFor(
          async () => {
            const path = '/v1/ops/dead-letters?topic=clients.events'
            return (await served.call<{ items: unknown[] }>(path)).items.length >= 2
          },
          { withinMs },
        )
        return entered()
      }

      async function fetchOrder(client: string): Promise<string> {
        const shippingAddress = { line1: 'Rua A 1', city: 'Lisboa', postalCode: '1000-001', country: 'PT' }
        const order = { clientId: client, items: [{ sku: 'NONE', quantity: 1 }], shippingAddress }
        const headers = { 'content-type': 'application/json' }
        const sent = { method: 'POST', headers, body: JSON.stringify(order) }
        return (await fetch(`${served.app.address}/v1/orders`, sent)).text()
      }
    } finally {
      await Promise.all([dead.stop(), waiting.stop(), producer.close()])
      await served.stop()
      await kafka.stop()
    }
  })
})

function checkCopies(dead: readonly Copy[], waiting: readonly Copy[], groups: readonly string[]): void {
  const text = ({ headers }: Copy, name: string) => headers[name]?.toString()
  const ours = dead.filter((copy) => text(copy, 'x-error-code') === 'TypeError')
  assert.deepEqual(ours.map((copy) => text(copy, 'x-consumer-group') ?? '').toSorted(), groups.toSorted())
  const [first] = ours
  assert.ok(first)
  assert.deepEqual(
    [text(first, 'lonja-mirror'), text(first, 'ce_type'), text(first, 'x-event-id'), first.value],
    ['dlq', 'StockAdjusted', `inventory/${topic}/2/0`, 'null'],
  )
  assert.equal(text(first, 'kafka_dlt-original-topic'), topic)
  assert.equal(first.headers['kafka_dlt-original-partition']?.readInt32BE(), 2)
  assert.equal(first.headers['kafka_dlt-original-offset']?.readBigInt64BE(), 0n)
  const stranger = dead.find((copy) => text(copy, 'x-error-code') === 'KAFKA_NO_HEADERS')
  assert.deepEqual([stranger?.value, stranger?.headers['ce_type']], ['hello', undefined])
  const [behind] = waiting
  assert.ok(behind)
  assert.deepEqual(
    [text(behind, 'lonja-mirror'), text(behind, 'x-event-id'), behind.value, behind.headers['x-error-code']],
    ['retry', `inventory/${topic}/2/1`, 'null', undefined],
  )
}
