// Puts records that are no message of ours among the dead letters, each once, however often it is read again.
import { deadLetterCells } from '../parking/dead-letter.ts'
import { planOf } from '../parking/dead-letter-office.ts'
import { mirrorRow, mirrorWrites } from '../parking/mirror-row.ts'
import { strangerId, strangerLetter, type StrangeRecord } from '../parking/stranger-letter.ts'
import { Conflict, type Clock, type Store } from '../ports.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface StrangersOptions {
  readonly registry: Registry
  /** The databases that are open here, with their services. */
  readonly databases: readonly { readonly store: Store; readonly services: readonly string[] }[]
  /** The services that run here. */
  readonly chosen: readonly string[]
  readonly clock: Clock
  readonly newId: () => string
  readonly log: Pick<Logger, 'error' | 'warn'>
}

/** A database that is away is asked again after this long; meanwhile the record is read again after a restart. */
const TRY_AGAIN_MS = 1000
/** Read again from a topic's beginning, a record of before costs no look into the database. */
const REMEMBERED = 10_000

export class Strangers {
  readonly #options: StrangersOptions
  readonly #kept = new Set<string>()
  #isStopped = false
  #cancel = new Set<() => void>()

  constructor(options: StrangersOptions) {
    this.#options = options
  }

  /** Resolves when the record is kept. Until then no position may be written behind it. */
  async take(record: StrangeRecord): Promise<boolean> {
    const id = strangerId(record)
    if (this.#kept.has(id)) return true
    while (!this.#isStopped) {
      try {
        await this.#keep(record, id)
        if (this.#kept.size >= REMEMBERED) this.#kept.clear()
        this.#kept.add(id)
        return true
      } catch (error) {
        if (!(error instanceof Conflict)) await this.#pause(error)
      }
    }
    return false
  }

  stop(): void {
    this.#isStopped = true
    for (const cancel of this.#cancel) cancel()
  }

  async #keep(record: StrangeRecord, id: string): Promise<void> {
    const { registry, clock, log } = this.#options
    const { topic, partition, offset, code, why } = record
    const reader = this.#readerOf(topic)
    if (reader === undefined) return
    const { group, store } = reader
    const table = registry.tables.get(group.service)?.deadLetters
    if (table === undefined || (await isKept(store, group.service, id))) return
    const now = clock.now()
    const letter = strangerLetter(record, { group: group.name, now })
    const transaction = await store.begin()
    try {
      const writes = [{ table, mode: 'insert' as const, rows: [deadLetterCells(letter)] }]
      const mirrored = mirrorWrites([mirrorRow(this.#options.newId(), { kind: 'dlq', letter })])
      await transaction.commit(planOf(registry, [...writes, ...mirrored], now))
    } finally {
      await transaction.release()
    }
    const facts = { topic, partition, code, group: group.name }
    log.error(`A record at offset ${offset} is none of ours: ${why}. It is among the dead letters as ${id}.`, facts)
  }

  /** One of the groups that hear the topic here: its service keeps the letter. */
  #readerOf(topic: string): { readonly group: Group; readonly store: Store } | undefined {
    const { registry, databases, chosen } = this.#options
    const heard = registry.groups.filter(({ service, topics }) => chosen.includes(service) && topics.includes(topic))
    for (const group of heard.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
      const database = databases.find(({ services }) => services.includes(group.service))
      if (database !== undefined) return { group, store: database.store }
    }
    return undefined
  }

  async #pause(error: unknown): Promise<void> {
    const { log, clock } = this.#options
    log.warn('A record that is none of ours could not be kept yet; it is tried again.', { error })
    if (this.#isStopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(TRY_AGAIN_MS, resolve)
    const end = (): void => {
      cancel()
      resolve()
    }
    this.#cancel.add(end)
    await promise
    this.#cancel.delete(end)
  }
}

/** Also where it was archived since: a person has decided about it. */
async function isKept(store: Store, service: string, id: string): Promise<boolean> {
  const rows = await store.query(
    `SELECT id FROM ${store.tableName(service, 'dead_letters')} WHERE id = ?
     UNION ALL SELECT id FROM ${store.tableName(service, 'archived_letters')} WHERE id = ?`,
    [id, id],
  )
  return rows.length > 0
}
