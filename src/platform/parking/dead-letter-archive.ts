// Moves old dead letters from the database to a file: first on the disk, then out of the table, never without a word.
import type { Alert } from '../alerts/alert.ts'
import type { Clock, Membership, Row, Store, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { RepeatedLook } from '../repeated-look.ts'
import type { Registry } from '../runtime/registry.ts'
import { sorted } from '../runtime/working-set.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ArchiveFile, archivedLine } from './archive-file.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterCells, deadLetterIn } from './dead-letter.ts'
import type { StoredRow } from './parked-message.ts'

/** The first look comes when the start is over. */
const FIRST_LOOK_MS = 60_000
const LOOK_EVERY_MS = 3_600_000
/** Those that can not go are told once a day. */
const KEPT_AGAIN_AFTER_MS = 86_400_000
/** Letters of one transaction: their records may have half a megabyte each. */
const LETTERS_A_BATCH = 100
/** A look that met more than this goes on at the next. */
const BATCHES_A_LOOK = 1000
/** A batch whose letters somebody decides meanwhile is read again this often. */
const CONFLICTS_A_LOOK = 3

export interface ArchiveDatabase {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface ArchiveOptions {
  readonly registry: Registry
  readonly databases: readonly ArchiveDatabase[]
  readonly clock: Clock
  readonly newId: () => string
  readonly retentionMs: number
  readonly folder: string
  /** Whether this process does it for the database. */
  readonly isOurs: (database: ArchiveDatabase) => boolean
  readonly raise: (alert: Alert) => void
  readonly telemetry: { readonly log: Logger; readonly metrics: Metrics }
}

/**
 * Which letters may go: what a person decided, and what was skipped. A letter whose key is parked stays however old it
 * is: it may be what the queue waits for, and without it that would never move again.
 */
const DECIDED = `d.status IN ('redriven', 'discarded', 'edited')`
const isParked = (parkedKeys: string, states: string) => `EXISTS (SELECT 1 FROM ${parkedKeys} AS k
  WHERE k.consumer_group = d.consumer_group AND k.key_name = d.key_name AND k.key = d.key AND k.state IN (${states}))`

export class DeadLetterArchive {
  readonly #options: ArchiveOptions
  readonly #looks: RepeatedLook
  #keptToldAt = Number.NEGATIVE_INFINITY

  constructor(options: ArchiveOptions) {
    this.#options = options
    this.#looks = new RepeatedLook({
      clock: options.clock,
      firstAfterMs: FIRST_LOOK_MS,
      everyMs: LOOK_EVERY_MS,
      look: () => this.run(),
      failed: (error) =>
        options.telemetry.log.error('Dead letters could not be archived; they stay where they are.', { error }),
    })
  }

  start(): void {
    this.#looks.start()
  }

  /** Ends after the batch in hand. */
  async stop(): Promise<void> {
    await this.#looks.stop()
  }

  /** Archives what is old enough by now. */
  async run(): Promise<void> {
    const { clock, retentionMs } = this.#options
    const before = clock.now() - retentionMs
    const mayTellKept = clock.now() - this.#keptToldAt >= KEPT_AGAIN_AFTER_MS
    if (mayTellKept) this.#keptToldAt = clock.now()
    for (const database of this.#options.databases) {
      if (!this.#options.isOurs(database)) continue
      const lazy = new LazyFile(this.#options, clock.now())
      try {
        for (const service of database.services) await this.#archive(database.store, service, { before, lazy })
      } finally {
        await lazy.close()
      }
      if (mayTellKept) for (const service of database.services) await this.#tellKept(database.store, service, before)
    }
  }

  async #archive(
    store: Store,
    service: string,
    { before, lazy }: { readonly before: number; readonly lazy: LazyFile },
  ) {
    const { log, metrics } = this.#options.telemetry
    let count = 0
    let conflicts = 0
    for (let batch = 0; batch < BATCHES_A_LOOK && !this.#looks.isStopped && conflicts < CONFLICTS_A_LOOK; batch += 1) {
      const letters = await readOld(store, service, before)
      if (letters.length === 0) break
      const now = this.#options.clock.now()
      const file = await lazy.get()
      await file.append(letters.map((letter) => archivedLine(service, letter, now)))
      try {
        await this.#remove({ store, service, file: file.path }, letters, now)
        count += letters.length
      } catch (error) {
        if (!(error instanceof Conflict)) throw error
        conflicts += 1
      }
    }
    if (count === 0) return
    metrics.archived(service, count)
    log.info('Dead letters were archived to a file.', { service, count, file: (await lazy.get()).path })
  }

  /** One transaction. A row is raised, then removed: whoever decided about it meanwhile makes that a conflict. */
  async #remove(
    { store, service, file }: { readonly store: Store; readonly service: string; readonly file: string },
    letters: readonly DeadLetter[],
    now: number,
  ): Promise<void> {
    const tables = this.#options.registry.tables.get(service)
    if (tables === undefined) throw new Error(`No service ${service} is declared.`)
    const { deadLetters, archivedLetters } = tables
    const raised = letters.map((letter) => deadLetterCells({ ...letter, version: letter.version + 1 }))
    const lines = letters.map((letter): Row => {
      const { id, group, keyName, key, topic, source, partition, sequence, type, failure, status } = letter
      return [id, group, keyName, key, topic, source, partition, sequence, type, failure.code, status, now, file]
    })
    const writes: Write[] = [
      { table: deadLetters, mode: 'versioned', rows: sorted(raised, 1) },
      {
        table: deadLetters,
        mode: 'delete',
        rows: sorted(
          letters.map(({ id }): Row => [id]),
          1,
        ),
      },
      { table: archivedLetters, mode: 'insert', rows: sorted(lines, 1) },
    ]
    const transaction = await store.begin()
    try {
      await transaction.commit({ writes, appends: [], appendedAt: now, transaction: 0 })
    } finally {
      await transaction.release()
    }
  }

  async #tellKept(store: Store, service: string, before: number): Promise<void> {
    const { raise, telemetry } = this.#options
    for (const { group, topic, code, count, first, last } of await readKept(store, service, before)) {
      const facts = { group, topic, code, count }
      telemetry.log.error('Dead letters are older than they should be and still hold their keys.', facts)
      raise({ what: 'dead-letters-kept', ...facts, firstAt: first, lastAt: last })
    }
  }
}

/** Made when the first letter comes, so that a look that finds nothing leaves nothing behind. */
class LazyFile {
  readonly #options: Pick<ArchiveOptions, 'folder' | 'newId'>
  readonly #now: number
  #file: Promise<ArchiveFile> | undefined

  constructor(options: Pick<ArchiveOptions, 'folder' | 'newId'>, now: number) {
    this.#options = options
    this.#now = now
  }

  get(): Promise<ArchiveFile> {
    const { folder, newId } = this.#options
    const time = new Date(this.#now).toISOString().slice(0, 19).replaceAll(':', '')
    const tail = newId().slice(-8)
    return (this.#file ??= ArchiveFile.create(folder, `dead-letters-${time}-${tail}.ndjson.gz`))
  }

  async close(): Promise<void> {
    await (await this.#file)?.close()
  }
}

async function readOld(store: Store, service: string, before: number): Promise<readonly DeadLetter[]> {
  const parked = isParked(store.tableName(service, 'parked_keys'), `'held', 'retrying'`)
  const rows = await store.query<StoredRow>(
    `SELECT d.* FROM ${store.tableName(service, 'dead_letters')} AS d
     WHERE d.died_at < ? AND (${DECIDED} OR (d.status = 'dead' AND NOT ${parked}))
     ORDER BY d.died_at LIMIT ${LETTERS_A_BATCH}`,
    [before],
  )
  return rows.map(deadLetterIn)
}

interface Kept {
  readonly group: string
  readonly topic: string
  readonly code: string
  readonly count: number
  readonly first: number
  readonly last: number
}

function readKept(store: Store, service: string, before: number): Promise<readonly Kept[]> {
  const held = isParked(store.tableName(service, 'parked_keys'), `'held'`)
  return store.query<Kept>(
    `SELECT d.consumer_group AS "group", d.topic AS topic, d.code AS code,
      count(*) AS count, min(d.died_at) AS first, max(d.died_at) AS last
     FROM ${store.tableName(service, 'dead_letters')} AS d WHERE d.died_at < ? AND d.status = 'dead' AND ${held}
     GROUP BY d.consumer_group, d.topic, d.code`,
    [before],
  )
}
