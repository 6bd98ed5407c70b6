// A job that redrives or discards dead letters, as its rows say: what was asked for, and how far each letter is.
import type { Cell, Row, Store } from '../ports.ts'
import { redriveLettersTable, redrivesTable } from '../store/tables.ts'

export const ACTIONS = ['redrive', 'discard'] as const
export type RedriveAction = (typeof ACTIONS)[number]

/**
 * - freezing: its letters are being written down; it does not count before that is done.
 * - stopped: by a person, or because too many letters died again; it can be resumed.
 */
export const JOB_STATUSES = ['freezing', 'running', 'stopped', 'done'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

/** left-out: it was not touched, and `why` says why. failed: it died again. */
export const LETTER_STATES = ['waiting', 'under-way', 'redriven', 'discarded', 'failed', 'left-out'] as const
export type LetterState = (typeof LETTER_STATES)[number]

/** A job's part in one database. */
export interface RedriveJob {
  readonly id: string
  readonly version: number
  readonly action: RedriveAction
  readonly status: JobStatus
  /** Why it was stopped. */
  readonly why: string | null
  /** What was asked for, as JSON: the same id with another request is another job. */
  readonly request: string
  readonly reason: string
  readonly principal: string
  readonly askedAt: number
  readonly changedAt: number
  readonly total: number
  /** Letters a second; as fast as they are handled where it is null. */
  readonly rate: number | null
  /** The job stops before more letters than these can die again. */
  readonly stopAfter: number
  /** Letters that were redriven this often are left out. */
  readonly maxRedrives: number
  /** Failures before the last time that it was resumed. */
  readonly forgiven: number
  /** When the next letter may go. */
  readonly nextAt: number
}

export interface JobLetter {
  readonly job: string
  /** Its turn: the first letters of all keys come before the second ones, each key's in its order. */
  readonly ordinal: number
  readonly service: string
  readonly letter: string
  readonly group: string
  readonly keyName: string
  readonly key: string
  readonly state: LetterState
  readonly why: string | null
  /** The version of the letter when it was sent: a later one that is dead has died again. */
  readonly letterVersion: number
  readonly changedAt: number
}

type StoredRow = Readonly<Record<string, Cell>>

export function jobCells(job: RedriveJob): Row {
  const { id, version, action, status, why, request, reason, principal, askedAt, changedAt, total } = job
  const { rate, stopAfter, maxRedrives, forgiven, nextAt } = job
  const asked = [id, version, action, status, why, request, reason, principal, askedAt, changedAt, total]
  return [...asked, rate, stopAfter, maxRedrives, forgiven, nextAt]
}

export function jobIn(row: StoredRow): RedriveJob {
  return {
    id: String(row['id']),
    version: Number(row['version']),
    action: String(row['action']) as RedriveAction,
    status: String(row['status']) as JobStatus,
    why: row['why'] === null ? null : String(row['why']),
    request: String(row['request']),
    reason: String(row['reason']),
    principal: String(row['principal']),
    askedAt: Number(row['asked_at']),
    changedAt: Number(row['changed_at']),
    total: Number(row['total']),
    rate: row['rate'] === null ? null : Number(row['rate']),
    stopAfter: Number(row['stop_after']),
    maxRedrives: Number(row['max_redrives']),
    forgiven: Number(row['forgiven']),
    nextAt: Number(row['next_at']),
  }
}

export function letterCells(letter: JobLetter): Row {
  const { job, ordinal, service, letter: id, group, keyName, key, state, why, letterVersion, changedAt } = letter
  return [job, ordinal, service, id, group, keyName, key, state, why, letterVersion, changedAt]
}

export function jobLetterIn(row: StoredRow): JobLetter {
  return {
    job: String(row['job']),
    ordinal: Number(row['ordinal']),
    service: String(row['service']),
    letter: String(row['letter']),
    group: String(row['consumer_group']),
    keyName: String(row['key_name']),
    key: String(row['key']),
    state: String(row['state']) as LetterState,
    why: row['why'] === null ? null : String(row['why']),
    letterVersion: Number(row['letter_version']),
    changedAt: Number(row['changed_at']),
  }
}

export function jobsName(store: Store): string {
  return store.tableName(redrivesTable.schema, redrivesTable.name)
}

export function jobLettersName(store: Store): string {
  return store.tableName(redriveLettersTable.schema, redriveLettersTable.name)
}

/** The job's part in this database; undefined where it has none. */
export async function readJob(store: Store, id: string): Promise<RedriveJob | undefined> {
  const [row] = await store.query<StoredRow>(`SELECT * FROM ${jobsName(store)} WHERE id = ?`, [id])
  return row === undefined ? undefined : jobIn(row)
}

/** Letters of the job in one state, in their turn. */
export async function readJobLetters(
  store: Store,
  job: Pick<RedriveJob, 'id' | 'total'>,
  { state, limit }: { readonly state: LetterState; readonly limit: number },
): Promise<readonly JobLetter[]> {
  const rows = await store.query<StoredRow>(
    `SELECT * FROM ${jobLettersName(store)} WHERE job = ? AND state = ? AND ordinal < ? ORDER BY ordinal LIMIT ?`,
    [job.id, state, job.total, limit],
  )
  return rows.map(jobLetterIn)
}

export type LetterCounts = Readonly<Record<LetterState, number>>

/** How many letters of the job are in each state. */
export async function countLetters(store: Store, { id, total }: Pick<RedriveJob, 'id' | 'total'>) {
  const rows = await store.query<StoredRow>(
    `SELECT state, count(*) AS letters FROM ${jobLettersName(store)} WHERE job = ? AND ordinal < ? GROUP BY state`,
    [id, total],
  )
  const counts = new Map(rows.map((row) => [String(row['state']), Number(row['letters'])]))
  return Object.fromEntries(LETTER_STATES.map((state) => [state, counts.get(state) ?? 0])) as LetterCounts
}
