// How this process stands with Kafka, in one small object for dashboards: what it sends, reads, and finds there.
import type { GroupLag, PartHealth } from '../application.ts'
import type { Sight } from './watch.ts'

export type KafkaStatus = 'healthy' | 'degraded' | 'unhealthy'

export interface KafkaHealth {
  readonly status: KafkaStatus
  readonly producer: {
    /** Records that Kafka acknowledged since the start. */
    readonly messagesProduced: number
    /** Tries to send that failed since the start, and records that Kafka refused. */
    readonly errors: number
    /** Milliseconds of a transaction of Kafka, over the last hundred; 0 before the first. */
    readonly avgLatency: number
  }
  readonly consumers: {
    /** Consumer groups that work here. */
    readonly active: number
    /** Records that they have still to read. */
    readonly lag: number
    /** Since the start: tries to handle a message or to read Kafka that failed, and records that are none of ours. */
    readonly errors: number
  }
  readonly topics: {
    /** Those that this process ships to or reads. */
    readonly total: number
    readonly healthy: number
  }
}

/** What was counted since the start of the process. */
export class KafkaCounts {
  produced = 0
  produceErrors = 0
  consumeErrors = 0
  /** Records in our topics that no relay put there. */
  strangers = 0
  readonly #latencies: number[] = []

  shipped(records: number, durationMs: number): void {
    this.produced += records
    this.#latencies.push(durationMs)
    if (this.#latencies.length > LATENCIES) this.#latencies.shift()
  }

  get averageLatencyMs(): number {
    const sum = this.#latencies.reduce((total, each) => total + each, 0)
    return this.#latencies.length === 0 ? 0 : Math.round((10 * sum) / this.#latencies.length) / 10
  }
}

const LATENCIES = 100

interface Seen {
  readonly sight: Sight
  readonly topics: number
  /** Topics of which the relay has stopped a partition. */
  readonly stopped: readonly string[]
  readonly parts: readonly PartHealth[]
  readonly lags: readonly GroupLag[]
  readonly counts: KafkaCounts
}

export function kafkaHealth({ sight, topics, stopped, parts, lags, counts }: Seen): KafkaHealth {
  const healthy = sight.healthyTopics.filter((topic) => !stopped.includes(topic)).length
  const here = lags.filter(({ elsewhere }) => elsewhere !== true)
  const active = here.filter(({ stopped, paused }) => stopped === undefined && paused === undefined)
  return {
    status: statusOf(sight, { healthy, parts }),
    producer: {
      messagesProduced: counts.produced,
      errors: counts.produceErrors,
      avgLatency: counts.averageLatencyMs,
    },
    consumers: {
      active: new Set(active.map(({ group }) => group)).size,
      lag: here.reduce((sum, { head, next }) => sum + Math.max(0, head - next), 0),
      errors: counts.consumeErrors + counts.strangers,
    },
    topics: { total: topics, healthy },
  }
}

/** Unhealthy: nothing can be sent or read. Degraded: something has to be mended, and the rest goes on. */
function statusOf({ away }: Sight, { healthy, parts }: Pick<Seen, 'parts'> & { healthy: number }): KafkaStatus {
  if (away !== undefined || healthy === 0) return 'unhealthy'
  return parts.every(({ status }) => status === 'healthy') ? 'healthy' : 'degraded'
}
