// Tells the webhook of dead letters that nobody was told of yet, by marks in the database: no restart loses one.
import type { Clock, Row, Store, Table } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { alertRetryMs } from './alarm-queue.ts'
import type { SendAlert } from './alert-call.ts'
import { TOLD_AGAIN_AFTER_MS } from './alert.ts'

/** How long a letter of another process may wait to be noticed; those of this process are looked for at once. */
const LOOK_EVERY_MS = 15_000
/** Letters of one batch are told together. */
const GATHER_MS = 1000
/** Causes that one look tells. */
const MAX_CAUSES = 50
/** A letter bears the time at which its batch began, by the clock of its process: none is committed this much later. */
const LATE_MS = 10 * 60_000

export interface DeadLetterWatchOptions {
  readonly store: Store
  /** The marks of each service whose dead letters lie in this database. */
  readonly marks: ReadonlyMap<string, Table>
  readonly clock: Clock
  /** One process of a database tells. */
  readonly isOurs: () => boolean
  readonly send: SendAlert
  readonly failed: (error: unknown, retryMs: number) => void
}

/** Untold dead letters of one cause. */
interface Untold {
  readonly group: string
  readonly topic: string
  readonly handler: string
  readonly code: string
  readonly count: number
  readonly lowest: number
  readonly highest: number
  readonly first: number
  readonly last: number
  readonly version: number | null
  readonly told_at: number | null
}

export class DeadLetterWatch {
  readonly #options: DeadLetterWatchOptions
  /** Nothing that died before is untold; at the start everything may be. */
  #told = 0
  #failures = 0
  #isLooking = false
  #isStopped = false
  /** A letter died while the others were told. */
  #isAsked = false
  #next = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(options: DeadLetterWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#lookWithin(GATHER_MS)
  }

  /** A letter died here; costs a comparison where one died just before. */
  noticed(): void {
    if (this.#failures === 0) this.#lookWithin(GATHER_MS)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #lookWithin(delayMs: number): void {
    const at = this.#options.clock.now() + delayMs
    if (this.#isStopped || at >= this.#next) return
    this.#cancel?.()
    this.#next = at
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.#next = Number.POSITIVE_INFINITY
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    if (this.#isLooking) {
      this.#isAsked = true
      return
    }
    this.#isLooking = true
    this.#isAsked = false
    try {
      if (this.#options.isOurs()) await this.#tellAll()
      // Whoever takes over begins where the marks say.
      else this.#told = 0
      this.#failures = 0
      this.#lookWithin(LOOK_EVERY_MS)
    } catch (error) {
      // What is cut off by the end is told by the next process.
      if (this.#isStopped) return
      this.#failures += 1
      const retryMs = alertRetryMs(this.#failures)
      this.#options.failed(error, retryMs)
      this.#lookWithin(retryMs)
    } finally {
      this.#isLooking = false
      if (this.#isAsked && this.#failures === 0) this.#lookWithin(GATHER_MS)
    }
  }

  async #tellAll(): Promise<void> {
    const startedAt = this.#options.clock.now()
    let isAllTold = true
    for (const [service, marks] of this.#options.marks) {
      const untold = await this.#untold(service)
      if (untold.length === MAX_CAUSES) isAllTold = false
      for (const cause of untold) {
        if (this.#isStopped) return
        const mayAt = (cause.told_at ?? Number.NEGATIVE_INFINITY) + TOLD_AGAIN_AFTER_MS
        if (mayAt > startedAt) {
          isAllTold = false
          this.#lookWithin(mayAt - startedAt)
        } else await this.#tell(marks, cause)
      }
    }
    if (isAllTold) this.#told = startedAt - LATE_MS
  }

  /** What died since its cause was told last. The marks lie beside the letters: no statement names two schemas. */
  #untold(service: string): Promise<readonly Untold[]> {
    const { store } = this.#options
    return store.query<Untold>(
      `SELECT d.consumer_group AS "group", d.topic AS topic, d.handler AS handler, d.code AS code,
        count(*) AS count, min(d.partition) AS lowest, max(d.partition) AS highest,
        min(d.died_at) AS first, max(d.died_at) AS last, max(m.version) AS version, max(m.told_at) AS told_at
       FROM ${store.tableName(service, 'dead_letters')} AS d
       LEFT JOIN ${store.tableName(service, 'alert_marks')} AS m ON m.consumer_group = d.consumer_group
        AND m.topic = d.topic AND m.handler = d.handler AND m.code = d.code
       WHERE d.status = 'dead' AND d.died_at > ? AND d.died_at > coalesce(m.told_until, 0)
       GROUP BY d.consumer_group, d.topic, d.handler, d.code
       ORDER BY min(d.died_at) LIMIT ${MAX_CAUSES}`,
      [this.#told],
    )
  }

  /** First told, then marked: a crash in between tells it twice. */
  async #tell(marks: Table, cause: Untold): Promise<void> {
    const { clock, send } = this.#options
    const { group, topic, handler, code, count, lowest, highest, first, last, version } = cause
    const partition = lowest === highest ? lowest : undefined
    await send({ what: 'dead-letters', group, topic, partition, handler, code, count, firstAt: first, lastAt: last })
    const row: Row = [group, topic, handler, code, (version ?? 0) + 1, last, clock.now()]
    await this.#mark(marks, row)
  }

  async #mark(table: Table, row: Row): Promise<void> {
    const transaction = await this.#options.store.begin()
    try {
      const writes = [{ table, mode: 'versioned' as const, rows: [row] }]
      await transaction.commit({ writes, appends: [], appendedAt: this.#options.clock.now(), transaction: 0 })
    } catch (error) {
      // Another process told it as well, while the lease changed hands.
      if (!(error instanceof Conflict)) throw error
    } finally {
      await transaction.release()
    }
  }
}
