// Gauges of Kafka: what `GET /v1/ops/kafka` answers, certificates, and clocks that differ.
import { Counter, Gauge, type Registry } from 'prom-client'
import type { KafkaHealth } from '../kafka/kafka-health.ts'

/** Where they are looked up. */
export interface KafkaSources {
  /** How the process stands with Kafka. */
  readonly kafka?: () => Promise<KafkaHealth>
  /** Records in our topics that no relay put there, since the start. */
  readonly kafkaStrangers?: () => number
  /** Days that certificates are still valid, by whose they are. */
  readonly kafkaCertificateDays?: () => Promise<ByName>
  /** How far clocks of databases and brokers are ahead of ours; below 0 behind. */
  readonly clocksAheadSeconds?: () => Promise<ByName>
}

type ByName = Readonly<Record<string, number>>
type Ask = <Answer>(what: string, by: (sources: KafkaSources) => Promise<Answer> | undefined) => Promise<Answer[]>
type ExposeNamed = (gauge: {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly look: () => Promise<ByName[]>
}) => void

const STATUSES = ['healthy', 'degraded', 'unhealthy'] as const

/** They stay empty in an installation that runs without Kafka. */
export function exposeKafka(registry: Registry, ask: Ask, exposeNamed: ExposeNamed): void {
  // The registry asks all gauges at once: one look does for all of them.
  let asked: Promise<KafkaHealth[]> | undefined
  const health = (): Promise<KafkaHealth[]> => {
    asked ??= ask('kafka', (sources) => sources.kafka?.()).finally(() => (asked = undefined))
    return asked
  }
  exposeNamed({
    name: 'lonja_kafka_status',
    help: '1 at how Kafka is for this process: healthy, degraded or unhealthy.',
    label: 'status',
    look: async () =>
      (await health()).map(({ status }) => Object.fromEntries(STATUSES.map((each) => [each, Number(each === status)]))),
  })
  exposeNamed({
    name: 'lonja_kafka_topics',
    help: 'Topics that this process ships to or reads, by whether they are as declared and led.',
    label: 'state',
    look: async () => (await health()).map(({ topics: { total, healthy } }) => ({ healthy, ill: total - healthy })),
  })
  exposeNamed({
    name: 'lonja_kafka_certificate_days',
    help: 'Days that a certificate is still valid.',
    label: 'certificate',
    look: () => ask('kafkaCertificateDays', (sources) => sources.kafkaCertificateDays?.()),
  })
  exposeNamed({
    name: 'lonja_clock_ahead_seconds',
    help: "How far a clock is ahead of this process's; below 0 behind.",
    label: 'clock',
    look: () => ask('clocksAheadSeconds', (sources) => sources.clocksAheadSeconds?.()),
  })
  exposePlain(registry, health)
  exposeStrangers(registry, ask)
}

/** Figures without a label. */
function exposePlain(registry: Registry, health: () => Promise<KafkaHealth[]>): void {
  const expose = (name: string, help: string, valueOf: (known: KafkaHealth) => number): void => {
    const gauge = new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const known = await health()
        gauge.reset()
        // Zero would read as a broken Kafka where there is none.
        if (known[0] === undefined) gauge.remove()
        else gauge.set(valueOf(known[0]))
      },
    })
  }
  expose('lonja_kafka_producer_latency_ms', 'Mean of the last hundred transactions of Kafka.', (known) => {
    return known.producer.avgLatency
  })
  expose('lonja_kafka_producer_errors', 'Tries to send that failed, and records refused, since the start.', (known) => {
    return known.producer.errors
  })
  expose('lonja_kafka_consumers_active', 'Consumer groups that work in this process.', (known) => {
    return known.consumers.active
  })
  expose(
    'lonja_kafka_consumer_errors',
    'Messages that could not be handled, reads that failed and records that are none of ours, since the start.',
    (known) => known.consumers.errors,
  )
}

function exposeStrangers(registry: Registry, ask: Ask): void {
  const strangers = new Counter({
    name: 'lonja_kafka_strange_records_total',
    help: 'Records in our topics that no relay put there.',
    registers: [registry],
    async collect() {
      const counts = await ask('kafkaStrangers', async (sources) => sources.kafkaStrangers?.())
      strangers.reset()
      strangers.inc(counts.reduce<number>((sum, each) => sum + (each ?? 0), 0))
    },
  })
}
