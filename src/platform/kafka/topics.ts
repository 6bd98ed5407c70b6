// The topics on the brokers: made as declared, never by themselves, and compared with what is there.
import { Admin } from '@platformatic/kafka'
import { keptMs, type Topic } from '../../kernel/message.ts'
import { addressOptions, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import { HEADS_TOPIC } from './heads-record.ts'
import { isUnknownTopic, kafkaCodes } from './kafka-error.ts'

/** What the brokers say of a topic. */
export interface FoundTopic {
  readonly partitions: number
  readonly replicas: number
  /** Copies that are up to date, of the partition that has the fewest. */
  readonly inSync: number
  /** Partitions that nobody leads: nothing of them can be read or written. */
  readonly leaderless: number
  readonly topicId: string
}

/** The same with its settings, those that are not said included. */
export interface DescribedTopic extends FoundTopic {
  /** Undefined where the user may not see them. */
  readonly config: Readonly<Record<string, string>> | undefined
}

/** The first offset kept of a partition, and the one after its last. */
export interface PartitionEnds {
  readonly partition: number
  readonly first: number
  readonly end: number
  /** Where what is committed ends: below lies no transaction that is open. */
  readonly stable: number
}

/** The settings of a topic on the brokers, as its declaration wants them. */
export function configOf({ compression, ...topic }: Topic): readonly { name: string; value: string }[] {
  const kept = keptMs(topic)
  return [
    { name: 'retention.ms', value: kept === Number.POSITIVE_INFINITY ? FOR_EVER : String(kept) },
    { name: 'cleanup.policy', value: 'delete' },
    // A body may be 1 MB over HTTP, and its record is somewhat more.
    { name: 'max.message.bytes', value: String(MAX_RECORD_BYTES) },
    { name: 'compression.type', value: compression === 'none' ? 'uncompressed' : compression },
    // Announcements carry the brokers' time beside the database's, so that clocks can be compared.
    ...(topic.name === HEADS_TOPIC ? [{ name: 'message.timestamp.type', value: 'LogAppendTime' }] : []),
  ]
}

/** Shortly after its making a topic is not known to each broker. */
const VISIBLE_WITHIN_MS = 15_000
const DEADLINE_MS = 12_000
const LOOK_AGAIN_MS = 50
const RETRIES = 2
const RETRY_MS = 100
/** What Kafka calls it. */
const FOR_EVER = '-1'
const MAX_RECORD_BYTES = 2 * 1024 * 1024
/** Kafka's number for a topic among the kinds of things that have settings. */
const TOPIC = 2
const LATEST = -1n
/** Kafka's numbers for what a reader sees. */
const UNCOMMITTED = 0
const COMMITTED = 1
const EARLIEST = -2n

export class TopicAdmin {
  readonly #admin: Admin

  /** @param retries where a topic may just have been made, or a broker just started; 0 to hear of it at once. */
  constructor(address: KafkaAddress, retries = RETRIES) {
    // With the client's own number of tries a wrong password is asked for again without end.
    this.#admin = new Admin({
      ...addressOptions(address),
      retries,
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
      const { partitions, partitionsCount, id: topicId } = found
      const replicas = Math.min(...partitions.map((partition) => partition.replicas.length))
      const inSync = Math.min(...partitions.map((partition) => partition.isr.length))
      const leaderless = partitions.filter(({ leader }) => leader < 0).length
      return { partitions: partitionsCount, replicas, inSync, leaderless, topicId }
    } catch (error) {
      if (isUnknownTopic(error)) return undefined
      throw error
    }
  }

  /** Makes those that are missing, and waits until each partition has a leader. @returns the names of those made. */
  async create(topics: readonly Topic[], replicas: number): Promise<readonly string[]> {
    const known = await this.names()
    const missing = topics.filter(({ name }) => !known.has(name))
    for (const topic of missing) await this.#create(topic, replicas)
    for (const { name } of missing) await this.#visible(name)
    return missing.map(({ name }) => name)
  }

  /**
   * Those that the user may see, by one question: the client asks three times for one that is missing, which made 12
   * seconds of the 45 topics of all services.
   */
  async names(): Promise<ReadonlySet<string>> {
    return new Set(await within(DEADLINE_MS, 'asking for the topics', this.#admin.listTopics()))
  }

  /** One a call: with several, one that exists fails the answer although the others were made. */
  async #create(topic: Topic, replicas: number): Promise<void> {
    const { name, partitions } = topic
    const configs = [...configOf(topic)]
    try {
      const asked = this.#admin.createTopics({ topics: [{ topic: name, partitions, replicas }], configs })
      await within(DEADLINE_MS, `making ${name}`, asked)
    } catch (error) {
      if (!kafkaCodes(error).includes('TOPIC_ALREADY_EXISTS')) throw error
    }
  }

  /** Gives a topic more partitions, and waits until each has a leader. */
  async grow(name: string, partitions: number): Promise<void> {
    const asked = this.#admin.createPartitions({ topics: [{ name, count: partitions, assignments: null }] })
    await within(DEADLINE_MS, `making partitions of ${name}`, asked)
    await this.#visible(name, partitions)
  }

  async #visible(name: string, partitions = 1): Promise<void> {
    const until = performance.now() + VISIBLE_WITHIN_MS
    while (performance.now() < until) {
      const found = await this.find(name).catch(() => undefined)
      if (found !== undefined && found.partitions >= partitions) return
      await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_AGAIN_MS))
    }
    throw new Error(`Kafka made ${name}, and no broker leads it after ${VISIBLE_WITHIN_MS} ms.`)
  }

  /** The topic with its settings; undefined where there is none. */
  async describe(name: string): Promise<DescribedTopic | undefined> {
    const found = await this.find(name)
    if (found === undefined) return undefined
    return { ...found, config: await this.#configOf(name) }
  }

  async #configOf(name: string): Promise<DescribedTopic['config']> {
    const asked = this.#admin.describeConfigs({ resources: [{ resourceType: TOPIC, resourceName: name }] })
    try {
      const [described] = await within(DEADLINE_MS, `asking for the settings of ${name}`, asked)
      const config = (described?.configs ?? []).flatMap((each) =>
        typeof each.value === 'string' ? [[each.name, each.value] as const] : [],
      )
      return Object.fromEntries(config)
    } catch (error) {
      // To describe a topic and to describe its settings are two rights.
      if (kafkaCodes(error).includes('TOPIC_AUTHORIZATION_FAILED')) return undefined
      throw error
    }
  }

  /** What each partition holds. */
  async ends(name: string): Promise<readonly PartitionEnds[]> {
    const found = await this.find(name)
    const at = async (timestamp: bigint, isolationLevel: 0 | 1 = UNCOMMITTED): Promise<readonly bigint[]> => {
      const partitions = Array.from({ length: found?.partitions ?? 0 }, (_, partitionIndex) => {
        return { partitionIndex, timestamp }
      })
      const asked = this.#admin.listOffsets({ topics: [{ name, partitions }], isolationLevel })
      const [listed] = await within(DEADLINE_MS, `asking for the offsets of ${name}`, asked)
      const sorted = (listed?.partitions ?? []).toSorted((one, other) => one.partitionIndex - other.partitionIndex)
      return sorted.map(({ offset }) => offset)
    }
    const firsts = await at(EARLIEST)
    const stables = await at(LATEST, COMMITTED)
    const ends = await at(LATEST)
    return firsts.map((first, partition) => {
      const [stable, end] = [Number(stables[partition] ?? 0n), Number(ends[partition] ?? 0n)]
      return { partition, first: Number(first), end, stable }
    })
  }

  async close(): Promise<void> {
    await within(DEADLINE_MS, 'closing', this.#admin.close()).catch(() => undefined)
  }
}
