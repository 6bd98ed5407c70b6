// Redrive jobs as the API takes and shows them: what may be asked for, and how far a job is over all databases.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { Refusal } from '../../kernel/refuse.ts'
import { id, text } from '../../kernel/shapes.ts'
import { filterInput, filterOf } from './letter-filter.ts'
import type { RedriveRequest } from './redrive-draft.ts'
import type { JobLetter, JobStatus } from './redrive-job.ts'
import { ACTIONS, JOB_STATUSES, LETTER_STATES } from './redrive-job.ts'
import type { JobPart } from './redrive-parts.ts'
import type { Selection } from './selection.ts'

const MAX_NAMED = 1000
const MAX_RATE = 10_000
const MAX_FAILURES = 100_000
const MAX_REDRIVES = 1000
/** Enough to see that a cause is not mended, few enough that nothing is spoilt by finding out. */
const STOP_AFTER = 10
/** A letter that died as often again will not be handled by asking once more. */
const REDRIVES = 3
const MAX_REASON_LENGTH = 500
const KEYED_ID_LENGTH = 32

export const reasonInput = text(MAX_REASON_LENGTH).describe('Why; it goes into the audit, so no personal data.')
export const jobId = z.string().regex(/^[\w.:-]{1,100}$/, 'an id of a job has 1 to 100 letters, digits, _ . : or -')

export const RedriveBody = z.strictObject({
  id: jobId.optional().describe('The id of the job: the same one asked again is the same job.'),
  action: z.enum(ACTIONS).default('redrive'),
  letters: z.array(id).min(1).max(MAX_NAMED).optional().describe('One of letters, cause, filter and all says which.'),
  cause: z.string().min(1).max(100).optional().describe('The id of a cause.'),
  filter: z.strictObject(filterInput).optional(),
  all: z.literal(true).optional(),
  dryRun: z.boolean().default(false).describe('Only tells what would be done.'),
  ratePerSecond: z.int().min(1).max(MAX_RATE).optional().describe('As fast as they are handled where not said.'),
  stopAfterFailures: z
    .int()
    .min(1)
    .max(MAX_FAILURES)
    .default(STOP_AFTER)
    .describe('No more letters than these are let die again; so no more of them are on their way at a time.'),
  maxRedrives: z
    .int()
    .min(1)
    .max(MAX_REDRIVES)
    .default(REDRIVES)
    .describe('Letters that were redriven this often already are left out.'),
  reason: reasonInput,
})

type RedriveInput = z.output<typeof RedriveBody>

/** @throws {Refusal} REDRIVE_SELECTION */
export function requestOf(body: RedriveInput, id: string): RedriveRequest {
  const { action, ratePerSecond, stopAfterFailures: stopAfter, maxRedrives, reason } = body
  return { id, action, selection: selectionOf(body), rate: ratePerSecond ?? null, stopAfter, maxRedrives, reason }
}

function selectionOf({ letters, cause, filter, all }: RedriveInput): Selection {
  const asked: Selection[] = [
    ...(letters === undefined ? [] : [{ letters }]),
    ...(cause === undefined ? [] : [{ cause }]),
    ...(filter === undefined ? [] : [{ filter: filterOf(filter) }]),
    ...(all === undefined ? [] : [{ all }]),
  ]
  const [one, ...others] = asked
  // An empty filter would be everything, which nobody should get by leaving something out.
  const isEmpty =
    one !== undefined && 'filter' in one && Object.values(one.filter).every((value) => value === undefined)
  if (one === undefined || others.length > 0 || isEmpty) throw new Refusal('REDRIVE_SELECTION')
  return one
}

/** The id of a job whose request came with an Idempotency-Key: the same for the same caller and key. */
export function keyedId(principal: string, key: string): string {
  const name = createHash('sha256').update(`${principal}\n${key}`).digest('hex')
  return `key-${name.slice(0, KEYED_ID_LENGTH)}`
}

export const DryRunAnswer = z.object({
  dryRun: z.literal(true),
  messages: z.int(),
  keys: z.int(),
  handlers: z.array(z.object({ group: z.string(), handler: z.string(), messages: z.int() })),
  leftOut: z.array(
    z.object({
      why: z.string(),
      messages: z.int(),
      letters: z.array(z.string()).describe('The first of them.'),
    }),
  ),
})

export const JobAnswer = z.object({
  id: z.string(),
  action: z.enum(ACTIONS),
  status: z.enum(JOB_STATUSES),
  why: z.string().nullable().describe('Why it was stopped.'),
  reason: z.string(),
  principal: z.string().describe('Who asked for it.'),
  askedAt: z.string(),
  changedAt: z.string(),
  total: z.int(),
  waiting: z.int(),
  underWay: z.int().describe('Letters that are back in their queues.'),
  redriven: z.int().describe('Letters that were handled after all.'),
  discarded: z.int(),
  failed: z.int().describe('Letters that died again.'),
  leftOut: z.int().describe('Letters that were not touched; each says why.'),
  ratePerSecond: z.int().nullable(),
  stopAfterFailures: z.int(),
  maxRedrives: z.int(),
})

export const JobLetterAnswer = z.object({
  letter: z.string().describe('The id of the dead letter.'),
  service: z.string(),
  group: z.string(),
  keyName: z.string(),
  key: z.string(),
  state: z.enum(LETTER_STATES),
  why: z.string().nullable().describe('Why it was left out, or what it died of again.'),
  changedAt: z.string(),
})

/** The first of these that a part of a job is in is what the whole is. */
const STATUS_ORDER: readonly JobStatus[] = ['freezing', 'running', 'stopped', 'done']

/** @returns undefined where the job has no part. */
export function jobView(parts: readonly JobPart[]) {
  const [first] = parts
  if (first === undefined) return undefined
  const { id, action, reason, principal, askedAt, rate, stopAfter, maxRedrives } = first.job
  const sum = (state: JobLetter['state']) => parts.reduce((all, { counts }) => all + counts[state], 0)
  const status = STATUS_ORDER.find((one) => parts.some(({ job }) => job.status === one)) ?? 'done'
  return {
    id,
    action,
    status,
    why: parts.find(({ job }) => job.why !== null)?.job.why ?? null,
    reason,
    principal,
    askedAt: momentOf(askedAt),
    changedAt: momentOf(Math.max(...parts.map(({ job }) => job.changedAt))),
    total: parts.reduce((all, { job }) => all + job.total, 0),
    waiting: sum('waiting'),
    underWay: sum('under-way'),
    redriven: sum('redriven'),
    discarded: sum('discarded'),
    failed: sum('failed'),
    leftOut: sum('left-out'),
    ratePerSecond: rate,
    stopAfterFailures: stopAfter,
    maxRedrives,
  }
}

export function jobLetterView({ letter, service, group, keyName, key, state, why, changedAt }: JobLetter) {
  return { letter, service, group, keyName, key, state, why, changedAt: momentOf(changedAt) }
}
