// Writes a job down with all of its letters; it counts from the commit on that makes it run, and not before.
import type { AuditEntry } from '../audit/audit.ts'
import { auditWrites } from '../audit/audit.ts'
import type { Clock, Store, Write } from '../ports.ts'
import { CommitUnknown, Conflict } from '../ports.ts'
import { planOf } from '../parking/dead-letter-office.ts'
import type { Registry } from '../runtime/registry.ts'
import { redriveLettersTable, redrivesTable } from '../store/tables.ts'
import type { JobLetter, RedriveJob } from './redrive-job.ts'
import { jobCells, letterCells, readJob } from './redrive-job.ts'

/** 2,000 rows take 30 ms on SQLite and 60 ms on PostgreSQL: far below the 2 s that a transaction may last. */
const LETTERS_A_COMMIT = 2000
/** Who has written nothing for so long while he froze a set is dead; another one writes it down anew. */
const FREEZING_MS = 10_000
const LOOK_AGAIN_MS = 50
/** Conflicts and waits before it is given up: longer than a dead process is waited for. */
const MAX_TRIES = 400

export interface FreezeOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
}

/** What is to be written: without a version, and its letters without the job's id. */
export interface Draft {
  readonly job: Omit<RedriveJob, 'version' | 'status' | 'changedAt' | 'total'>
  readonly letters: readonly JobLetter[]
  readonly deed: AuditEntry
}

/**
 * Asked twice, also by two processes at once, it is written once.
 *
 * @returns the job as it stands: as the draft says, or as an earlier request with the same id left it.
 */
export async function freeze(options: FreezeOptions, draft: Draft): Promise<RedriveJob> {
  const { store, clock } = options
  for (let tries = 0; ; tries += 1) {
    const known = await readJob(store, draft.job.id)
    if (known !== undefined && known.status !== 'freezing') return known
    const isUnderWay = known !== undefined && clock.now() - known.changedAt < FREEZING_MS
    try {
      if (!isUnderWay) return await writeDown(options, draft, known?.version ?? 0)
    } catch (error) {
      const isPassing = error instanceof Conflict || error instanceof CommitUnknown
      if (!isPassing || tries >= MAX_TRIES) throw error
    }
    if (tries >= MAX_TRIES) throw new Conflict(`Another process has been freezing ${draft.job.id} all the time.`)
    await new Promise<void>((resolve) => void clock.after(LOOK_AGAIN_MS, resolve))
  }
}

async function writeDown(options: FreezeOptions, { job, letters, deed }: Draft, before: number): Promise<RedriveJob> {
  const total = letters.length
  let version = before
  for (let from = 0; ; from += LETTERS_A_COMMIT) {
    const some = letters.slice(from, from + LETTERS_A_COMMIT)
    const isLast = from + LETTERS_A_COMMIT >= total
    version += 1
    const status = isLast ? 'running' : 'freezing'
    const stored: RedriveJob = { ...job, version, status, changedAt: options.clock.now(), total }
    // The job's version fences whoever was taken for dead; his rows are written over.
    await commit(options, [
      { table: redrivesTable, mode: 'versioned', rows: [jobCells(stored)] },
      { table: redriveLettersTable, mode: 'upsert', rows: some.map(letterCells) },
      ...(isLast ? auditWrites([deed]) : []),
    ])
    if (isLast) return stored
  }
}

async function commit({ registry, store, clock }: FreezeOptions, writes: readonly Write[]): Promise<void> {
  const transaction = await store.begin()
  try {
    const used = writes.filter(({ rows }) => rows.length > 0)
    await transaction.commit(planOf(registry, used, clock.now()))
  } finally {
    await transaction.release()
  }
}
