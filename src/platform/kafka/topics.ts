// The topics on the brokers: made as declared, never by themselves, and compared with what is there.
import { Admin } from '@platformatic/kafka'
import type { Topic } from '../../kernel/message.ts'
import { addressOptions, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import { isUnknownTopic, kafkaCodes } from './kafka-error.ts'

/** What the brokers say of a topic. */
export interface FoundTopic {
  readonly partitions: number
  readonly replicas: number
  readonly topicId: string
}

/** Shortly after its making a topic is not known to each broker. */
const VISIBLE_WITHIN_MS = 15_000
const DEADLINE_MS = 12_000
const LOOK_AGAIN_MS = 50
const RETRIES = 2
const RETRY_MS = 100
const HOUR_MS = 3_600_000

export class TopicAdmin {
  readonly #admin: Admin

  constructor(address: KafkaAddress) {
    // With the client's own number of tries a wrong password is asked for again without end.
    this.#admin = new Admin({
      ...addressOptions(address),
      retries: RETRIES,
      retryDelay: RETRY_MS,
      autocreateTopics: false,
    })
    this.#admin.on('error', () => undefined)
  }

  /** How many brokers there are. */
  async brokers(): Promise<number> {
    const asked = this.#admin.metadata({ topics: [], forceUpdate: true })
    return (await within(DEADLINE_MS, 'asking for the brokers', asked)).brokers.size
  }

  /** The topic as the brokers have it; undefined where there is none. */
  async find(name: string): Promise<FoundTopic | undefined> {
    try {
      const asked = this.#admin.metadata({ topics: [name], forceUpdate: true })
      const found = (await within(DEADLINE_MS, `asking for ${name}`, asked)).topics.get(name)
      if (found === undefined) return undefined
      const replicas = Math.min(...found.partitions.map((partition) => partition.replicas.length))
      return { partitions: found.partitionsCount, replicas, topicId: found.id }
    } catch (error) {
      if (isUnknownTopic(error)) return undefined
      throw error
    }
  }

  /** Makes those that are missing, and waits until each partition has a leader. @returns the names of those made. */
  async create(topics: readonly Topic[], replicas: number): Promise<readonly string[]> {
    const made: string[] = []
    for (const topic of topics) {
      if ((await this.find(topic.name)) !== undefined) continue
      await this.#create(topic, replicas)
      made.push(topic.name)
    }
    for (const name of made) await this.#visible(name)
    return made
  }

  /** One a call: with several, one that exists fails the answer although the others were made. */
  async #create({ name, partitions, retentionHours, compression }: Topic, replicas: number): Promise<void> {
    const configs = [
      { name: 'retention.ms', value: String(retentionHours * HOUR_MS) },
      { name: 'cleanup.policy', value: 'delete' },
      { name: 'compression.type', value: compression === 'none' ? 'uncompressed' : compression },
    ]
    try {
      const asked = this.#admin.createTopics({ topics: [{ topic: name, partitions, replicas }], configs })
      await within(DEADLINE_MS, `making ${name}`, asked)
    } catch (error) {
      if (!kafkaCodes(error).includes('TOPIC_ALREADY_EXISTS')) throw error
    }
  }

  async #visible(name: string): Promise<void> {
    const until = performance.now() + VISIBLE_WITHIN_MS
    while (performance.now() < until) {
      if ((await this.find(name).catch(() => undefined)) !== undefined) return
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_AGAIN_MS))
    }
    throw new Error(`Kafka made ${name}, and no broker leads it after ${VISIBLE_WITHIN_MS} ms.`)
  }

  async close(): Promise<void> {
    await within(DEADLINE_MS, 'closing', this.#admin.close()).catch(() => undefined)
  }
}
