// Rebuilds over HTTP, for operators: start one, see how all are doing, end one.
import { z } from 'zod'
import type { CodeTable } from '../../kernel/refuse.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Reply, Request, Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import type { RebuildStatus } from './rebuild.ts'
import type { Rebuilds } from './rebuilds.ts'
import { ProjectionUnknown } from './rebuilds.ts'

export const rebuildCodes = {
  PROJECTION_NOT_FOUND: { status: 404, title: 'There is no such projection. GET /v1/ops/projections lists them.' },
  REBUILD_NOT_RUNNING: { status: 409, title: 'Nothing of this projection is being rebuilt, so nothing was ended.' },
} as const satisfies CodeTable

const phase = z.enum(['none', 'waiting', 'filling', 'comparing', 'swapping', 'done', 'aborted', 'failed'])
const RebuildAnswer = z.object({
  service: z.string(),
  projection: z.string(),
  phase: phase.describe('waiting: under way in another process, or about to be gone on with.'),
  live: z.int().describe('The number of the live table.'),
  building: z.int().nullable().describe('The number of the table that is being made.'),
  done: z.int().describe('Records folded, of the total that the live table has folded.'),
  total: z.int(),
  percent: z.int(),
  perSecond: z.int(),
  leftMs: z.int().nullable().describe('Milliseconds that are left at this rate.'),
  report: z
    .object({
      comparedRows: z.int(),
      differences: z.int().describe('Rows in which the old table was not what the log says.'),
      named: z.array(
        z.object({ key: z.array(z.union([z.string(), z.number(), z.null()])), columns: z.array(z.string()) }),
      ),
    })
    .nullable(),
  problem: z.string().nullable(),
})
const params = z.object({
  name: z
    .string()
    .regex(/^[\w-]+(\.[\w-]+)?$/, 'write it as service.projection')
    .describe('As service.projection; the projection alone where only one service has it.'),
})

/** The routes of a process's rebuilds. */
export function rebuildRoutes(rebuilds: Rebuilds): readonly Route[] {
  return [
    get('/v1/ops/projections', {
      summary: 'List the projections, and how the rebuild of each is doing.',
      role: 'operator',
      answers: { 200: z.object({ items: z.array(RebuildAnswer) }) },
      handle: async () => ({ status: 200, body: { items: await rebuilds.all() } }),
    }),
    get('/v1/ops/projections/:name/rebuild', {
      summary: 'See how the rebuild of a projection is doing.',
      role: 'operator',
      params,
      answers: { 200: RebuildAnswer },
      codes: ['PROJECTION_NOT_FOUND'],
      handle: async ({ params: { name } }) => ({ status: 200, body: await found(rebuilds.status(name)) }),
    }),
    post('/v1/ops/projections/:name/rebuild', {
      summary: 'Rebuild a projection from the log beside its live table, compare both, and swap them.',
      role: 'operator',
      params,
      answers: { 202: RebuildAnswer },
      codes: ['PROJECTION_NOT_FOUND'],
      handle: async ({ params: { name }, ...asked }) => accepted(await found(rebuilds.start(name, askedBy(asked)))),
    }),
    post('/v1/ops/projections/:name/rebuild/abort', {
      summary: 'End the rebuild of a projection and drop what it made; the live table stays.',
      role: 'operator',
      params,
      answers: { 200: RebuildAnswer },
      codes: ['PROJECTION_NOT_FOUND', 'REBUILD_NOT_RUNNING'],
      handle: async ({ params: { name }, ...asked }) => {
        refuse(!(await found(rebuilds.abort(name, askedBy(asked)))), 'REBUILD_NOT_RUNNING')
        return { status: 200, body: await rebuilds.status(name) }
      },
    }),
  ]
}

function askedBy({ principal, role, newId }: Pick<Request<unknown, unknown, unknown>, 'principal' | 'role' | 'newId'>) {
  return { id: newId(), principal, role }
}

function accepted(status: RebuildStatus): Reply {
  const location = `/v1/ops/projections/${status.service}.${status.projection}/rebuild`
  return { status: 202, body: status, headers: { location } }
}

/** @throws {Refusal} PROJECTION_NOT_FOUND */
async function found<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw error instanceof ProjectionUnknown ? new Refusal('PROJECTION_NOT_FOUND') : error
  }
}
