// The metrics: what the runtime and the server count, in bulk, and what is looked up when Prometheus asks.
import { Registry } from 'prom-client'
import { counter, histogram } from './cells.ts'
import { exposeGauges, type MetricSources } from './gauges.ts'

/** How a saga ended. */
export type SagaOutcome = 'succeeded' | 'failed' | 'flagged'

/** What came of one call to the outside. */
export type EffectOutcome = 'answered' | 'retried' | 'gave-up'

export interface Metrics {
  /** Sagas that ended in a batch. */
  sagasEnded(saga: string, outcome: SagaOutcome, count: number): void
  /** A run of messages of one handler: how many, and the seconds that they took together. */
  handled(service: string, handler: string, count: number, seconds: number): void
  /** A transaction was committed: its messages, the records it appended and the seconds from begin to commit. */
  committed(
    store: string,
    batch: { readonly messages: number; readonly records: number; readonly seconds: number },
  ): void
  /** A whole batch has to run again, or a partition was paused: `conflict`, `fault`, `unavailable`. */
  interrupted(store: string, reason: string): void
  effectsCalled(effect: string, outcome: EffectOutcome, count: number): void
  /** Calls of the alert webhook, and alerts that found no room to wait for it. */
  alerted(what: string, outcome: 'sent' | 'failed' | 'dropped'): void
  /** Dead letters of a service that went to a file. */
  archived(service: string, count: number): void
  /** Records that Kafka acknowledged in one transaction, and the seconds that it took. */
  relayed(records: number, seconds: number): void
  /** Records of a topic that were past their time, and answers of a service that were kept for repeated requests. */
  recordsDeleted(topic: string, count: number): void
  answersDeleted(service: string, count: number): void
  /** Messages of a consumer group that were given up. */
  died(group: string, count: number): void
  httpAnswered(method: string, route: string, status: number, seconds: number): void
  /** Says where gauges are looked up at each scrape; may be called once for each part that knows some. */
  lookAt(sources: MetricSources): void
  /** The text that Prometheus reads. */
  text(): Promise<string>
  readonly contentType: string
}

// Pure functions take microseconds, transactions milliseconds, requests up to a wait of 30 s.
const HANDLER_SECONDS = [2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 0.02, 0.1, 1]
const TRANSACTION_SECONDS = [5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2]
const REQUEST_SECONDS = [1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

/** Opens an empty set of metrics: one a process. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const { lookAt } = exposeGauges(registry)
  return {
    ...runtimeMetrics(registry),
    ...httpMetrics(registry),
    ...relayMetrics(registry),
    ...retentionMetrics(registry),
    lookAt,
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

type RuntimeMetrics = Pick<
  Metrics,
  'sagasEnded' | 'handled' | 'committed' | 'interrupted' | 'effectsCalled' | 'died' | 'alerted' | 'archived'
>

function runtimeMetrics(registry: Registry): RuntimeMetrics {
  const sagas = counter(registry, {
    name: 'lonja_sagas_total',
    help: 'Sagas that ended, by outcome.',
    labels: ['saga', 'outcome'],
  })
  const effects = counter(registry, {
    name: 'lonja_effects_total',
    help: 'Calls to the outside, by what came of them.',
    labels: ['effect', 'outcome'],
  })
  const deadLetters = counter(registry, {
    name: 'lonja_dead_letters_total',
    help: 'Messages that were given up, by consumer group.',
    labels: ['group'],
  })
  const archived = counter(registry, {
    name: 'lonja_dead_letters_archived_total',
    help: 'Dead letters that went to a file, by service.',
    labels: ['service'],
  })
  const alerts = counter(registry, {
    name: 'lonja_alerts_total',
    help: 'Alerts to the webhook, by kind and what became of them.',
    labels: ['what', 'outcome'],
  })
  const handlers = histogram(registry, {
    name: 'lonja_handler_seconds',
    help: 'Time that a handler took for one message, averaged over each run of messages.',
    labels: ['service', 'handler'],
    bounds: HANDLER_SECONDS,
  })
  return {
    sagasEnded: (saga, outcome, count) => sagas.add(count, [saga, outcome]),
    archived: (service, count) => archived.add(count, [service]),
    alerted: (what, outcome) => alerts.add(1, [what, outcome]),
    died: (group, count) => deadLetters.add(count, [group]),
    effectsCalled: (effect, outcome, count) => effects.add(count, [effect, outcome]),
    handled: (service, handler, count, seconds) => {
      if (count > 0) handlers.observe(seconds / count, count, [service, handler])
    },
    ...transactionMetrics(registry),
  }
}

function transactionMetrics(registry: Registry): Pick<Metrics, 'committed' | 'interrupted'> {
  const seconds = histogram(registry, {
    name: 'lonja_transaction_seconds',
    help: 'Time from the begin of a batch to its commit.',
    labels: ['store'],
    bounds: TRANSACTION_SECONDS,
  })
  const messages = histogram(registry, {
    name: 'lonja_batch_messages',
    help: 'Messages handled in one transaction.',
    labels: ['store'],
    bounds: BATCH_SIZES,
  })
  const records = counter(registry, {
    name: 'lonja_records_appended_total',
    help: 'Records appended to logs.',
    labels: ['store'],
  })
  const interruptions = counter(registry, {
    name: 'lonja_batches_interrupted_total',
    help: 'Batches that did not commit, by reason; they run again.',
    labels: ['store', 'reason'],
  })
  return {
    committed: (store, batch) => {
      seconds.observe(batch.seconds, 1, [store])
      messages.observe(batch.messages, 1, [store])
      records.add(batch.records, [store])
    },
    interrupted: (store, reason) => interruptions.add(1, [store, reason]),
  }
}

function relayMetrics(registry: Registry): Pick<Metrics, 'relayed'> {
  const records = counter(registry, {
    name: 'lonja_relayed_records_total',
    help: 'Records that Kafka acknowledged.',
    labels: [],
  })
  const seconds = histogram(registry, {
    name: 'lonja_relay_seconds',
    help: 'Time of one transaction of Kafka, from its rows in hand to its acknowledgement.',
    labels: [],
    bounds: TRANSACTION_SECONDS,
  })
  return {
    relayed: (count, taken) => {
      records.add(count, [])
      seconds.observe(taken, 1, [])
    },
  }
}

function retentionMetrics(registry: Registry): Pick<Metrics, 'recordsDeleted' | 'answersDeleted'> {
  const records = counter(registry, {
    name: 'lonja_log_records_deleted_total',
    help: 'Records that were deleted after their time, by topic.',
    labels: ['topic'],
  })
  const answers = counter(registry, {
    name: 'lonja_kept_answers_deleted_total',
    help: 'Answers that are kept for repeated requests no more, by service.',
    labels: ['service'],
  })
  return {
    recordsDeleted: (topic, count) => records.add(count, [topic]),
    answersDeleted: (service, count) => answers.add(count, [service]),
  }
}

function httpMetrics(registry: Registry): Pick<Metrics, 'httpAnswered'> {
  const seconds = histogram(registry, {
    name: 'lonja_http_request_seconds',
    help: 'Time from a request to its answer, by route and status.',
    labels: ['method', 'route', 'status'],
    bounds: REQUEST_SECONDS,
  })
  return {
    httpAnswered: (method, route, status, took) => seconds.observe(took, 1, [method, route, String(status)]),
  }
}
