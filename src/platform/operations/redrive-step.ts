// One step of a job: what became of the letters under way, and which go next. All of it in one commit, or none.
import { giveUp, planOf, sendAgain } from '../parking/dead-letter-office.ts'
import type { Docket } from '../parking/docket.ts'
import { openDocket } from '../parking/docket.ts'
import { isStrangerCode } from '../parking/stranger-letter.ts'
import { nameOf } from '../parking/parked-key.ts'
import type { Clock, Store, Transaction, Write } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { sorted } from '../runtime/working-set.ts'
import { redriveLettersTable, redrivesTable } from '../store/tables.ts'
import type { LetterStatuses } from './letter-statuses.ts'
import { loadLetters, readStatuses } from './letter-statuses.ts'
import type { JobLetter, RedriveJob } from './redrive-job.ts'
import { countLetters, jobCells, letterCells, readJob, readJobLetters } from './redrive-job.ts'

/** Letters that go in one commit. */
export const MAX_BATCH = 32
/** Letters of a job that may be in their queues at a time. */
const MAX_UNDER_WAY = 1000
/** Waiting letters that are looked at for those that may go. */
const LOOKED_AT = 256
/** A rate is kept by sending a tenth of it ten times a second. */
const TICKS_A_SECOND = 10
const SECOND_MS = 1000

export interface StepOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
  /** Letters of the job that died again in other databases since it was started or resumed. */
  readonly failuresElsewhere: (job: string) => Promise<number>
}

export interface Stepped {
  /** Nothing of the job is left to do here. */
  readonly isOver: boolean
  /** Whether letters moved: the next step may find more to do at once. */
  readonly hasMoved: boolean
  /** Whether parked queues have changed: who retries has to look. */
  readonly hasSent: boolean
  /** When the rate lets the next letter go. */
  readonly nextAt: number
}

const OVER: Stepped = { isOver: true, hasMoved: false, hasSent: false, nextAt: 0 }

/** Why a letter was left out, as people read it. */
export const WHY = {
  gone: 'gone',
  behind: 'behind an older dead letter of its key',
  tooOften: 'redriven too often',
  noMessage: 'no message, but a record of somebody else on Kafka',
} as const

/**
 * Takes one step. Each step saves the job's row over the version that it read, so that two processes that both think
 * that they work on the job never send a letter twice. Of a job that was stopped, the letters under way are followed.
 *
 * @throws {Conflict} another process, or a person, was faster: take the step again.
 */
export async function takeStep(options: StepOptions, id: string, batch: number): Promise<Stepped> {
  const { registry, store, clock } = options
  const job = await readJob(store, id)
  if (job?.status !== 'running' && job?.status !== 'stopped') return OVER
  const underWay = await readJobLetters(store, job, { state: 'under-way', limit: MAX_UNDER_WAY })
  const isSending = job.status === 'running'
  const waiting = isSending ? await readJobLetters(store, job, { state: 'waiting', limit: LOOKED_AT }) : []
  const now = clock.now()
  const statuses = await readStatuses(store, [...underWay, ...waiting])
  const step = new Step({ ...options, job, now, statuses })
  step.settle(underWay)
  const failures = step.failed + (await failuresSoFar(options, job))
  const transaction = await store.begin()
  try {
    if (isSending && failures < job.stopAfter) {
      const room = Math.min(MAX_UNDER_WAY, job.stopAfter - failures) - step.underWay.length
      await step.send(transaction, waiting, Math.min(room, batch, allowedNow(job, now)))
    }
    const next = step.jobAfter(failures, waiting.length)
    const isOver = next.status === 'done' || (next.status === 'stopped' && step.underWay.length === 0)
    if (next === job) return { isOver, hasMoved: false, hasSent: false, nextAt: job.nextAt }
    await transaction.commit(planOf(registry, step.writes(next), now))
    return { isOver, hasMoved: true, hasSent: step.sent > 0, nextAt: next.nextAt }
  } finally {
    await transaction.release()
  }
}

async function failuresSoFar({ store, failuresElsewhere }: StepOptions, job: RedriveJob): Promise<number> {
  const { failed } = await countLetters(store, job)
  return failed - job.forgiven + (await failuresElsewhere(job.id))
}

function allowedNow({ rate, nextAt }: RedriveJob, now: number): number {
  if (rate === null) return Number.POSITIVE_INFINITY
  return now < nextAt ? 0 : Math.ceil(rate / TICKS_A_SECOND)
}

interface StepParts extends StepOptions {
  readonly job: RedriveJob
  readonly now: number
  readonly statuses: LetterStatuses
}

class Step {
  sent = 0
  failed = 0
  /** Those that are still on their way. */
  readonly underWay: JobLetter[] = []
  readonly #parts: StepParts
  readonly #changed: JobLetter[] = []
  /** What the parked queues change by. */
  #docket: Docket | undefined

  constructor(parts: StepParts) {
    this.#parts = parts
  }

  /** Looks what became of the letters under way. */
  settle(underWay: readonly JobLetter[]): void {
    for (const one of underWay) {
      const letter = this.#parts.statuses.get(one.letter)
      if (letter?.status === 'redriving') this.underWay.push(one)
      else if (letter === undefined || letter.status === 'redriven') this.#become(one, { state: 'redriven' })
      else {
        // Dead again, and perhaps decided about since.
        this.failed += 1
        this.#become(one, { state: 'failed', why: letter.code })
      }
    }
  }

  /** Sends the next letters, at most one of each key: the next one of a key goes when this one is through. */
  async send(transaction: Transaction, waiting: readonly JobLetter[], most: number): Promise<void> {
    const chosen = this.#choose(waiting, most)
    if (chosen.length === 0) return
    const loaded = await loadLetters(this.#parts.registry, transaction, chosen)
    const sound = chosen.flatMap((one) => {
      const letter = loaded.get(one.letter)
      return letter?.status === 'dead' ? [{ one, service: one.service, letter }] : []
    })
    this.#docket = await openDocket({ ...this.#parts, transaction }, sound)
    for (const [at, { one }] of sound.entries()) this.#sendOne(this.#docket, at, one)
  }

  #choose(waiting: readonly JobLetter[], most: number): readonly JobLetter[] {
    const { statuses, job } = this.#parts
    const busy = new Set(this.underWay.map(nameOf))
    const chosen: JobLetter[] = []
    for (const one of waiting) {
      if (chosen.length >= most) break
      if (busy.has(nameOf(one))) continue
      const why = whyLeftOut(statuses.get(one.letter), job)
      if (why !== undefined) this.#become(one, { state: 'left-out', why })
      else {
        busy.add(nameOf(one))
        chosen.push(one)
      }
    }
    return chosen
  }

  #sendOne(docket: Docket, at: number, one: JobLetter): void {
    const { job, now } = this.#parts
    const each = docket.cases[at]
    const moment = { now, reason: job.reason }
    if (each === undefined) return
    if (job.action === 'discard') {
      giveUp(docket, each, moment)
      this.#become(one, { state: 'discarded' })
    } else if (each.hindrance === undefined) {
      const { version } = sendAgain(docket, each, moment)
      this.#become(one, { state: 'under-way', letterVersion: version })
    } else if (each.hindrance === 'behind') {
      // The older one was left out or has died again: this one would overtake it.
      this.#become(one, { state: 'left-out', why: WHY.behind })
      return
    } else return
    this.sent += 1
  }

  #become(one: JobLetter, after: Partial<Pick<JobLetter, 'state' | 'why' | 'letterVersion'>>): void {
    this.#changed.push({ ...one, ...after, changedAt: this.#parts.now })
  }

  /** The job as it becomes; the same one where nothing happened. */
  jobAfter(failures: number, lookedAt: number): RedriveJob {
    const { job, now } = this.#parts
    const begun = this.#changed.filter(({ state }) => state === 'under-way').length
    const through = this.#changed.filter(({ state }) => state === 'redriven' || state === 'failed').length
    const isEmpty = lookedAt < LOOKED_AT && this.#changed.length - through === lookedAt
    const isDone = job.status === 'running' && isEmpty && this.underWay.length + begun === 0
    const isStopped = job.status === 'running' && !isDone && failures >= job.stopAfter
    if (this.#changed.length === 0 && !isStopped && !isDone) return job
    const status = isDone ? 'done' : isStopped ? 'stopped' : job.status
    const why = isStopped ? `${failures} letters died again` : job.why
    const pauseMs = job.rate === null ? 0 : Math.ceil((this.sent * SECOND_MS) / job.rate)
    const nextAt = this.sent === 0 ? job.nextAt : now + pauseMs
    return { ...job, version: job.version + 1, status, why, changedAt: now, nextAt }
  }

  writes(job: RedriveJob): Write[] {
    const rows = sorted(this.#changed.map(letterCells), redriveLettersTable.keyWidth)
    return [
      { table: redrivesTable, mode: 'versioned', rows: [jobCells(job)] },
      ...(rows.length === 0 ? [] : [{ table: redriveLettersTable, mode: 'upsert' as const, rows }]),
      ...(this.#docket?.changes.writes(this.#parts.registry) ?? []),
    ]
  }
}

function whyLeftOut(
  letter: ReturnType<LetterStatuses['get']>,
  { action, maxRedrives }: RedriveJob,
): string | undefined {
  if (letter === undefined) return WHY.gone
  if (letter.status !== 'dead') return letter.status
  if (action === 'redrive' && isStrangerCode(letter.code)) return WHY.noMessage
  return action === 'redrive' && letter.redriveCount >= maxRedrives ? WHY.tooOften : undefined
}
