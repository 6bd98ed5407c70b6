// Two processes with a database each and only Kafka between them: orders go through both, and every one ends.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { PartHealth } from '../../src/platform/application.ts'
import type { KafkaHealth } from '../../src/platform/kafka/kafka-health.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka, type Served } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000

interface GroupView {
  readonly group: string
  readonly lag: number
}

const front = 'clients,catalog,orders,notifications,analytics'
const back = 'inventory,payments,shipping'

/** A record that no relay put there is counted and told, and holds up nobody. */
async function tellOfStranger({ brokers }: Kafka, depot: Served): Promise<void> {
  const producer = await TransactionalProducer.open({
    address: { brokers, clientId: 'test' },
    transactionalId: 'stranger',
  })
  const [key, value] = [Buffer.from('k'), Buffer.from('{"broken')]
  const record = { topic: 'inventory.commands', partition: 2, key, value, headers: new Map(), timestamp: 0n }
  await producer.send([[record]])
  await producer.close()
  const part = async (): Promise<PartHealth | undefined> => {
    const { parts } = await depot.call<{ readonly parts: readonly PartHealth[] }>('/health')
    return parts.find((each) => each.part === 'reader of Kafka')
  }
  await waitFor(async () => (await part())?.status === 'degraded', { withinMs })
  assert.match((await part())?.detail ?? '', /^1 records in our topics since the start were none of ours/)
  const metrics = await (await fetch(`${depot.app.address}/metrics`)).text()
  assert.match(metrics, /^lonja_kafka_strange_records_total 1$/m)
  const { status, consumers } = await depot.call<KafkaHealth>('/v1/ops/kafka')
  assert.deepEqual([status, consumers.errors], ['degraded', 1])
}

/** Two processes with a database each; `ended` waits until these orders have ended, and says how. */
async function twoDatabases() {
  const kafka = await startKafka()
  const [one, other] = [await sharedPostgres(), await sharedPostgres()]
  await makeTopics({ brokers: kafka.brokers, clientId: 'test' })
  const stores = Object.fromEntries(back.split(',').map((name) => [`STORE_URL_${name.toUpperCase()}`, other]))
  const log = `kafka://${kafka.brokers[0]}`
  const shop = await serveOnKafka(['--services', front, '--store', one, '--log', log], stores)
  const depot = await serveOnKafka(['--services', back, '--store', one, '--log', log], stores)
  const ended = async (orderIds: readonly string[]): Promise<readonly string[]> => {
    const ends = await waitFor(
      async () => {
        const orders = await Promise.all(orderIds.map((orderId) => shop.order(orderId)))
        return orders.every(({ status }) => status !== 'PENDING' && status !== 'PAID') && orders
      },
      { withinMs, what: 'every order has ended' },
    )
    return ends.map(({ status, reason = '' }) => `${status} ${reason}`.trim()).toSorted()
  }
  const stop = async (): Promise<void> => {
    await shop.stop()
    await depot.stop()
    await kafka.stop()
  }
  return { kafka, shop, depot, ended, stop }
}

suite('services with databases of their own', async () => {
  if (!(await kafkaIsHere())) return

  test('orders go through both databases, with Kafka alone between them', { timeout }, async () => {
    const { kafka, shop, depot, ended, stop } = await twoDatabases()
    try {
      const { orderIds } = await shop.placeOrders(10, { stock: 8 })
      const statuses = await ended(orderIds)
      assert.deepEqual(statuses, [...Array(2).fill('CANCELLED OUT_OF_STOCK'), ...Array(8).fill('CONFIRMED')])
      for (const served of [shop, depot]) {
        const { items } = await served.call<{ readonly items: readonly GroupView[] }>('/v1/ops/groups')
        assert.ok(items.length > 0)
        assert.deepEqual(
          items.filter(({ lag }) => lag > 0),
          [],
        )
        await served.call('/v1/ops/sagas')
      }
      assert.deepEqual([shop.told, depot.told], [[], []])
      await tellOfStranger(kafka, depot)
    } finally {
      await stop()
    }
  })

  test('a broker that comes back empty is told of; once all is sent again, orders go on', { timeout }, async () => {
    const { kafka, shop, depot, ended, stop } = await twoDatabases()
    try {
      const before = await shop.placeOrders(5)
      assert.deepEqual(await ended(before.orderIds), Array(5).fill('CONFIRMED'))
      await kafka.wipe()
      // Stock that is opened now may come to its service behind an order of it: both travel by topics of their own.
      const { orderIds } = await shop.placeOrders(5, { wares: before.wares })
      await makeTopics({ brokers: kafka.brokers, clientId: 'test' })
      const body = { from: 'first', reason: 'the broker came back empty' }
      for (const served of [shop, depot]) {
        const isTold = async () => (await served.relayHealth())?.detail.includes('Kafka has lost') ?? false
        await waitFor(isTold, { withinMs, what: 'a loss in /health' })
        const isMended = async () => {
          // Topics that were made later are found lost later.
          if (await isTold()) await served.call('/v1/ops/relay/resend', body).catch(() => undefined)
          return (await served.relayHealth())?.status === 'healthy'
        }
        await waitFor(isMended, { withinMs, what: 'a relay that is well' })
      }
      assert.deepEqual(await ended(orderIds), Array(5).fill('CONFIRMED'))
    } finally {
      await stop()
    }
  })
})
