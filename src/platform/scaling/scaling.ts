// Gives topics more partitions: barriers into the old ones, new heads and the next generation, one commit a database.
import type { AuditEntry } from '../audit/audit.ts'
import { auditWrites } from '../audit/audit.ts'
import type { Role } from '../../kernel/route.ts'
import { refuse } from '../../kernel/refuse.ts'
import { barrierBody } from '../log/barrier.ts'
import type { Append, Clock, Head, Scaling as ScalingWrite, Store } from '../ports.ts'
import { CommitUnknown, Conflict } from '../ports.ts'
import type { GroupDesk } from '../operations/read-groups.ts'
import type { Database } from '../runtime/lonja.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { checkGroups } from './check-groups.ts'

/** What Kafka says before a topic may be scaled; undefined where there is none. */
export interface KafkaSide {
  /** Records that are not shipped yet, and how many are too many. */
  backlog(): Promise<{ readonly records: number; readonly limit: number }>
  /** How many partitions the brokers have of a topic, asked afresh. */
  partitionsOf(topic: string): Promise<number>
}

export interface ScalingOptions {
  readonly databases: readonly Database[]
  readonly clock: Clock
  readonly newId: () => string
  readonly runtimeOf: (store: Store) => Runtime | undefined
  readonly desk: GroupDesk
  readonly kafka: KafkaSide | undefined
}

export interface AskedScaling {
  readonly partitions: number
  /** All of them, where none is named. */
  readonly topics: readonly string[]
  readonly reason: string
  readonly principal: string
  readonly role: Role
  /** Only says what would happen. */
  readonly dryRun: boolean
}

/** What became, or would become, of a topic of one source. */
export interface ScaledTopic {
  readonly topic: string
  readonly source: string
  readonly from: number
  readonly to: number
  /** The generation that it is of then. */
  readonly generation: number
}

export interface ScalingOutcome {
  readonly scaled: readonly ScaledTopic[]
  /** Sources that append to these topics from databases that are not open here: their own servers scale them. */
  readonly elsewhere: readonly string[]
}

/** How many times a database is asked again whose heads were another's meanwhile, or whose answer was lost. */
const TRIES = 10
/** Beside the numbers of batches, which end in zeros: they are a thousand times the millisecond, and count on. */
const TRANSACTION_OFFSET = 999

export class Scaling {
  readonly #options: ScalingOptions

  constructor(options: ScalingOptions) {
    this.#options = options
  }

  /** Every topic of every source that lies here, as its heads say. */
  async topics(): Promise<readonly (ScaledTopic & { readonly declared: number })[]> {
    const found = await Promise.all(
      this.#options.databases.map(async ({ store, services }) => {
        const heads = await headsOf(store, services)
        return [...Map.groupBy(heads, ({ source, topic }) => `${source}/${topic}`).values()].map(standingOf)
      }),
    )
    return found.flat().map((topic) => ({ ...topic, declared: this.#declared(topic) }))
  }

  #declared({ source, topic }: Pick<ScaledTopic, 'source' | 'topic'>): number {
    const schema = this.#options.desk.registry.schemas.find(({ schema: name }) => name === source)
    return schema?.topics.find(({ name }) => name === topic)?.partitions ?? 0
  }

  /**
   * Scales each topic in every source whose database is open here. What has as many partitions already is left alone,
   * so asking again is safe.
   *
   * @throws {Refusal} TOPIC_NOT_FOUND, SCALING_SHRINKS, SCALING_UNDER_WAY, SCALING_GROUP_STANDS, SCALING_RELAY_BEHIND,
   * SCALING_KAFKA_FIRST; then nothing was changed.
   */
  async scale(asked: AskedScaling): Promise<ScalingOutcome> {
    const { registry } = this.#options.desk
    const known = new Set(registry.schemas.flatMap(({ topics }) => topics.map(({ name }) => name)))
    const unknown = asked.topics.filter((topic) => !known.has(topic))
    refuse(unknown.length > 0, 'TOPIC_NOT_FOUND', { topics: unknown })
    const topics = asked.topics.length === 0 ? known : new Set(asked.topics)
    const present = (await this.topics()).filter(({ topic }) => topics.has(topic))
    await this.#check(present, asked.partitions)
    const scaled: ScaledTopic[] = []
    for (const database of this.#options.databases)
      scaled.push(
        ...(asked.dryRun ? await this.#planned(database, topics, asked) : await this.#commit(database, topics, asked)),
      )
    const here = new Set(this.#options.databases.flatMap(({ services }) => services))
    const sources = new Set([...topics].flatMap((topic) => registry.sourcesOf(topic)))
    return { scaled, elsewhere: [...sources].filter((source) => !here.has(source)) }
  }

  async #check(present: readonly ScaledTopic[], partitions: number): Promise<void> {
    const larger = present.filter(({ from }) => from > partitions)
    refuse(larger.length > 0, 'SCALING_SHRINKS', { topics: larger.map(({ topic, from }) => `${topic} has ${from}`) })
    const topics = new Set(present.filter(({ from }) => from < partitions).map(({ topic }) => topic))
    if (topics.size === 0) return
    await checkGroups(this.#options.desk, topics)
    const { kafka } = this.#options
    if (kafka === undefined) return
    const { records, limit } = await kafka.backlog()
    refuse(records > limit, 'SCALING_RELAY_BEHIND', { records, limit })
    const counts = await Promise.all(
      [...topics].map(async (topic) => ({ topic, has: await kafka.partitionsOf(topic) })),
    )
    const few = counts.filter(({ has }) => has < partitions).map(({ topic, has }) => `${topic} has ${has}`)
    refuse(few.length > 0, 'SCALING_KAFKA_FIRST', { wanted: partitions, topics: few })
  }

  async #planned(
    { store, services }: Database,
    topics: ReadonlySet<string>,
    { partitions }: AskedScaling,
  ): Promise<ScaledTopic[]> {
    const heads = await headsOf(store, services)
    return plannedOf(heads, topics, partitions).map(({ source, topic, from, to, generation }) => {
      return { source, topic, from, to, generation: generation + 1 }
    })
  }

  /** One transaction: all heads of these topics, of every source in the database, in the one lock order. */
  async #commit(database: Database, topics: ReadonlySet<string>, asked: AskedScaling): Promise<ScaledTopic[]> {
    const { store, services } = database
    let done: ScaledTopic[] = []
    for (let tries = 1; ; tries += 1) {
      const heads = await headsOf(store, services)
      const scalings = plannedOf(heads, topics, asked.partitions)
      if (scalings.length === 0) return done
      done = scalings.map((each) => ({ ...each, generation: each.generation + 1 }))
      try {
        await this.#write(store, { heads, scalings, asked })
        this.#tell(database, [...new Set(scalings.map(({ source }) => source))])
        return done
      } catch (error) {
        // Another one scaled it, or the answer was lost: the heads tell what happened.
        if (!(error instanceof Conflict || error instanceof CommitUnknown) || tries >= TRIES) throw error
      }
    }
  }

  /** Every process of the database looks at its heads. */
  #tell({ store, membership }: Database, sources: readonly string[]): void {
    const runtime = this.#options.runtimeOf(store)
    membership.announce(sources)
    runtime?.noticed(sources)
    runtime?.options.grown(sources)
  }

  async #write(
    store: Store,
    { heads, scalings, asked }: { heads: readonly Head[]; scalings: readonly ScalingWrite[]; asked: AskedScaling },
  ): Promise<void> {
    const { clock, newId } = this.#options
    const now = clock.now()
    const { principal, role, reason, partitions } = asked
    const names = [...new Set(scalings.map(({ topic }) => topic))]
    const details = { partitions, topics: scalings.map(({ source, topic, from }) => `${topic} of ${source}: ${from}`) }
    const entry: AuditEntry = {
      id: newId(),
      at: now,
      principal,
      role,
      reason,
      details,
      action: 'topics.scale',
      target: names.length === 1 ? (names[0] ?? '') : `${names.length} topics`,
    }
    const transaction = await store.begin()
    try {
      await transaction.commit({
        writes: auditWrites([entry]),
        appends: scalings.flatMap((scaling) => barriersOf(heads, scaling, `http ScaleTopics by ${principal}`)),
        scalings,
        appendedAt: now,
        transaction: now * 1000 + TRANSACTION_OFFSET,
      })
    } finally {
      await transaction.release()
    }
  }
}

async function headsOf(store: Store, services: readonly string[]): Promise<readonly Head[]> {
  return (await Promise.all(services.toSorted().map((source) => store.heads(source)))).flat()
}

function standingOf(heads: readonly Head[]): ScaledTopic {
  const [head] = heads as readonly [Head]
  const { source, topic, generation } = head
  return { source, topic, from: heads.length, to: heads.length, generation }
}

/** What has fewer partitions than wanted, by source and topic: so heads are locked. */
function plannedOf(heads: readonly Head[], topics: ReadonlySet<string>, partitions: number): ScalingWrite[] {
  const places = Map.groupBy(heads, ({ source, topic }) => `${source}/${topic}`)
  return [...places.keys()].toSorted().flatMap((place): ScalingWrite[] => {
    const own = places.get(place) ?? []
    const [head] = own
    if (head === undefined || !topics.has(head.topic) || own.length >= partitions) return []
    const { source, topic, generation, incarnation } = head
    return [{ source, topic, generation, from: own.length, to: partitions, incarnation }]
  })
}

function barriersOf(heads: readonly Head[], { source, topic, from, to }: ScalingWrite, cause: string): Append[] {
  const own = heads.filter((head) => head.source === source && head.topic === topic)
  return own
    .toSorted((one, other) => one.partition - other.partition)
    .map(({ partition, generation, incarnation }) => {
      const body = barrierBody({ generation: generation + 1, partitions: to, before: from }, cause)
      return { source, topic, partition, generation, incarnation, expected: undefined, count: 1, body }
    })
}
