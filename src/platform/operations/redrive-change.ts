// Stopping and resuming a job: its row and the audit in one commit, in each database that has a part of it.
import { auditWrites } from '../audit/audit.ts'
import type { Clock, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { planOf } from '../parking/dead-letter-office.ts'
import type { Registry } from '../runtime/registry.ts'
import { redrivesTable } from '../store/tables.ts'
import type { Asker } from './redrive-draft.ts'
import type { RedriveJob } from './redrive-job.ts'
import { countLetters, jobCells, readJob } from './redrive-job.ts'

/** The job's worker saves it with each step, many times a second. */
const MAX_CONFLICTS = 50

export type JobChange = 'stop' | 'resume'

export interface ChangeOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
  readonly newId: () => string
}

/** @returns whether the job stands as wanted now: false where it is done, or has no part here. */
export async function changeJob(
  options: ChangeOptions,
  { id, change }: { readonly id: string; readonly change: JobChange },
  asker: Asker & { readonly reason?: string | undefined },
): Promise<boolean> {
  const { registry, store, clock, newId } = options
  for (let conflicts = 0; ; conflicts += 1) {
    const job = await readJob(store, id)
    if (job === undefined) return false
    const { failed } = await countLetters(store, job)
    const after = changed(job, { change, failed, principal: asker.principal })
    if (after === undefined) return job.status === (change === 'stop' ? 'stopped' : 'running')
    const now = clock.now()
    const deed = { ...asker, id: newId(), at: now, action: `dead-letter.${change}`, target: `job ${id}` }
    const row = jobCells({ ...after, version: job.version + 1, changedAt: now })
    const transaction = await store.begin()
    try {
      const writes = [{ table: redrivesTable, mode: 'versioned' as const, rows: [row] }, ...auditWrites([deed])]
      await transaction.commit(planOf(registry, writes, now))
      return true
    } catch (error) {
      if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
    } finally {
      await transaction.release()
    }
  }
}

interface Change {
  readonly change: JobChange
  readonly failed: number
  readonly principal: string
}

function changed(job: RedriveJob, { change, failed, principal }: Change): RedriveJob | undefined {
  if (change === 'stop') {
    return job.status === 'running' ? { ...job, status: 'stopped', why: `stopped by ${principal}` } : undefined
  }
  // Those who resume it have seen what failed: it counts anew.
  return job.status === 'stopped' ? { ...job, status: 'running', why: null, forgiven: failed } : undefined
}
