// The relay between the real PostgreSQL and the real Kafka: all arrives, in order, in whole transactions.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import type { LogRecord } from '../../src/platform/log/record.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { listenTo, loggedBy, makeTopics, startRelay, topicNames } from '../../src/testing/kafka/relayed.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startShop } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 120_000
const withinMs = 30_000
const sources = services.map(({ name }) => name)

const told = ({ sequence, type, key, data, correlation, cause }: LogRecord) => {
  return { sequence, type, key, data, correlation, cause }
}

suite('the relay', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await startKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'test' }

  test('ships every record of every log to the same partition, in order', { timeout }, async () => {
    const url = await sharedPostgres()
    await makeTopics(address)
    const shop = await startShop({ store: url })
    const relay = await startRelay({ url, address, sources })
    const listener = listenTo(address, topicNames)
    const store = await openPostgres({ url })
    try {
      await shop.product({ quantity: 100 })
      for (let order = 0; order < 20; order += 1) await shop.placeOrder({ quantity: 1 })
      await shop.idle()
      const logged = await loggedBy(store, sources)
      const count = [...logged.values()].flat().length
      relay.relay.wake()
      await waitFor(() => listener.arrived.length >= count, { withinMs, what: `${count} records on Kafka` })
      const arrived = listener.inPartitions()
      assert.deepEqual([...arrived.keys()].toSorted(), [...logged.keys()].toSorted())
      for (const [place, records] of logged) {
        assert.deepEqual(arrived.get(place)?.map(told), records.map(told), place)
      }
      assert.deepEqual([listener.strangers, listener.failures], [[], []])
    } finally {
      await listener.stop()
      await relay.stop()
      await store.close()
      await shop.stop()
    }
  })

  test('leaves the broker', async () => {
    await kafka.stop()
  })
})
