// A topic of somebody else, written by a client that knows nothing of us: handled, parked and redriven like our own.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { entity } from '../../src/kernel/entity.ts'
import { on } from '../../src/kernel/handler.ts'
import { contract, external, type Topic } from '../../src/kernel/message.ts'
import { service } from '../../src/kernel/service.ts'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { openKafka, topicsOnKafka } from '../../src/platform/kafka/open-kafka.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { TransactionalProducer, type OutgoingRecord } from '../../src/platform/kafka/transactional-producer.ts'
import { Lonja } from '../../src/platform/runtime/lonja.ts'
import { silentObserver } from '../../src/platform/runtime/observer.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemClock, systemRandom } from '../../src/platform/system.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000
const topic = 'carrier.scans'

const parcels = contract('parcels')
const ParcelScanned = external(topic, {
  type: 'ParcelScanned',
  partitions: 2,
  key: 'parcelId',
  body: { parcelId: z.string(), place: z.string() },
})
const parcel = entity<{ readonly places: readonly string[] }>('parcel', { initial: () => ({ places: [] }) })

/** Places at which the handler fails, as long as a test wants it. */
const closed = new Set<string>()

const parcelsService = service({
  name: 'parcels',
  summary: 'follows parcels of a carrier',
  contract: parcels,
  codes: {},
  publishes: [],
  entities: [parcel],
  handlers: [
    on(ParcelScanned, {
      says: [],
      loads: ({ parcelId }) => [parcel.at(parcelId)],
      handle: ({ parcelId, place }, held) => {
        if (closed.has(place)) throw new TypeError('the place is closed')
        const { places } = held.get(parcel.at(parcelId))
        held.put(parcel.at(parcelId), { places: [...places, place] })
      },
    }),
  ],
})

/** As a carrier's client writes it: a key, a body, no header. Each transaction leaves a hole behind it. */
function scan(parcelId: string, place: unknown, partition = 0): OutgoingRecord {
  const value = Buffer.from(typeof place === 'string' ? JSON.stringify({ parcelId, place }) : String(place))
  return { topic, partition, key: Buffer.from(parcelId), value, headers: new Map(), timestamp: BigInt(Date.now()) }
}

async function startParcels(address: KafkaAddress, url: string) {
  const { settings } = resolveSettings(['--store', url, '--log', `kafka://${address.brokers[0]}`], {})
  const log = createLogger({ level: 'silent', format: 'json' })
  const services = [parcelsService]
  const chosen = ['parcels']
  const kafka = await openKafka({ settings, services, chosen, clock: systemClock, log, metrics: createMetrics() })
  assert.ok(kafka)
  const store = await openPostgres({ url })
  const databases = [{ store, membership: membershipAlone(), services: chosen }]
  kafka.join(databases)
  const lonja = new Lonja({
    services,
    chosen,
    databases,
    works: true,
    adapters: {},
    clock: systemClock,
    random: systemRandom,
    observer: silentObserver,
    relays: kafka,
    logOf: kafka.logOf,
  })
  await lonja.start()
  const { registry, runtimes } = lonja
  await kafka.start({ registry, runtimes, newId: () => lonja.newId(), noticed: (sources) => lonja.noticed(sources) })
  return {
    lonja,
    places: async (id: string) => (await lonja.reader('parcels').state(parcel.at(id))).places,
    letters: () =>
      store.query<{ readonly id: string; readonly code: string; readonly status: string }>(
        `SELECT id, code, status FROM ${store.tableName('parcels', 'dead_letters')} ORDER BY code`,
      ),
    health: async () => (await lonja.health()).find(({ part }) => part === `external topic ${topic}`)?.detail,
    stop: async () => {
      await lonja.stop()
      await kafka.stop()
      await store.close()
    },
  }
}

suite('a topic of somebody else', async () => {
  if (!(await kafkaIsHere())) return

  test('is handled in order, with its holes, its bad records, its parked keys and restarts', { timeout }, async () => {
    const kafka = await startKafka()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    const url = await sharedPostgres()
    const admin = new TopicAdmin(address)
    await admin.create(topicsOnKafka([parcelsService]), 1)
    let running = await startParcels(address, url)
    try {
      await waitFor(async () => (await running.health()) !== undefined, { withinMs, what: 'the missing topic is told' })
      assert.match((await running.health()) ?? '', /Kafka has no such topic/)
      const theirs: Topic = {
        name: topic,
        service: 'external',
        kind: 'external',
        partitions: 2,
        keep: '1 h',
        compression: 'none',
      }
      await admin.create([theirs], 1)
      const producer = await TransactionalProducer.open({ address, transactionalId: 'the carrier' })
      const write = (...records: OutgoingRecord[]) => producer.send([records])
      await write(scan('A', 'Porto'), scan('B', 'Faro', 1))
      await write(scan('A', 'Lisboa'))
      const isAt = (id: string, ...places: string[]) =>
        waitFor(async () => (await running.places(id)).join() === places.join(), {
          withinMs,
          what: `${id} at ${places.at(-1)}`,
        })
      await isAt('A', 'Porto', 'Lisboa')
      await isAt('B', 'Faro')

      closed.add('Closed')
      await write(scan('A', 'Closed'))
      await write(scan('A', 'Madrid'), scan('C', 'Vigo'), scan('D', 42), { ...scan('E', ''), value: Buffer.from('{') })
      await write(scan('C', 'Braga'))
      await isAt('C', 'Vigo', 'Braga')
      await waitFor(async () => (await running.letters()).length === 3, { withinMs, what: 'three letters' })
      assert.deepEqual(
        (await running.letters()).map(({ code, status }) => `${code} ${status}`).toSorted(),
        ['KAFKA_NO_JSON dead', 'TypeError dead', 'ZodError dead'].toSorted(),
      )
      assert.deepEqual(await running.places('A'), ['Porto', 'Lisboa'], 'what came later waits')

      await running.stop()
      running = await startParcels(address, url)
      await write(scan('B', 'Beja', 1), scan('C', 'Viana'))
      await isAt('B', 'Faro', 'Beja')
      await isAt('C', 'Vigo', 'Braga', 'Viana')

      closed.clear()
      const id = (await running.letters()).find(({ code }) => code === 'TypeError')?.id ?? ''
      assert.equal((await running.lonja.redrive('parcels', { id, reason: 'open again' }))?.status, 'redriving')
      await isAt('A', 'Porto', 'Lisboa', 'Closed', 'Madrid')
      const lags = (await running.lonja.lags()).filter(({ topic: of }) => of === topic)
      assert.deepEqual(
        lags.map(({ head, next, stopped }) => [head - next, stopped]),
        [
          [0, undefined],
          [0, undefined],
        ],
      )
      await producer.close()
    } finally {
      await running.stop()
      await admin.close()
      await kafka.stop()
    }
  })
})
