// Deletes the answers that were kept for repeated requests once nobody will repeat them any more.
import type { Row, Store, Table } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { compareKeys } from '../rebuild/compare-tables.ts'

/** The API promises that a repeated request gets its answer for so long. */
export const ANSWERS_KEPT_MS = 48 * 3_600_000
/** Rows of one transaction: each command leaves one, so that a busy shop has thousands a second. */
const ROWS_A_CHUNK = 500
/** A look that met more than this goes on at the next. */
const CHUNKS_A_LOOK = 100_000

export interface OldAnswersOptions {
  readonly store: Store
  readonly service: string
  /** The service's kept answers. */
  readonly table: Table
  readonly now: number
  /** Before each chunk; false ends the look. */
  readonly mayGoOn: () => Promise<boolean>
  readonly deleted: (answers: number) => void
}

/** Where another process deletes here too, the look ends. */
export async function deleteOldAnswers(options: OldAnswersOptions): Promise<void> {
  for (let chunk = 0; chunk < CHUNKS_A_LOOK; chunk += 1) {
    const keys = await oldKeys(options)
    if (keys.length === 0 || !(await options.mayGoOn())) return
    if (!(await areRemoved(options, keys))) return
    options.deleted(keys.length)
    if (keys.length < ROWS_A_CHUNK) return
  }
}

async function oldKeys({ store, service, now }: OldAnswersOptions): Promise<readonly Row[]> {
  const rows = await store.query<{ readonly scope: string }>(
    `SELECT scope FROM ${store.tableName(service, 'idempotency')} WHERE created_at < ?
     ORDER BY created_at LIMIT ${ROWS_A_CHUNK}`,
    [now - ANSWERS_KEPT_MS],
  )
  return rows.map(({ scope }): Row => [scope]).toSorted(compareKeys)
}

async function areRemoved({ store, table, now }: OldAnswersOptions, keys: readonly Row[]): Promise<boolean> {
  const transaction = await store.begin()
  try {
    const writes = [{ table, mode: 'delete' as const, rows: keys }]
    await transaction.commit({ writes, appends: [], appendedAt: now, transaction: 0 })
    return true
  } catch (error) {
    if (!(error instanceof Conflict)) throw error
    return false
  } finally {
    await transaction.release()
  }
}
