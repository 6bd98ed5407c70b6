// Reads jobs together over all databases: a job has a part in each one that has letters of it.
import type { Page, PageKey } from '../../kernel/page.ts'
import { cutPage } from '../../kernel/page.ts'
import type { Cell, Store } from '../ports.ts'
import type { JobLetter, LetterCounts, LetterState, RedriveJob } from './redrive-job.ts'
import { countLetters, jobIn, jobLetterIn, jobLettersName, jobsName, LETTER_STATES, readJob } from './redrive-job.ts'

export interface JobPart {
  readonly job: RedriveJob
  readonly counts: LetterCounts
}

type StoredRow = Readonly<Record<string, Cell>>

/** The parts of one job, in the order of the databases; none where nobody asked for it. */
export async function readParts(stores: readonly Store[], id: string): Promise<readonly JobPart[]> {
  const parts = await Promise.all(stores.map((store) => readPart(store, id)))
  return parts.filter((part) => part !== undefined)
}

async function readPart(store: Store, id: string): Promise<JobPart | undefined> {
  const job = await readJob(store, id)
  return job === undefined ? undefined : { job, counts: await countLetters(store, job) }
}

/** A page of all jobs, the youngest first, each as its parts. */
export async function listJobs(
  stores: readonly Store[],
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<readonly JobPart[]>> {
  const [askedAt = 0, id = ''] = after ?? []
  const where = after === undefined ? '' : 'WHERE asked_at < ? OR (asked_at = ? AND id < ?)'
  const rows = await Promise.all(
    stores.map((store) =>
      store.query<StoredRow>(`SELECT * FROM ${jobsName(store)} ${where} ORDER BY asked_at DESC, id DESC LIMIT ?`, [
        ...(after === undefined ? [] : [askedAt, askedAt, id]),
        limit + 1,
      ]),
    ),
  )
  const jobs = new Map(rows.flat().map((row) => [String(row['id']), jobIn(row)]))
  const ordered = [...jobs.values()].toSorted((one, other) => {
    return other.askedAt - one.askedAt || (one.id < other.id ? 1 : -1)
  })
  const page = cutPage(ordered, limit, (job) => [job.askedAt, job.id])
  return { ...page, items: await Promise.all(page.items.map((job) => readParts(stores, job.id))) }
}

/** A page of the letters of a job, database by database, in their turns. */
export async function listJobLetters(
  stores: readonly Store[],
  { id, state }: { readonly id: string; readonly state?: LetterState | undefined },
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<JobLetter>> {
  const [from = 0, ordinal = -1] = after ?? []
  const found: { readonly letter: JobLetter; readonly at: number }[] = []
  for (const [at, store] of stores.entries()) {
    if (at < Number(from) || found.length > limit) continue
    const states = state === undefined ? LETTER_STATES : [state]
    const rows = await store.query<StoredRow>(
      `SELECT * FROM ${jobLettersName(store)} WHERE job = ? AND state IN (${states.map(() => '?').join(', ')})
       AND ordinal > ? ORDER BY ordinal LIMIT ?`,
      [id, ...states, at === from ? ordinal : -1, limit + 1 - found.length],
    )
    found.push(...rows.map((row) => ({ letter: jobLetterIn(row), at })))
  }
  const { items, next } = cutPage(found, limit, ({ letter, at }) => [at, letter.ordinal])
  return { items: items.map(({ letter }) => letter), next }
}

/** Letters of a job that died again in these databases since it was started or resumed. */
export async function countFailures(stores: readonly Store[], id: string): Promise<number> {
  const parts = await readParts(stores, id)
  return parts.reduce((sum, { job, counts }) => sum + counts.failed - job.forgiven, 0)
}
