// Reads where partitions end and when, and writes down for Kafka's tools how far a group is, without joining it.
import { type API, type Callback, Admin, kGetApi } from '@platformatic/kafka'
import { addressOptions, ANSWER_WITHIN_MS, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import { isUnknownTopic, kafkaCodes } from './kafka-error.ts'

/** A partition, and the moment whose first offset is asked for; where it ends, without one. */
export interface OffsetQuestion {
  readonly topic: string
  readonly partition: number
  /** Milliseconds since the epoch. */
  readonly since?: number | undefined
}

/** What a group has written down: of one of ours, or by somebody else under its name. */
export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly isOurs: boolean
}

export interface NewOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** Beside every offset of ours: one without it was written by somebody else. */
const OURS = 'lonja'
const LATEST = -1n
/** Kafka's answer where no record is as young as that. */
const NONE = -1n
const RETRIES = 2
const RETRY_MS = 100
/** Kafka's answers to one who is no member, where a group has members. */
const HAS_MEMBERS: ReadonlySet<string> = new Set([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'STALE_MEMBER_EPOCH',
  'FENCED_MEMBER_EPOCH',
])

/** Whether Kafka refused since somebody else is a member of the group. */
export function hasMembers(error: unknown): boolean {
  return kafkaCodes(error).some((code) => HAS_MEMBERS.has(code))
}

type CommitRequest = [string, number, string, string | null, { readonly name: string; partitions: object[] }[]]

/** The client's admin, which leaves no note beside an offset, so that nobody could tell ours from another's. */
class MarkingAdmin extends Admin {
  override [kGetApi]<Question extends unknown[], Answer>(
    name: string,
    callback: Callback<API<Question, Answer>>,
  ): void {
    super[kGetApi]<Question, Answer>(name, (error, api) => {
      if (api === undefined || name !== 'OffsetCommit') callback(error, api)
      else callback(null, marking(api))
    })
  }
}

function marking<Question extends unknown[], Answer>(api: API<Question, Answer>): API<Question, Answer> {
  const commit = api as unknown as (connection: unknown, ...rest: unknown[]) => unknown
  const marked = (connection: unknown, ...rest: unknown[]): unknown => {
    const [group, generation, member, instance, topics] = rest as CommitRequest
    const noted = topics.map(({ name, partitions }) => {
      return { name, partitions: partitions.map((partition) => ({ ...partition, committedMetadata: OURS })) }
    })
    return commit(connection, group, generation, member, instance, noted, ...rest.slice(5))
  }
  return Object.assign(marked, api)
}

/** After an error it must be closed and a new one made: the client hands a question that hangs to all who ask later. */
export class OffsetAdmin {
  readonly #admin: MarkingAdmin

  constructor(address: KafkaAddress) {
    this.#admin = new MarkingAdmin({
      ...addressOptions(address),
      retries: RETRIES,
      retryDelay: RETRY_MS,
      autocreateTopics: false,
    })
    this.#admin.on('error', () => undefined)
  }

  /** The answers by `topic/partition`; a topic that is missing has none, nor has a moment after the last record. */
  async offsets(questions: readonly OffsetQuestion[]): Promise<ReadonlyMap<string, bigint>> {
    if (questions.length === 0) return new Map()
    try {
      return await this.#listed(questions)
    } catch (error) {
      if (!isUnknownTopic(error)) throw error
    }
    // One topic that is missing fails the whole question.
    const found = new Map<string, bigint>()
    for (const own of Map.groupBy(questions, ({ topic }) => topic).values()) {
      const answer = await this.#listed(own).catch((error: unknown) => {
        if (!isUnknownTopic(error)) throw error
        return new Map<string, bigint>()
      })
      for (const [place, offset] of answer) found.set(place, offset)
    }
    return found
  }

  async #listed(questions: readonly OffsetQuestion[]): Promise<ReadonlyMap<string, bigint>> {
    const topics = [...Map.groupBy(questions, ({ topic }) => topic)].map(([name, own]) => ({
      name,
      partitions: own.map(({ partition, since }) => {
        return { partitionIndex: partition, timestamp: since === undefined ? LATEST : BigInt(since) }
      }),
    }))
    const listed = await within(ANSWER_WITHIN_MS, 'asking for offsets', this.#admin.listOffsets({ topics }))
    const found = listed.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, offset }) => [`${name}/${partitionIndex}`, offset] as const),
    )
    return new Map(found.filter(([, offset]) => offset !== NONE))
  }

  /** What these groups have written down at the brokers. */
  async committed(group: string): Promise<readonly CommittedOffset[]> {
    const asked = this.#admin.listConsumerGroupOffsets({ groups: [group] })
    const [found] = await within(ANSWER_WITHIN_MS, `asking for the offsets of ${group}`, asked)
    return (found?.topics ?? []).flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata }) => {
        return { topic: name, partition: partitionIndex, offset: committedOffset, isOurs: metadata === OURS }
      }),
    )
  }

  /** Kafka itself refuses it where the group has members. @see hasMembers */
  async commit(groupId: string, offsets: readonly NewOffset[]): Promise<void> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, own]) => {
      return { name, partitionOffsets: own.map(({ partition, offset }) => ({ partition, offset })) }
    })
    const asked = this.#admin.alterConsumerGroupOffsets({ groupId, topics })
    await within(ANSWER_WITHIN_MS, `writing the offsets of ${groupId}`, asked)
  }

  async close(): Promise<void> {
    await within(ANSWER_WITHIN_MS, 'closing', this.#admin.close()).catch(() => undefined)
  }
}
