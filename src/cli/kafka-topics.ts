// `lonja topics create | check | describe`: the declared topics on the brokers of Kafka.
import { servicesWith } from '../app.ts'
import type { Topic } from '../kernel/message.ts'
import { sentenceOf } from '../platform/kafka/check-kafka.ts'
import { kafkaAddressOf } from '../platform/kafka/kafka-settings.ts'
import { topicsOnKafka } from '../platform/kafka/open-kafka.ts'
import { driftOf, type Drift } from '../platform/kafka/topic-drift.ts'
import { TopicAdmin } from '../platform/kafka/topics.ts'
import { askServer, bodyOf } from './api.ts'
import { CommandError, countFlag, EXIT, isSet, noWords, UsageError, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

const DEFAULT_REPLICAS = 3

const declared = ({ settings }: Call): readonly Topic[] => topicsOnKafka(servicesWith(settings))

/** @throws {CommandError} with what to mend, where Kafka fails. */
export async function onKafka<Result>(call: Call, work: (admin: TopicAdmin) => Promise<Result>): Promise<Result> {
  const address = kafkaAddressOf(call.settings)
  if (address === undefined) throw new UsageError('No Kafka is named: --log kafka://host:9092, or KAFKA_BROKERS.')
  const admin = new TopicAdmin(address)
  try {
    return await work(admin)
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(sentenceOf(address, error).message, { cause: error })
  } finally {
    await admin.close()
  }
}

export async function createTopics(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  const wanted = countFlag(call, 'replicas') ?? DEFAULT_REPLICAS
  return onKafka(call, async (admin) => {
    const brokers = await admin.brokers()
    const replicas = Math.min(wanted, brokers)
    if (replicas < wanted)
      terminal.note(`Each partition gets ${replicas} of ${wanted} copies: there are ${brokers} brokers.`)
    const made = await admin.create(declared(call), replicas)
    if (isSet(call, 'json')) terminal.json({ made, replicas, declared: declared(call).length })
    else if (made.length === 0) terminal.line(`All ${declared(call).length} topics are there already.`)
    else terminal.line(`Made ${made.length} topics: ${made.join(', ')}.`)
    return EXIT.ok
  })
}

export async function checkTopics(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  return onKafka(call, async (admin) => {
    const brokers = await admin.brokers()
    const drifts: Drift[] = []
    for (const topic of declared(call)) drifts.push(...driftOf(topic, await admin.describe(topic.name), brokers))
    const wrong = drifts.filter(({ isWrong }) => isWrong)
    if (isSet(call, 'json')) terminal.json({ ok: wrong.length === 0, drifts })
    else {
      for (const { topic, text, isWrong } of drifts)
        terminal.line(`${isWrong ? 'wrong  ' : 'warning'}  ${topic}: ${text}`)
      const sum = wrong.length === 0 ? 'as declared' : `${wrong.length} things differ`
      terminal.line(`${declared(call).length} topics on ${brokers} brokers: ${sum}.`)
    }
    return wrong.length === 0 ? EXIT.ok : EXIT.failed
  })
}

export async function describeTopics(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  return onKafka(call, async (admin) => {
    const topics = []
    for (const { name } of declared(call)) {
      const found = await admin.describe(name)
      topics.push({ name, ...found, ends: found === undefined ? [] : await admin.ends(name) })
    }
    const written = await writtenOf(call)
    if (isSet(call, 'json')) terminal.json({ topics, written: Object.fromEntries(written) })
    else {
      const rows = topics.map(({ name, partitions, replicas, config, ends }) => [
        name,
        partitions === undefined ? 'missing' : String(partitions),
        written.get(name) ?? '-',
        String(replicas ?? '-'),
        config?.['retention.ms'] ?? '-',
        config?.['compression.type'] ?? '-',
        String(ends.reduce((sum, { first, end }) => sum + end - first, 0)),
      ])
      const heading = ['TOPIC', 'PARTITIONS', 'WRITTEN', 'COPIES', 'KEPT MS', 'COMPRESSION', 'OFFSETS']
      for (const line of tableOf([heading, ...rows])) terminal.line(line)
    }
    return EXIT.ok
  })
}

interface ServedTopic {
  readonly topic: string
  readonly partitions: number
  readonly generation: number
}

/** How many partitions are written to, which the heads in the databases say: a running server is asked for them. */
async function writtenOf({ settings }: Call): Promise<ReadonlyMap<string, string>> {
  try {
    const answer = await askServer(settings, (api) => api.get('/v1/ops/topics'))
    const { items } = bodyOf<{ readonly items: readonly ServedTopic[] }>(answer)
    const text = ({ partitions, generation }: ServedTopic) => {
      return generation === 1 ? String(partitions) : `${partitions} (generation ${generation})`
    }
    const topics = Map.groupBy(items, ({ topic }) => topic)
    return new Map([...topics].map(([topic, own]) => [topic, [...new Set(own.map(text))].join(', ')]))
  } catch (error) {
    // Without a server, or without its key, that column stays empty.
    if (error instanceof CommandError) return new Map()
    throw error
  }
}
