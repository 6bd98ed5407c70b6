// From embedded over PostgreSQL to Kafka: all that the moved logs keep is shipped, and read from where they begin.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { copyDatabase } from '../../src/platform/copy/copy-database.ts'
import { buildRegistry } from '../../src/platform/runtime/registry.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { systemClock } from '../../src/platform/system.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { listenTo, loggedBy, makeTopics, topicNames } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startShop } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 90_000
const sources = services.map(({ name }) => name)
const ORDERS = 40
const others = sources.filter((name) => name !== 'analytics').join(',')

interface GroupView {
  readonly group: string
  readonly lag: number
}

/** A file with the orders of a day, the first half of whose logs is no longer kept. */
async function trimmedShop(path: string): Promise<void> {
  const store = openSqlite({ path })
  const shop = await startShop({ store })
  await shop.client()
  await shop.product({ quantity: ORDERS })
  for (let order = 0; order < ORDERS; order += 1) await shop.placeOrder()
  await shop.idle()
  await shop.stop()
  for (const source of sources) {
    for (const { topic, partition, incarnation, next } of await store.heads(source)) {
      const below = Math.floor(next / 2)
      const before = Number.MAX_SAFE_INTEGER
      await store.trimLog(source, { topic, partition, incarnation, below, before, limitRows: 1000 })
    }
  }
  await store.close()
}

suite('a moved shop on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('ships its logs from where they begin, and groups elsewhere begin there too', { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-copy-'))
    const [kafka, url, own] = [await startKafka(), await sharedPostgres(), await sharedPostgres()]
    const address = { brokers: kafka.brokers, clientId: 'test' }
    await makeTopics(address)
    const path = join(folder, 'shop.sqlite')
    await trimmedShop(path)
    await copyDatabase({
      from: path,
      to: url,
      registry: buildRegistry(services),
      clock: systemClock,
      progress: () => undefined,
    })
    const environment = { STORE_URL_ANALYTICS: own }
    const log = `kafka://${kafka.brokers[0]}`
    const shop = await serveOnKafka(['--services', others, '--store', url, '--log', log], environment)
    const reports = await serveOnKafka(['--services', 'analytics', '--store', url, '--log', log], environment)
    const listener = listenTo(address, topicNames)
    const [store, ownStore] = [await openPostgres({ url }), await openPostgres({ url: own })]
    try {
      await shop.placeOrders(5)
      await waitFor(async () => (await shop.relayHealth())?.detail === 'nothing waits', { withinMs })
      const shipped = sources.filter((name) => name !== 'analytics')
      const logged = await loggedBy(store, shipped)
      const begin = [...logged.values()].map(([first]) => first?.sequence ?? 0)
      assert.ok(begin.filter((sequence) => sequence > 0).length > 10, 'the logs begin late')
      await waitFor(
        () => [...logged].every(([place, records]) => numbersIn(listener, place).length >= records.length),
        { withinMs, what: 'all of it arrived' },
      )
      for (const [place, records] of logged) {
        const kept = records.map(({ sequence }) => sequence)
        assert.deepEqual(numbersIn(listener, place), kept, place)
      }
      assert.deepEqual(listener.strangers, [])

      const lags = async () => (await reports.call<{ readonly items: readonly GroupView[] }>('/v1/ops/groups')).items
      const isAnalytics = ({ group }: GroupView): boolean => group.startsWith('analytics.')
      const beginnings = () => ownStore.query<{ began_at: string }>('SELECT began_at FROM analytics.cursors')
      await waitFor(
        async () =>
          (await beginnings()).length > 10 && (await lags()).filter(isAnalytics).every(({ lag }) => lag === 0),
        { withinMs, what: 'the reports have read everything' },
      )
      const beganAt = (await beginnings()).map(({ began_at: text }) => text)
      assert.ok(beganAt.filter((text) => text.startsWith('first ')).length > 5, beganAt.join())
      // A broker that is short of time may refuse a transaction once; the relay begins again.
      const isPassing = (line: string): boolean => line.includes('Kafka takes no records, so they wait')
      const told = [...shop.told, ...reports.told].filter((line) => !isPassing(line))
      assert.deepEqual(told, [])
    } finally {
      await listener.stop()
      await reports.stop()
      await shop.stop()
      await store.close()
      await ownStore.close()
      await kafka.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

/** A reader that drops what it has had before; a number that jumps stays a jump. */
function numbersIn(listener: ReturnType<typeof listenTo>, place: string): readonly number[] {
  const numbers = (listener.inPartitions().get(place) ?? []).map(({ sequence }) => sequence)
  return numbers.filter((number, index) => number > Math.max(-1, ...numbers.slice(0, index)))
}
