// Set-ups of Kafka that are wrong, against the real one: each is a sentence, the figures say so too, nothing is lost.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Admin } from '@platformatic/kafka'
import type { Topic } from '../../src/kernel/message.ts'
import { addressOptions, type KafkaAddress } from '../../src/platform/kafka/address.ts'
import { checkKafka } from '../../src/platform/kafka/check-kafka.ts'
import { headsRecord, headsTopic } from '../../src/platform/kafka/heads-record.ts'
import type { KafkaHealth } from '../../src/platform/kafka/kafka-health.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { KafkaWatch, type Sight, type WatchOptions } from '../../src/platform/kafka/watch.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemClock } from '../../src/platform/system.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 120_000
/** Kafka's number for a topic among the kinds of things that have settings. */
const TOPIC = 2
const HOURS_MS = 3_600_000

const silent = createLogger({ level: 'silent', format: 'json', destination: { write: () => undefined } })

function topicOf(name: string, partitions = 2): Topic {
  return { name, service: 'odd', kind: 'events', partitions, keep: '7 d', compression: 'lz4' }
}

suite('bad set-ups of Kafka', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await startKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'test' }

  async function make(...topics: readonly Topic[]): Promise<void> {
    const admin = new TopicAdmin(address)
    await admin.create(topics, 1)
    await admin.close()
  }

  async function set(topic: string, name: string, value: string): Promise<void> {
    const admin = new Admin({ ...addressOptions(address), retries: 2 })
    const configs = [{ name, configOperation: 0, value }] as const
    const resource = { resourceType: TOPIC, resourceName: topic } as const
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [...configs] }] })
    await admin.close()
  }

  /** What a first look finds. */
  async function look(options: Pick<WatchOptions, 'topics'> & Partial<WatchOptions>): Promise<Sight> {
    const watch = new KafkaWatch({ address, databases: [], clock: systemClock, log: silent, ...options })
    watch.start()
    const sight = await watch.sight()
    await watch.stop()
    return sight
  }

  /** The sentences, once they are so: the broker shows a change some moments after it took it. */
  function told(topic: Topic, sentence: RegExp): Promise<Sight> {
    const found = async () => {
      const sight = await look({ topics: [topic] })
      return sight.texts.some((text) => sentence.test(text)) && sight
    }
    return waitFor(found, { withinMs, what: `${topic.name}: ${String(sentence)}` })
  }

  test('a topic that is missing, or has too few partitions, ends the start and is told', { timeout }, async () => {
    await make(headsTopic, topicOf('few.events', 1))
    await assert.rejects(checkKafka(address, [topicOf('no.events')]), /has no topic no\.events\. Make the topics/)
    await assert.rejects(checkKafka(address, [topicOf('few.events')]), /1 partitions of few\.events, and 2 are written/)
    const { texts, healthyTopics, away } = await look({ topics: [topicOf('no.events'), topicOf('few.events')] })
    assert.deepEqual(texts, [
      'no.events is missing; make it with `lonja topics create`',
      'few.events has 1 partitions of 2',
    ])
    assert.deepEqual([healthyTopics, away], [[], undefined])
  })

  test('more partitions than are written to do no harm', { timeout }, async () => {
    await make(topicOf('more.events', 3))
    await checkKafka(address, [topicOf('more.events')])
    const { texts, healthyTopics } = await look({ topics: [topicOf('more.events')] })
    assert.deepEqual([texts, healthyTopics], [[], ['more.events']])
  })

  test(
    'a topic that loses records, takes no large ones, or wants more copies than there are',
    { timeout },
    async () => {
      const [compacted, small, copies] = [
        topicOf('compacted.events'),
        topicOf('small.events'),
        topicOf('copies.events'),
      ]
      await make(compacted, small, copies)
      await set('compacted.events', 'cleanup.policy', 'compact')
      await set('small.events', 'max.message.bytes', '100000')
      await set('copies.events', 'min.insync.replicas', '2')
      await told(compacted, /^compacted\.events cleanup\.policy is compact instead of delete$/)
      await told(small, /^small\.events max\.message\.bytes is 100000 instead of 2097152$/)
      const sentence =
        /^copies\.events takes nothing: 2 copies must be up to date \(min\.insync\.replicas\), and 1 are$/
      const { healthyTopics } = await told(copies, sentence)
      assert.deepEqual(healthyTopics, [])
    },
  )

  test('the figures of Kafka: well, with a rival under our name, away, and well again', { timeout }, async () => {
    const url = await sharedPostgres()
    await makeTopics(address)
    const served = await serveOnKafka(['--store', url, '--log', `kafka://${kafka.brokers[0]}`])
    const store = await openPostgres({ url })
    const health = (): Promise<KafkaHealth> => served.call<KafkaHealth>('/v1/ops/kafka')
    const becomes = (status: KafkaHealth['status']): Promise<KafkaHealth> =>
      waitFor(async () => ((await health()).status === status ? await health() : false), { withinMs, what: status })
    try {
      await served.placeOrders(2)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
      const well = await becomes('healthy')
      const { messagesProduced, errors, avgLatency } = well.producer
      assert.ok(messagesProduced > 0 && errors === 0 && avgLatency > 0, JSON.stringify(well))
      assert.ok(well.consumers.active > 5)
      assert.deepEqual([well.consumers.lag, well.consumers.errors], [0, 0])
      assert.deepEqual(well.topics, { total: well.topics.total, healthy: well.topics.total })
      const shape = Object.entries(well).map(([name, part]) => [
        name,
        typeof part === 'object' ? Object.keys(part) : '',
      ])
      assert.deepEqual(shape, [
        ['status', ''],
        ['producer', ['messagesProduced', 'errors', 'avgLatency']],
        ['consumers', ['active', 'lag', 'errors']],
        ['topics', ['total', 'healthy']],
      ])
      const metrics = await (await fetch(`${served.app.address}/metrics`)).text()
      assert.match(metrics, /lonja_kafka_status\{status="healthy"\} 1/)
      assert.match(metrics, new RegExp(`lonja_kafka_topics\\{state="healthy"\\} ${well.topics.total}`))
      assert.match(metrics, /lonja_clock_ahead_seconds\{clock="the database of .*orders.*"\} 0/)

      const { logId } = await store.identity('analytics')
      const rival = await TransactionalProducer.open({ address, transactionalId: `lonja-relay-analytics-${logId}` })
      await waitFor(
        () => served.told.some((line) => line.includes('another program sends under our transactional id')),
        {
          withinMs,
          what: served.told.join(''),
        },
      )
      await rival.close()
      assert.ok((await becomes('healthy')).producer.errors > 0)

      await kafka.shutDown()
      const away = await becomes('unhealthy')
      assert.equal(away.topics.healthy, 0)
      const ready = await fetch(`${served.app.address}/ready`)
      assert.equal(ready.status, 200, 'orders are taken without Kafka')
      await served.placeOrders(1)
      await kafka.restart()
      assert.equal((await becomes('healthy')).topics.healthy, well.topics.total)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
    } finally {
      await served.app.stop()
      await store.close()
    }
  })

  test('another database under our names, and clocks that differ, show in announcements', { timeout }, async () => {
    await make(headsTopic)
    const producer = await TransactionalProducer.open({ address, transactionalId: 'announcing' })
    const announce = (source: string, aheadMs: number) => {
      const asOf = Date.now() + aheadMs
      const head = { source, topic: `${source}.events`, partition: 0, generation: 1, first: 0, next: 7, made: 1, asOf }
      return producer.send([[headsRecord({ name: source, logIds: new Map([[source, `log-of-${source}`]]) }, [head])]])
    }
    await announce('odd', 0)
    await announce('early', 3 * HOURS_MS)
    await announce('late', -2 * HOURS_MS)
    await producer.close()
    const logIds = async () => new Map([['odd', 'ours']])
    const databases = [{ services: ['odd'], now: async () => Date.now(), logIds }]
    const { texts } = await look({ topics: [headsTopic], databases })
    const sentences = [
      /^another database ships under the names odd too \(logs log-of-odd\): two installations use the same topics/,
      /^the database of late announced its logs 2\.0 h ago: its relay stands still, or its clock is behind/,
      /^the clock of the database of early is 3\.0 h ahead of ours: limits of sagas may fire too early$/,
    ]
    for (const [index, sentence] of sentences.entries()) assert.match(texts[index] ?? '', sentence)
    assert.equal(texts.length, sentences.length, texts.join('\n'))

    const late = { ...systemClock, now: () => Date.now() + 3 * HOURS_MS }
    const { skews } = await look({ topics: [headsTopic], databases, clock: late })
    const ahead = new Map(skews.map(({ whose, aheadMs }) => [whose, Math.round(aheadMs / HOURS_MS)]))
    assert.deepEqual([ahead.get("Kafka's brokers"), ahead.get('the database of odd')], [-3, -3])
  })

  test('leaves the broker', async () => {
    await kafka.stop()
  })
})
