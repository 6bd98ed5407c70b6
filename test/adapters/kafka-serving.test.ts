// The shop as it is served on PostgreSQL and Kafka: what it appends arrives there, also after the broker was away.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startApp } from '../../src/app.ts'
import type { PartHealth } from '../../src/platform/application.ts'
import type { LogRecord } from '../../src/platform/log/record.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { listenTo, loggedBy, makeTopics, topicNames } from '../../src/testing/kafka/relayed.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 90_000
const sources = services.map(({ name }) => name)

async function serve(kafka: Kafka, url: string) {
  const told: string[] = []
  const destination = { write: (line: string) => void told.push(line) }
  const { settings } = resolveSettings(['--port', '0', '--store', url, '--log', `kafka://${kafka.brokers[0]}`], {})
  const app = await startApp(settings, { log: createLogger({ level: 'warn', format: 'json', destination }) })
  const post = async <Body>(path: string, body: unknown): Promise<Body> => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${app.address}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const answer = (await response.json()) as Body
    assert.equal(response.status, 201, JSON.stringify(answer))
    return answer
  }
  const relayHealth = async (): Promise<PartHealth | undefined> => {
    const { parts } = (await (await fetch(`${app.address}/health`)).json()) as { readonly parts: PartHealth[] }
    return parts.find(({ part }) => part.startsWith('relay'))
  }
  return { app, told, post, relayHealth }
}

type Served = Awaited<ReturnType<typeof serve>>

async function placeOrders({ post }: Served, count: number): Promise<void> {
  const { clientId } = await post<{ readonly clientId: string }>('/v1/clients', {
    name: 'Ana Souza',
    email: `ana.${crypto.randomUUID()}@example.com`,
  })
  const sku = `LAMP-${crypto.randomUUID().slice(0, 8).toUpperCase()}`
  await post('/v1/products', { sku, name: 'Lamp', price: '5.00', currency: 'EUR', quantity: 1000 })
  const shippingAddress = { line1: 'Rua A 1', city: 'Lisboa', postalCode: '1000-001', country: 'PT' }
  const orders = Array.from({ length: count }, () =>
    post('/v1/orders', { clientId, items: [{ sku, quantity: 1 }], shippingAddress }),
  )
  await Promise.all(orders)
}

suite('serving on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('a broker that dies holds up nothing but Kafka, and gets the rest when it is back', { timeout }, async () => {
    const kafka = await startKafka()
    const url = await sharedPostgres()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    await makeTopics(address)
    const served = await serve(kafka, url)
    const listener = listenTo(address, topicNames)
    const store = await openPostgres({ url })
    try {
      await placeOrders(served, 5)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })

      await kafka.kill()
      await placeOrders(served, 5)
      await served.app.application.settled()
      await waitFor(async () => (await served.relayHealth())?.status === 'degraded', { withinMs })
      assert.match((await served.relayHealth())?.detail ?? '', /records wait/)

      await kafka.restart()
      await placeOrders(served, 5)
      await served.app.application.settled()
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
      const logged = await loggedBy(store, sources)
      const count = [...logged.values()].flat().length
      await waitFor(() => new Set(listener.arrived.map(placeOf)).size >= count, { withinMs })
      const arrived = listener.inPartitions()
      for (const [place, records] of logged) {
        const numbers = arrived.get(place)?.map(({ sequence }) => sequence) ?? []
        assert.deepEqual(
          withoutRepeats(numbers),
          records.map(({ sequence }) => sequence),
          place,
        )
      }
      const metrics = await (await fetch(`${served.app.address}/metrics`)).text()
      assert.match(metrics, new RegExp(`lonja_relayed_records_total ${count}`))
      assert.ok(
        served.told.some((line) => line.includes('Kafka takes no records')),
        served.told.join(''),
      )
    } finally {
      await listener.stop()
      await served.app.stop()
      await store.close()
      await kafka.stop()
    }
  })
})

function placeOf({ source, topic, partition, sequence }: LogRecord): string {
  return `${source}/${topic}/${partition}/${sequence}`
}

/** A reader that drops what lies below where it is; a number that jumps stays a jump. */
function withoutRepeats(numbers: readonly number[]): number[] {
  return numbers.filter((number, index) => number > Math.max(-1, ...numbers.slice(0, index)))
}
