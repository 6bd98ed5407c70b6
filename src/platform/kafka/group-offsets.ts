// Tells Kafka's own tools how far every group is: its offsets are written down there, and nobody here ever reads them.
import type { PartHealth } from '../application.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { Clock } from '../ports.ts'
import { MirroredPlaces, type MirroredRuntime, type UnreadOnKafka } from './mirrored-places.ts'
import { kafkaReason } from './kafka-error.ts'
import { hasMembers, type NewOffset, type OffsetAdmin } from './offset-admin.ts'

export type OffsetWriter = Pick<OffsetAdmin, 'offsets' | 'committed' | 'commit' | 'close'>

export interface GroupOffsetsOptions {
  readonly openAdmin: () => OffsetWriter
  readonly clock: Clock
  /** Stands before the name of each group. */
  readonly prefix: string
  readonly runtimes: readonly MirroredRuntime[]
  /** Of logs that are read over Kafka. */
  readonly unread: UnreadOnKafka
}

/** Lag in a console is looked at by people; each look costs three requests, and one for each group that moved. */
const LOOK_EVERY_MS = 5000
/** Kafka forgets what nobody wrote down again for a week. */
const WRITE_AGAIN_AFTER_MS = 3_600_000
/** Whoever has taken the name of a group may go. */
const LOOK_AT_FOREIGN_MS = 60_000

export class GroupOffsets {
  readonly #options: GroupOffsetsOptions
  readonly #places: MirroredPlaces
  #admin: OffsetWriter | undefined
  readonly #looks: RepeatedLook
  /** What each group has written down, by place: only what changed is written. */
  readonly #written = new Map<string, Map<string, bigint>>()
  #forgetAt = 0
  /** Groups that others use, with the reason, and when they are looked at again. */
  readonly #foreign = new Map<string, { readonly why: string; readonly until: number }>()
  #failure: string | undefined

  constructor(options: GroupOffsetsOptions) {
    this.#options = options
    this.#looks = new RepeatedLook({
      clock: options.clock,
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      // A look keeps for `/health` what it failed by.
      failed: () => undefined,
    })
    this.#places = new MirroredPlaces(options)
  }

  start(): void {
    this.#looks.start()
  }

  /** Writes down what has changed since the last look. Whatever fails waits for the next. */
  async look(): Promise<void> {
    try {
      this.#admin ??= this.#options.openAdmin()
      await this.#write(this.#admin)
      this.#failure = undefined
    } catch (error) {
      this.#failure = kafkaReason(error)
      await this.#close()
    }
  }

  async #write(admin: OffsetWriter): Promise<void> {
    const now = this.#options.clock.now()
    if (now >= this.#forgetAt) this.#written.clear()
    if (now >= this.#forgetAt) this.#forgetAt = now + WRITE_AGAIN_AFTER_MS
    for (const [group, offsets] of await this.#places.offsets(admin)) {
      if ((this.#foreign.get(group)?.until ?? 0) > now) continue
      const why = await this.#writeGroup(admin, group, offsets)
      if (why === undefined) this.#foreign.delete(group)
      else this.#foreign.set(group, { why, until: now + LOOK_AT_FOREIGN_MS })
    }
  }

  /** @returns why nothing was written, where the name is somebody else's. */
  async #writeGroup(admin: OffsetWriter, group: string, offsets: readonly NewOffset[]): Promise<string | undefined> {
    const name = `${this.#options.prefix}${group}`
    const known = this.#written.get(group)
    const news = offsets.filter(({ topic, partition, offset }) => known?.get(`${topic}/${partition}`) !== offset)
    if (news.length === 0) return undefined
    if (known === undefined) {
      const committed = await admin.committed(name)
      if (committed.some(({ isOurs }) => !isOurs)) return `somebody else keeps offsets as ${name}`
    }
    try {
      await admin.commit(name, news)
    } catch (error) {
      if (!hasMembers(error)) throw error
      this.#written.delete(group)
      return `${name} has members that are not ours`
    }
    const written = known ?? new Map<string, bigint>()
    for (const { topic, partition, offset } of news) written.set(`${topic}/${partition}`, offset)
    this.#written.set(group, written)
    return undefined
  }

  health(): PartHealth {
    const part = 'groups on Kafka'
    const foreign = [...this.#foreign.values()].map(({ why }) => why)
    if (foreign.length > 0) {
      const cure = 'nothing is written there: choose other names with --kafka-group-prefix'
      return { part, status: 'degraded', detail: `${foreign.join('; ')}; ${cure}` }
    }
    if (this.#failure === undefined) return { part, status: 'healthy', detail: 'their offsets are written down' }
    const what = `the offsets of groups are not written down for Kafka's tools: ${this.#failure}`
    const isForbidden = this.#failure.includes('AUTHORIZATION_FAILED')
    return { part, status: 'degraded', detail: isForbidden ? `${what}; \`lonja acls\` lists the rights` : what }
  }

  async stop(): Promise<void> {
    const stopped = this.#looks.stop()
    // A look under way ends with its connections.
    await this.#close()
    await stopped
    await this.#close()
  }

  async #close(): Promise<void> {
    const admin = this.#admin
    this.#admin = undefined
    await admin?.close()
  }
}
