// `lonja kafka`: how the running server stands with Kafka, and what is to be mended there.
import type { PartHealth } from '../platform/application.ts'
import type { KafkaHealth } from '../platform/kafka/kafka-health.ts'
import { askServer, bodyOf } from './api.ts'
import { EXIT, isSet, noWords, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

/** Those parts of `/health` that are about Kafka. */
const IS_OF_KAFKA = /^(?:Kafka|relay of|reader of Kafka)/

export async function kafka(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  return askServer(call.settings, async (api) => {
    const health = bodyOf<KafkaHealth>(await api.get('/v1/ops/kafka'))
    const { parts } = bodyOf<{ readonly parts: readonly PartHealth[] }>(await api.get('/health'))
    const ours = parts.filter(({ part }) => IS_OF_KAFKA.test(part))
    if (isSet(call, 'json')) terminal.json({ ...health, parts: ours })
    else for (const line of linesOf(health, ours)) terminal.line(line)
    return health.status === 'unhealthy' ? EXIT.failed : EXIT.ok
  })
}

function linesOf({ status, producer, consumers, topics }: KafkaHealth, parts: readonly PartHealth[]): string[] {
  const { messagesProduced, errors, avgLatency } = producer
  return [
    `Kafka is ${status}.`,
    ...tableOf([
      ['producer', `${messagesProduced} records sent, ${errors} errors, ${avgLatency} ms a transaction`],
      ['consumers', `${consumers.active} groups, lag ${consumers.lag}, ${consumers.errors} errors`],
      ['topics', `${topics.healthy} of ${topics.total} are well`],
      ...parts.map(({ part, status: state, detail }) => [part, `${state}: ${detail}`]),
    ]),
  ]
}
