// Looks now and then whether the topics of others are on Kafka as a contract declares them, and says what differs.
import { topicNamed } from '../../kernel/message.ts'
import type { PartHealth } from '../application.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { Clock } from '../ports.ts'
import type { KafkaAddress } from './address.ts'
import { TopicAdmin } from './topics.ts'

const LOOK_EVERY_MS = 60_000
const FIRST_LOOK_MS = 100

export interface ExternalTopicsOptions {
  readonly topics: readonly string[]
  readonly clock: Clock
  /** How many partitions the brokers have of a topic; undefined where they have none of this name. */
  readonly countPartitions: (topics: readonly string[]) => Promise<ReadonlyMap<string, number | undefined>>
}

export class ExternalTopics {
  readonly #looks: RepeatedLook
  #findings: readonly PartHealth[] = []

  constructor({ topics, clock, countPartitions }: ExternalTopicsOptions) {
    this.#looks = new RepeatedLook({
      clock,
      firstAfterMs: FIRST_LOOK_MS,
      everyMs: LOOK_EVERY_MS,
      look: async () => {
        const counts = await countPartitions(topics)
        this.#findings = topics.flatMap((topic) => findingOf(topic, counts.get(topic)))
      },
      // A Kafka that is away is told by whoever reads it.
      failed: () => undefined,
    })
  }

  start(): void {
    this.#looks.start()
  }

  health(): readonly PartHealth[] {
    return this.#findings
  }

  async stop(): Promise<void> {
    await this.#looks.stop()
  }
}

function findingOf(topic: string, found: number | undefined): readonly PartHealth[] {
  const { partitions } = topicNamed(topic)
  if (found === partitions) return []
  const part = `external topic ${topic}`
  if (found === undefined) {
    const detail = 'Kafka has no such topic: whoever writes it has to make it, and let us read it'
    return [{ part, status: 'degraded', detail }]
  }
  const cure = `set its partitions to ${found} where it is declared`
  const detail =
    found > partitions
      ? `has ${found} partitions and ${partitions} are read, so records are left out: ${cure}`
      : `has ${found} partitions of ${partitions}: ${cure}`
  return [{ part, status: 'degraded', detail }]
}

/** As the brokers say. */
export async function countPartitions(address: KafkaAddress, topics: readonly string[]) {
  const admin = new TopicAdmin(address)
  try {
    const counts = new Map<string, number | undefined>()
    for (const topic of topics) counts.set(topic, (await admin.find(topic))?.partitions)
    return counts
  } finally {
    await admin.close()
  }
}
