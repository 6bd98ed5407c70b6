// Carries copies of what is parked or dead to Kafka: rows written with it, deleted once Kafka has acknowledged them.
import type { PartHealth } from '../application.ts'
import type { Mirrored } from '../parking/mirror-row.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { Clock, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { mirrorsTable, PLATFORM_SCHEMA } from '../store/tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isUnknownTopic, kafkaCodes, kafkaReason } from './kafka-error.ts'
import { mirrorRecord } from './mirror-record.ts'
import type { PlainProducer } from './plain-producer.ts'

type Sender = Pick<PlainProducer, 'send' | 'close'>

export interface MirrorsOptions {
  readonly store: Store
  /** The services of the database, for people. */
  readonly services: readonly string[]
  /** Whether this process carries the copies of the database. */
  readonly isOurs: () => boolean
  readonly openProducer: () => Sender
  readonly clock: Clock
  readonly log: Pick<Logger, 'warn' | 'error'>
}

interface StoredMirror {
  readonly id: string
  readonly topic: string
  readonly body: string
}

const LOOK_EVERY_MS = 1000
const ROWS_A_LOOK = 100
/** One request takes 1 MB of a partition, headers included; stacks and bodies are most of it. */
const BATCH_BYTES = 500_000
/** A topic that is missing, or that we may not write to, is tried again after this long. */
const TRY_AGAIN_MS = 30_000
const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])

export class Mirrors {
  readonly #options: MirrorsOptions
  #producer: Sender | undefined
  readonly #looks: RepeatedLook
  /** Topics that take nothing at present: why, and until when they are left alone. */
  readonly #refused = new Map<string, { readonly why: string; readonly until: number }>()
  #failure: string | undefined

  constructor(options: MirrorsOptions) {
    this.#options = options
    this.#looks = new RepeatedLook({
      clock: options.clock,
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      // A look keeps for `/health` what it failed by.
      failed: () => undefined,
    })
  }

  start(): void {
    this.#looks.start()
  }

  /** Carries all that waits. What fails is told, and waits for the next look. */
  async look(): Promise<void> {
    try {
      while (!this.#looks.isStopped && this.#options.isOurs()) {
        const rows = await this.#read()
        if (rows.length === 0) break
        for (const [topic, own] of Map.groupBy(rows, (row) => row.topic)) await this.#carry(topic, own)
      }
      this.#failure = undefined
    } catch (error) {
      const reason = kafkaReason(error)
      if (reason !== this.#failure && !this.#looks.isStopped)
        this.#options.log.warn(`Copies of what is parked or dead wait for Kafka: ${reason}.`)
      this.#failure = reason
      await this.#close()
    }
  }

  #read(): Promise<readonly StoredMirror[]> {
    const { store, clock } = this.#options
    const now = clock.now()
    const without = [...this.#refused].filter(([, { until }]) => until > now).map(([topic]) => topic)
    const condition = without.length === 0 ? '' : `WHERE topic NOT IN (${without.map(() => '?').join(', ')})`
    const table = store.tableName(PLATFORM_SCHEMA, mirrorsTable.name)
    const sql = `SELECT id, topic, body FROM ${table} ${condition} ORDER BY id LIMIT ${ROWS_A_LOOK}`
    return store.query<StoredMirror>(sql, without)
  }

  /** What does not fit into one request goes in several, in order. */
  async #carry(topic: string, rows: readonly StoredMirror[]): Promise<void> {
    for (let from = 0; from < rows.length;) {
      let to = from + 1
      let bytes = rows[from]?.body.length ?? 0
      while (to < rows.length && (bytes += rows[to]?.body.length ?? 0) <= BATCH_BYTES) to += 1
      if (!(await this.#send(topic, rows.slice(from, to)))) return
      from = to
    }
  }

  /** @returns false where the topic takes nothing at present. */
  async #send(topic: string, rows: readonly StoredMirror[]): Promise<boolean> {
    try {
      this.#producer ??= this.#options.openProducer()
      await this.#producer.send(rows.map(({ body }) => mirrorRecord(JSON.parse(body) as Mirrored)))
    } catch (error) {
      await this.#close()
      return this.#failed(topic, rows, error)
    }
    this.#refused.delete(topic)
    await this.#delete(rows)
    return true
  }

  async #failed(topic: string, rows: readonly StoredMirror[], error: unknown): Promise<boolean> {
    const { clock, log } = this.#options
    const codes = kafkaCodes(error)
    if (codes.some((code) => TOO_LARGE.has(code))) return this.#sendOneByOne(topic, rows)
    const isMissing = isUnknownTopic(error)
    if (!isMissing && !codes.includes('TOPIC_AUTHORIZATION_FAILED')) throw error
    const cure = isMissing ? 'make it with `lonja topics create`' : '`lonja acls` lists the rights'
    const why = `${isMissing ? 'Kafka has no topic' : 'we may not write to'} ${topic}: ${cure}`
    if (!this.#refused.has(topic)) log.warn(`A copy of what is parked or dead waits: ${why}.`)
    this.#refused.set(topic, { why, until: clock.now() + TRY_AGAIN_MS })
    return false
  }

  async #sendOneByOne(topic: string, rows: readonly StoredMirror[]): Promise<boolean> {
    const [row, next] = rows
    if (next === undefined) {
      const text = `Kafka refuses the copy ${row?.id} for its size; the message itself is where it was.`
      this.#options.log.error(text, { topic })
      await this.#delete(rows)
      return true
    }
    for (const each of rows) if (!(await this.#send(topic, [each]))) return false
    return true
  }

  /** A crash before this sends them again. */
  async #delete(rows: readonly StoredMirror[]): Promise<void> {
    const { store, clock } = this.#options
    const transaction = await store.begin()
    const keys = rows.map(({ id }) => [id])
    try {
      const writes = [{ table: mirrorsTable, mode: 'delete' as const, rows: keys }]
      await transaction.commit({ writes, appends: [], appendedAt: clock.now(), transaction: 0 })
    } catch (error) {
      // Whoever had the lease before has sent them, too.
      if (!(error instanceof Conflict)) throw error
    } finally {
      await transaction.release()
    }
  }

  health(): readonly PartHealth[] {
    const part = `copies for Kafka of ${this.#options.services.join(', ')}`
    const refused = [...this.#refused.values()].map(({ why }) => why)
    const reasons = this.#failure === undefined ? refused : [...refused, this.#failure]
    if (reasons.length === 0) return []
    return [{ part, status: 'degraded', detail: `what is parked or dead waits to be copied: ${reasons.join('; ')}` }]
  }

  async stop(): Promise<void> {
    await this.#looks.stop()
    await this.#close()
  }

  async #close(): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    await producer?.close()
  }
}
