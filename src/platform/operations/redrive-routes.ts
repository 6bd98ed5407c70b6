// Redrive jobs over HTTP, for operators: ask for one or for what it would do, see how it is doing, stop and resume it.
import { z } from 'zod'
import { pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Reply, Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import type { JobChange } from './redrive-change.ts'
import type { Asker, RedriveRequest } from './redrive-draft.ts'
import { LETTER_STATES } from './redrive-job.ts'
import { listJobLetters, listJobs } from './redrive-parts.ts'
import type { JobPart } from './redrive-parts.ts'
import type { Redrives } from './redrives.ts'
import { RedriveIdTaken } from './redrives.ts'
import {
  DryRunAnswer,
  JobAnswer,
  jobId,
  JobLetterAnswer,
  jobLetterView,
  jobView,
  keyedId,
  reasonInput,
  RedriveBody,
  requestOf,
} from './redrive-views.ts'

const params = z.object({ id: jobId })
const ChangeBody = z.strictObject({ reason: reasonInput })

export function redriveRoutes(redrives: Redrives): readonly Route[] {
  return [askRoute(redrives), ...lookRoutes(redrives), changeRoute(redrives, 'stop'), changeRoute(redrives, 'resume')]
}

function askRoute(redrives: Redrives): Route {
  return post('/v1/ops/redrives', {
    summary: 'Redrive or discard many dead letters as a job, each key in its order; or tell what it would do.',
    role: 'operator',
    body: RedriveBody,
    answers: { 200: DryRunAnswer, 202: JobAnswer },
    codes: ['REDRIVE_SELECTION', 'REDRIVE_TOO_LARGE', 'REDRIVE_ID_TAKEN', 'CAUSE_NOT_FOUND', 'DEAD_LETTER_NOT_FOUND'],
    handle: async ({ body, principal, role, newId, idempotencyKey }) => {
      const keyed = idempotencyKey === undefined ? undefined : keyedId(principal, idempotencyKey)
      const request = requestOf(body, body.id ?? keyed ?? newId())
      if (body.dryRun) return { status: 200, body: { dryRun: true, ...(await redrives.dryRun(request)) } }
      return accepted(await started(redrives, request, { principal, role }))
    },
  })
}

/** @throws {Refusal} REDRIVE_ID_TAKEN, and as the letters are selected */
async function started(redrives: Redrives, request: RedriveRequest, asker: Asker): Promise<readonly JobPart[]> {
  try {
    return await redrives.start(request, asker)
  } catch (error) {
    throw error instanceof RedriveIdTaken ? new Refusal('REDRIVE_ID_TAKEN', { id: request.id }) : error
  }
}

function accepted(parts: readonly JobPart[]): Reply {
  const body = jobView(parts)
  return { status: 202, body, headers: { location: `/v1/ops/redrives/${encodeURIComponent(body?.id ?? '')}` } }
}

function lookRoutes(redrives: Redrives): readonly Route[] {
  const { stores } = redrives
  return [
    get('/v1/ops/redrives', {
      summary: 'List the jobs that redrive or discard dead letters, the youngest first.',
      role: 'operator',
      query: z.object(pageQuery(['number', 'string'])),
      answers: { 200: pageShape(JobAnswer) },
      handle: async ({ query }) => {
        const page = await listJobs(stores, query)
        return { status: 200, body: { ...page, items: page.items.map(jobView) } }
      },
    }),
    get('/v1/ops/redrives/:id', {
      summary: 'See how a job is doing.',
      role: 'operator',
      params,
      answers: { 200: JobAnswer },
      codes: ['REDRIVE_NOT_FOUND'],
      handle: async ({ params: { id } }) => ({ status: 200, body: await found(redrives, id) }),
    }),
    get('/v1/ops/redrives/:id/letters', {
      summary: 'List the letters of a job, in their turns, and what became of each.',
      role: 'operator',
      params,
      query: z.object({ state: z.enum(LETTER_STATES).optional(), ...pageQuery(['number', 'number']) }),
      answers: { 200: pageShape(JobLetterAnswer) },
      codes: ['REDRIVE_NOT_FOUND'],
      handle: async ({ params: { id }, query: { state, ...query } }) => {
        await found(redrives, id)
        const page = await listJobLetters(stores, { id, state }, query)
        return { status: 200, body: { ...page, items: page.items.map(jobLetterView) } }
      },
    }),
  ]
}

const SUMMARIES: Readonly<Record<JobChange, string>> = {
  stop: 'Stop a job: nothing more is sent; what is on its way goes on.',
  resume: 'Resume a job that was stopped; what failed before counts no more.',
}

function changeRoute(redrives: Redrives, change: JobChange): Route {
  return post(`/v1/ops/redrives/:id/${change}`, {
    summary: SUMMARIES[change],
    role: 'operator',
    params,
    body: ChangeBody,
    answers: { 200: JobAnswer },
    codes: ['REDRIVE_NOT_FOUND', 'REDRIVE_DONE'],
    handle: async ({ params: { id }, body: { reason }, principal, role }) => {
      await found(redrives, id)
      const parts = await redrives.change(id, change, { principal, role, reason })
      refuse(parts === undefined, 'REDRIVE_DONE')
      return { status: 200, body: jobView(parts ?? []) }
    },
  })
}

/** @throws {Refusal} REDRIVE_NOT_FOUND */
async function found(redrives: Redrives, id: string) {
  const view = jobView(await redrives.parts(id))
  if (view === undefined) throw new Refusal('REDRIVE_NOT_FOUND', { id })
  return view
}
