// The small object that dashboards read: what makes Kafka degraded and unhealthy, and what the figures count.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupLag, PartHealth } from '../application.ts'
import { KafkaCounts, kafkaHealth } from './kafka-health.ts'
import type { Sight } from './watch.ts'

const seen: Sight = {
  away: undefined,
  brokers: 3,
  healthyTopics: ['a.events', 'b.events'],
  texts: [],
  certificates: [],
  skews: [],
}
const well: PartHealth = { part: 'Kafka', status: 'healthy', detail: '' }
const nothing = { sight: seen, topics: 2, stopped: [], parts: [well], lags: [], counts: new KafkaCounts() }

function lag(group: string, rest: Partial<GroupLag> = {}): GroupLag {
  return { group, source: 'a', topic: 'a.events', partition: 0, next: 3, head: 5, stopped: undefined, ...rest }
}

test('healthy where nothing is to be told', () => {
  assert.deepEqual(kafkaHealth(nothing), {
    status: 'healthy',
    producer: { messagesProduced: 0, errors: 0, avgLatency: 0 },
    consumers: { active: 0, lag: 0, errors: 0 },
    topics: { total: 2, healthy: 2 },
  })
})

test('degraded where something has to be mended and the rest goes on', () => {
  const parts: PartHealth[] = [well, { part: 'relay of a', status: 'degraded', detail: 'a refused record' }]
  const { status, topics } = kafkaHealth({ ...nothing, parts, stopped: ['b.events', 'b.events', 'c.events'] })
  assert.deepEqual([status, topics], ['degraded', { total: 2, healthy: 1 }])
})

test('unhealthy where no broker answers, or no topic can be used', () => {
  const away: Sight = { ...seen, away: "Kafka at db:9092 can't be reached.", healthyTopics: [] }
  assert.equal(kafkaHealth({ ...nothing, sight: away }).status, 'unhealthy')
  assert.equal(kafkaHealth({ ...nothing, sight: { ...seen, healthyTopics: [] } }).status, 'unhealthy')
  assert.equal(kafkaHealth({ ...nothing, stopped: ['a.events', 'b.events'] }).status, 'unhealthy')
})

test('groups count that work here, and their lag; who works elsewhere tells his own', () => {
  const lags = [
    lag('a'),
    lag('a', { partition: 1, head: 2 }),
    lag('b', { stopped: 'a gap' }),
    lag('c', { paused: 'paused by olga' }),
    lag('d', { elsewhere: true, head: 900 }),
  ]
  assert.deepEqual(kafkaHealth({ ...nothing, lags }).consumers, { active: 1, lag: 6, errors: 0 })
})

test('the latency is of the last hundred transactions, what is counted is since the start', () => {
  const counts = new KafkaCounts()
  counts.shipped(10, 9000)
  for (let transaction = 0; transaction < 100; transaction += 1) counts.shipped(2, transaction % 2 === 0 ? 4 : 5)
  Object.assign(counts, { produceErrors: 3, consumeErrors: 2, strangers: 1 })
  const { producer, consumers } = kafkaHealth({ ...nothing, counts })
  assert.deepEqual(producer, { messagesProduced: 210, errors: 3, avgLatency: 4.5 })
  assert.equal(consumers.errors, 3)
})
