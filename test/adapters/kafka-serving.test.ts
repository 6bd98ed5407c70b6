// The shop as it is served on PostgreSQL and Kafka: what it appends arrives there, also after the broker was away.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogRecord } from '../../src/platform/log/record.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { listenTo, loggedBy, makeTopics, topicNames } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 90_000
const sources = services.map(({ name }) => name)

suite('serving on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('a broker that dies holds up nothing but Kafka, and gets the rest when it is back', { timeout }, async () => {
    const kafka = await startKafka()
    const url = await sharedPostgres()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    await makeTopics(address)
    const served = await serveOnKafka(['--store', url, '--log', `kafka://${kafka.brokers[0]}`])
    const listener = listenTo(address, topicNames)
    const store = await openPostgres({ url })
    try {
      await served.placeOrders(5)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })

      await kafka.kill()
      await served.placeOrders(5)
      await served.app.application.settled()
      await waitFor(async () => (await served.relayHealth())?.status === 'degraded', { withinMs })
      assert.match((await served.relayHealth())?.detail ?? '', /records wait/)

      await kafka.restart()
      await served.placeOrders(5)
      await served.app.application.settled()
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
      const logged = await loggedBy(store, sources)
      const count = [...logged.values()].flat().length
      await waitFor(() => new Set(listener.arrived.map(placeOf)).size >= count, { withinMs }).catch(
        (error: unknown) => {
          const lacks = [...logged].map(([place, records]) => `${place} ${records.length}`)
          const has = [...listener.inPartitions()].map(([place, records]) => `${place} ${records.length}`)
          const why = `${lacks.join(', ')}; arrived ${has.join(', ')}; ${listener.failures.slice(-5).join('; ')}`
          throw new Error(`${(error as Error).message}: ${why}`, { cause: error })
        },
      )
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
