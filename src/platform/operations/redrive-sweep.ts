// Takes away jobs that are long done: what became of each letter stands in the letter itself, who asked in the audit.
import { planOf } from '../parking/dead-letter-office.ts'
import type { Clock, Row, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { redriveLettersTable, redrivesTable } from '../store/tables.ts'
import { jobLettersName, jobsName } from './redrive-job.ts'

const KEPT_MS = 90 * 24 * 3_600_000
/** Jobs that one sweep takes away; the next one goes on. */
const JOBS_A_SWEEP = 20
const LETTERS_A_COMMIT = 2000

export interface SweepOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
}

/** Two processes that sweep at once do no harm: the slower one meets a conflict. */
export async function sweepJobs(options: SweepOptions): Promise<void> {
  const { store, clock } = options
  const jobs = await store.query<{ readonly id: string }>(
    `SELECT id FROM ${jobsName(store)} WHERE status = 'done' AND changed_at < ? ORDER BY id LIMIT ${JOBS_A_SWEEP}`,
    [clock.now() - KEPT_MS],
  )
  for (const { id } of jobs) await removeJob(options, id)
}

async function removeJob(options: SweepOptions, id: string): Promise<void> {
  const { store, registry, clock } = options
  for (;;) {
    const letters = await store.query<{ readonly ordinal: number }>(
      `SELECT ordinal FROM ${jobLettersName(store)} WHERE job = ? ORDER BY ordinal LIMIT ${LETTERS_A_COMMIT}`,
      [id],
    )
    const table = letters.length === 0 ? redrivesTable : redriveLettersTable
    const rows: Row[] = letters.length === 0 ? [[id]] : letters.map(({ ordinal }) => [id, ordinal])
    const transaction = await store.begin()
    try {
      await transaction.commit(planOf(registry, [{ table, mode: 'delete', rows }], clock.now()))
    } catch (error) {
      if (error instanceof Conflict) return
      throw error
    } finally {
      await transaction.release()
    }
    if (letters.length === 0) return
  }
}
