// The metrics as Prometheus reads them: bulk counts, gauges looked up at the scrape, and what happens when one fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { counter } from './cells.ts'
import { createMetrics } from './metrics.ts'

const linesOf = async (metrics: { text(): Promise<string> }): Promise<string[]> => (await metrics.text()).split('\n')

test('a batch of messages is counted at once, with the average time of one', async () => {
  const metrics = createMetrics()
  metrics.handled('orders', 'PlaceOrder', 400, 0.004)
  metrics.handled('orders', 'PlaceOrder', 100, 0.2)
  const lines = await linesOf(metrics)
  const labels = 'service="orders",handler="PlaceOrder"'
  assert.ok(lines.includes(`lonja_handler_seconds_bucket{${labels},le="0.00001"} 400`))
  assert.ok(lines.includes(`lonja_handler_seconds_bucket{${labels},le="0.005"} 500`))
  assert.ok(lines.includes(`lonja_handler_seconds_bucket{${labels},le="+Inf"} 500`))
  assert.ok(lines.includes(`lonja_handler_seconds_count{${labels}} 500`))
  assert.match(lines.find((line) => line.startsWith('lonja_handler_seconds_sum')) ?? '', / 0\.20\d*$/)
})

test('an empty run of messages counts nothing', async () => {
  const metrics = createMetrics()
  metrics.handled('orders', 'PlaceOrder', 0, 0)
  assert.ok(!(await metrics.text()).includes('PlaceOrder'))
})

test('sagas, effects, transactions, interruptions and requests have their counters', async () => {
  const metrics = createMetrics()
  metrics.sagasEnded('checkout', 'succeeded', 3)
  metrics.sagasEnded('checkout', 'succeeded', 2)
  metrics.effectsCalled('capture', 'retried', 1)
  metrics.committed('sqlite', { messages: 64, records: 320, seconds: 0.003 })
  metrics.interrupted('sqlite', 'conflict')
  metrics.httpAnswered('POST', '/v1/orders', 201, 0.004)
  const lines = await linesOf(metrics)
  for (const line of [
    'lonja_sagas_total{saga="checkout",outcome="succeeded"} 5',
    'lonja_effects_total{effect="capture",outcome="retried"} 1',
    'lonja_batch_messages_bucket{store="sqlite",le="100"} 1',
    'lonja_transaction_seconds_bucket{store="sqlite",le="0.002"} 0',
    'lonja_transaction_seconds_bucket{store="sqlite",le="0.005"} 1',
    'lonja_records_appended_total{store="sqlite"} 320',
    'lonja_batches_interrupted_total{store="sqlite",reason="conflict"} 1',
    'lonja_http_request_seconds_count{method="POST",route="/v1/orders",status="201"} 1',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('without Kafka nothing is said of it; with it all figures are of one look', async () => {
  const metrics = createMetrics()
  assert.doesNotMatch(await metrics.text(), /^lonja_kafka_(?!strange_records_total)/m)
  let looks = 0
  metrics.lookAt({
    kafka: async () => {
      looks += 1
      const producer = { messagesProduced: 7, errors: 1, avgLatency: 4.5 }
      return {
        status: 'degraded',
        producer,
        consumers: { active: 8, lag: 2, errors: 3 },
        topics: { total: 17, healthy: 16 },
      }
    },
    kafkaStrangers: () => 5,
    kafkaCertificateDays: async () => ({ 'the broker at db:9093': 12.5 }),
    clocksAheadSeconds: async () => ({ 'the database of orders': -3 }),
  })
  const lines = await linesOf(metrics)
  for (const line of [
    'lonja_kafka_status{status="healthy"} 0',
    'lonja_kafka_status{status="degraded"} 1',
    'lonja_kafka_topics{state="healthy"} 16',
    'lonja_kafka_topics{state="ill"} 1',
    'lonja_kafka_producer_latency_ms 4.5',
    'lonja_kafka_producer_errors 1',
    'lonja_kafka_consumers_active 8',
    'lonja_kafka_consumer_errors 3',
    'lonja_kafka_strange_records_total 5',
    'lonja_kafka_certificate_days{certificate="the broker at db:9093"} 12.5',
    'lonja_clock_ahead_seconds{clock="the database of orders"} -3',
  ]) {
    assert.ok(lines.includes(line), line)
  }
  assert.equal(looks, 1)
})

test('gauges are looked up at each scrape', async () => {
  const metrics = createMetrics()
  const at = { group: 'orders.checkout', source: 'payments', topic: 'payments.events', stopped: undefined }
  let head = 10
  metrics.lookAt({
    lags: async () => [
      { ...at, partition: 0, next: 4, head },
      { ...at, partition: 1, next: 7, head: 7, stopped: 'a gap' },
      { ...at, partition: 2, next: 0, head: 1000, stopped: 'an old gap', elsewhere: true },
    ],
    statements: () => ({ sqlite: 12 }),
    openEffects: async () => ({ capture: 2 }),
    oldestSnapshotSeconds: async () => ({ postgres: 0.5 }),
  })
  await metrics.text()
  head = 24
  const lines = await linesOf(metrics)
  for (const line of [
    'lonja_group_lag_records{group="orders.checkout",topic="payments.events"} 20',
    'lonja_group_stopped_partitions{group="orders.checkout",topic="payments.events"} 1',
    'lonja_sql_statements_total{store="sqlite"} 12',
    'lonja_open_effects{effect="capture"} 2',
    'lonja_oldest_snapshot_seconds{store="postgres"} 0.5',
  ]) {
    assert.ok(lines.includes(line), line)
  }
  assert.ok(lines.some((line) => line.startsWith('lonja_process_resident_bytes ')))
})

test('a gauge that can not be looked up is left out and counted, and the others stay', async () => {
  const metrics = createMetrics()
  metrics.lookAt({
    lags: async () => Promise.reject(new Error('the database is away')),
    statements: () => ({ sqlite: 1 }),
  })
  metrics.lookAt({ openEffects: async () => ({ capture: 1 }) })
  await metrics.text()
  const text = await metrics.text()
  assert.ok(!text.includes('lonja_group_lag_records{'))
  assert.match(text, /lonja_scrape_failures_total\{what="lags"\} [1-9]/)
  assert.ok(text.includes('lonja_open_effects{effect="capture"} 1'))
  assert.ok(text.includes('lonja_sql_statements_total{store="sqlite"} 1'))
})

test('a label that turns out to be an id can not fill the memory', async () => {
  const registry = new Registry()
  const orders = counter(registry, { name: 'orders_total', help: 'Orders.', labels: ['order'] })
  for (let index = 0; index < 6000; index += 1) orders.add(1, [`order-${index}`])
  const lines = (await registry.metrics()).split('\n')
  assert.equal(lines.filter((line) => line.startsWith('orders_total')).length, 5001)
  assert.ok(lines.includes('orders_total{order="other"} 1000'))
})
