// Gauges: what is looked up when Prometheus asks, so that it costs nothing in between.
import { Counter, Gauge, type Registry } from 'prom-client'
import type { GroupLag } from '../application.ts'
import { exposeKafka, type KafkaSources } from './kafka-gauges.ts'

export type ByName = Readonly<Record<string, number>>

/** Where the gauges are looked up; each part of the process gives what it knows. */
export interface MetricSources extends KafkaSources {
  readonly lags?: () => Promise<readonly GroupLag[]>
  /** SQL statements sent since the start, by store. */
  readonly statements?: () => ByName
  /** Age of the oldest snapshot that the database keeps alive, by store; an old one slows every head down. */
  readonly oldestSnapshotSeconds?: () => Promise<ByName>
  /** Age of the oldest record that is kept, by topic; topics that are kept for ever are left out. */
  readonly oldestRecordSeconds?: () => ByName
  /** Keys that wait behind a message that could not be handled, by consumer group; and the messages that wait. */
  readonly parkedKeys?: () => Promise<ByName>
  readonly parkedMessages?: () => Promise<ByName>
  /** Requests to the outside that have no answer yet, by effect. */
  readonly openEffects?: () => Promise<ByName>
  /** Records that wait for Kafka, and the age of the oldest of them in seconds, by topic. */
  readonly relayBacklog?: () => Promise<ByName>
  readonly relayAgeSeconds?: () => Promise<ByName>
}

/** Asks every part that knows, and gives what those answered that could. */
type Ask = <Answer>(what: string, by: (sources: MetricSources) => Promise<Answer> | undefined) => Promise<Answer[]>

/** Registers the gauges; they stay empty until somebody says where to look. */
export function exposeGauges(registry: Registry): { lookAt(sources: MetricSources): void } {
  const known: MetricSources[] = []
  const ask = createAsk(known, registry)
  exposeLags(registry, ask)
  exposeStatements(registry, known)
  exposeNamed(registry, {
    name: 'lonja_open_effects',
    help: 'Requests to the outside that wait for their answer.',
    label: 'effect',
    look: () => ask('openEffects', (sources) => sources.openEffects?.()),
  })
  exposeNamed(registry, {
    name: 'lonja_oldest_snapshot_seconds',
    help: 'Age of the oldest snapshot that the database keeps alive.',
    label: 'store',
    look: () => ask('oldestSnapshotSeconds', (sources) => sources.oldestSnapshotSeconds?.()),
  })
  exposeNamed(registry, {
    name: 'lonja_log_oldest_record_seconds',
    help: 'Age of the oldest record that is kept, of topics that are not kept for ever.',
    label: 'topic',
    look: () => ask('oldestRecordSeconds', async (sources) => sources.oldestRecordSeconds?.() ?? {}),
  })
  exposeNamed(registry, {
    name: 'lonja_parked_keys',
    help: 'Keys that wait behind a message that could not be handled.',
    label: 'group',
    look: () => ask('parkedKeys', (sources) => sources.parkedKeys?.()),
  })
  exposeNamed(registry, {
    name: 'lonja_parked_messages',
    help: 'Messages that wait in the queues of parked keys.',
    label: 'group',
    look: () => ask('parkedMessages', (sources) => sources.parkedMessages?.()),
  })
  exposeNamed(registry, {
    name: 'lonja_relay_backlog_records',
    help: 'Records that wait for Kafka.',
    label: 'topic',
    look: () => ask('relayBacklog', (sources) => sources.relayBacklog?.()),
  })
  exposeNamed(registry, {
    name: 'lonja_relay_oldest_seconds',
    help: 'Age of the oldest record that waits for Kafka.',
    label: 'topic',
    look: () => ask('relayAgeSeconds', (sources) => sources.relayAgeSeconds?.()),
  })
  exposeKafka(registry, ask, (named) => exposeNamed(registry, named))
  exposeProcess(registry)
  return { lookAt: (sources) => void known.push(sources) }
}

// A database that is down must not take the other metrics with it: what fails is left out and counted.
function createAsk(known: readonly MetricSources[], registry: Registry): Ask {
  const failures = new Counter({
    name: 'lonja_scrape_failures_total',
    help: 'Gauges that could not be looked up, by what was asked.',
    labelNames: ['what'],
    registers: [registry],
  })
  return async function ask(what, by) {
    const asked = known.map(async (sources) => by(sources))
    const answers = await Promise.allSettled(asked)
    failures.inc({ what }, answers.filter(({ status }) => status === 'rejected').length)
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== undefined ? [answer.value] : [],
    )
  }
}

// Each gauge looks for itself: the registry asks all of them at once, so one could not wait for what another found.
function exposeLags(registry: Registry, ask: Ask): void {
  // Each process tells of its own partitions alone, so that the sum over all processes is the truth.
  const look = async (): Promise<GroupLag[]> => {
    const lags = (await ask('lags', (sources) => sources.lags?.())).flat()
    return lags.filter(({ elsewhere }) => elsewhere !== true)
  }
  const expose = (name: string, help: string, valueOf: (lag: GroupLag) => number): void => {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['group', 'topic'],
      registers: [registry],
      async collect() {
        const lags = await look()
        gauge.reset()
        for (const lag of lags) gauge.inc({ group: lag.group, topic: lag.topic }, valueOf(lag))
      },
    })
  }
  expose('lonja_group_lag_records', 'Records that a consumer group has still to read.', ({ head, next }) =>
    Math.max(0, head - next),
  )
  expose('lonja_group_stopped_partitions', 'Partitions that a consumer group has stopped reading.', ({ stopped }) =>
    stopped === undefined ? 0 : 1,
  )
  expose(
    'lonja_group_one_by_one_partitions',
    'Partitions that a consumer group handles one record at a time, since processes died there.',
    ({ oneByOne }) => (oneByOne === undefined ? 0 : 1),
  )
  expose('lonja_group_paused_partitions', 'Partitions of a consumer group that a person has paused.', ({ paused }) =>
    paused === undefined ? 0 : 1,
  )
  expose(
    'lonja_group_breaker_open_partitions',
    'Partitions in which a handler of a consumer group is paused, since it fails for many keys.',
    ({ stoppedFor }) => (stoppedFor === 'breaker' ? 1 : 0),
  )
}

function exposeStatements(registry: Registry, known: readonly MetricSources[]): void {
  const statements = new Counter({
    name: 'lonja_sql_statements_total',
    help: 'SQL statements sent since the start.',
    labelNames: ['store'],
    registers: [registry],
    collect() {
      statements.reset()
      for (const sources of known) {
        for (const [store, sent] of Object.entries(sources.statements?.() ?? {})) statements.inc({ store }, sent)
      }
    },
  })
}

interface NamedGauge {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly look: () => Promise<ByName[]>
}

function exposeNamed(registry: Registry, { name, help, label, look }: NamedGauge): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    async collect() {
      const answers = await look()
      gauge.reset()
      for (const [each, value] of answers.flatMap((answer) => Object.entries(answer)))
        gauge.inc({ [label]: each }, value)
    },
  })
}

// Three figures tell whether the process itself is well; prom-client's default set wakes the loop 100 times a second.
function exposeProcess(registry: Registry): void {
  const memory = new Gauge({
    name: 'lonja_process_resident_bytes',
    help: 'Memory that the process holds.',
    registers: [registry],
    collect() {
      memory.set(process.memoryUsage.rss())
    },
  })
  const cpu = new Counter({
    name: 'lonja_process_cpu_seconds_total',
    help: 'Processor time that the process has used.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage()
      cpu.reset()
      cpu.inc((user + system) / 1e6)
    },
  })
  const busyShare = busySinceAsked()
  const busy = new Gauge({
    name: 'lonja_event_loop_busy_ratio',
    help: 'Share of the time since the last scrape in which the event loop was busy.',
    registers: [registry],
    collect() {
      busy.set(busyShare())
    },
  })
}

/** @returns what answers the share of the time since it was last asked in which the event loop was busy */
export function busySinceAsked(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}
