// How this process stands with Kafka, over HTTP, for operators and their dashboards.
import { z } from 'zod'
import { Refusal } from '../../kernel/refuse.ts'
import { get, type Route } from '../../kernel/route.ts'
import type { KafkaHealth } from '../kafka/kafka-health.ts'

export interface KafkaDesk {
  kafkaHealth(): Promise<KafkaHealth | undefined>
}

export const kafkaCodes = {
  KAFKA_NOT_USED: { status: 404, title: 'This installation runs without Kafka: its log is in the database.' },
} as const

const count = z.int().min(0)

const KafkaAnswer = z.object({
  status: z
    .enum(['healthy', 'degraded', 'unhealthy'])
    .describe('unhealthy: nothing can be sent or read; degraded: `/health` says what to mend.'),
  producer: z.object({
    messagesProduced: count.describe('Records that Kafka acknowledged since the start of this process.'),
    errors: count.describe('Tries that failed since then, and records that Kafka refused.'),
    avgLatency: z.number().describe('Milliseconds of a transaction of Kafka, mean of the last hundred.'),
  }),
  consumers: z.object({
    active: count.describe('Consumer groups that work in this process.'),
    lag: count.describe('Records that they have still to read.'),
    errors: count.describe('Messages that could not be handled, reads that failed, and records that are none of ours.'),
  }),
  topics: z.object({
    total: count.describe('Topics that this process ships to or reads.'),
    healthy: count.describe('Those that are as declared, led, in enough copies, and not stopped.'),
  }),
})

/** The route of Kafka's health. */
export function kafkaRoutes(desk: KafkaDesk): readonly Route[] {
  return [
    get('/v1/ops/kafka', {
      summary: 'Look at how this process stands with Kafka: what it sends, reads, and finds there.',
      role: 'operator',
      answers: { 200: KafkaAnswer },
      codes: ['KAFKA_NOT_USED'],
      handle: async () => {
        const health = await desk.kafkaHealth()
        if (health === undefined) throw new Refusal('KAFKA_NOT_USED', {})
        return { status: 200, body: health }
      },
    }),
  ]
}
