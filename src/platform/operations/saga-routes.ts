// Sagas over HTTP, for operators: which are stuck and why, and the four things that a person may do about it.
import { z } from 'zod'
import { text } from '../../kernel/shapes.ts'
import { millisecondsOf, momentInput, momentOf } from '../../kernel/inputs.ts'
import { encodeCursor, pageQuery, pageShape } from '../../kernel/page.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Request, Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import type { SagaAct } from '../../kernel/saga-acts.ts'
import { MAX_REASON_LENGTH, askOfSaga } from '../../kernel/saga-acts.ts'
import type { SagaStatus } from '../../kernel/saga-decider.ts'
import { interventionCodes } from '../../kernel/saga-intervention.ts'
import type { Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { sagaKind } from '../runtime/saga-reaction.ts'
import type { FoundSaga, SagaTable } from './read-sagas.ts'
import { ENDED, LIVE, countSagas, findSagas, readSaga } from './read-sagas.ts'
import { ParkedAt, heldSentence, parkedOfKey } from './parked-of-key.ts'
import { ListedSaga, SagaDetail, aboutOfSaga, listedSaga, meaningOf, sagaDetail } from './saga-view.ts'

export const sagaCodes = interventionCodes satisfies CodeTable

/** What the routes need of the running application. */
export interface SagaDesk {
  readonly registry: Registry
  storeOf(service: string): Store
  isHere(service: string): boolean
}

const params = z.object({
  saga: z.string().regex(/^\w+$/).describe('Such as checkout.'),
  key: text(200).describe('Such as the id of the order.'),
})

const query = z.strictObject({
  ...pageQuery(['string', 'string']),
  saga: z.string().optional(),
  status: z
    .enum(['open', 'all', ...LIVE, ...ENDED])
    .default('open')
    .describe('open: every saga that has not ended.'),
  needsPerson: z.enum(['true', 'false']).default('false').describe('true: only those for which a person was called.'),
  startedBefore: momentInput.optional(),
})

const body = z.strictObject({
  reason: text(MAX_REASON_LENGTH).describe('Why, for the audit and for the story; no personal data.'),
})
const bodyWithStep = body.extend({
  step: z.string().optional().describe('Refused where it is not the step that the saga waits for.'),
})
const bodyOfSkip = bodyWithStep.extend({
  force: z.boolean().default(false).describe('Skips although that breaks the promise that the refusal named.'),
})

const LookAnswer = SagaDetail.extend({
  parked: z.array(ParkedAt).describe('Where messages of its key wait behind one that could not be handled.'),
})
const ActAnswer = SagaDetail.extend({ means: z.string().describe('What comes of it.') })

/** The sagas of the registry, or the one of this name. */
function tablesOf(desk: SagaDesk, name?: string): SagaTable[] {
  const here = desk.registry.services.filter(({ name: service }) => desk.isHere(service))
  return here.flatMap(({ name: service, sagas }) =>
    sagas
      .filter((saga) => name === undefined || saga.name === name)
      .map((saga) => ({ saga, service, store: desk.storeOf(service) })),
  )
}

/** @throws {Refusal} SAGA_NOT_FOUND */
async function sagaOf(desk: SagaDesk, { saga, key }: z.output<typeof params>): Promise<FoundSaga> {
  const [table] = tablesOf(desk, saga)
  const found = table === undefined ? undefined : await readSaga(table, key)
  if (found === undefined) throw new Refusal('SAGA_NOT_FOUND', { saga, key })
  return found
}

function statusesOf(status: z.output<typeof query>['status']): readonly SagaStatus[] {
  if (status === 'open') return LIVE
  return status === 'all' ? [...LIVE, ...ENDED] : [status]
}

/** The routes of sagas. */
export function sagaRoutes(desk: SagaDesk): readonly Route[] {
  return [listing(desk), counting(desk), looking(desk), ...actRoutes(desk)]
}

function listing(desk: SagaDesk): Route {
  return get('/v1/ops/sagas', {
    summary:
      'List sagas, those under way unless told otherwise. A page looks at a bounded number of documents: it may be ' +
      'short while `next` leads on.',
    role: 'operator',
    query,
    answers: { 200: pageShape(ListedSaga) },
    handle: async ({ query: asked }) => {
      const { saga, status, needsPerson, startedBefore, limit, after } = asked
      const wanted = {
        statuses: statusesOf(status),
        needsPerson: needsPerson === 'true',
        startedBefore: millisecondsOf(startedBefore),
        limit,
      }
      const page = await findSagas(tablesOf(desk, saga), wanted, after as readonly [string, string] | undefined)
      const next = page.next === undefined ? null : encodeCursor(page.next)
      return { status: 200, body: { items: page.found.map((found) => listedSaga(desk.registry, found)), next } }
    },
  })
}

const CountsAnswer = z.object({
  items: z.array(
    z.object({
      saga: z.string(),
      status: z.enum(LIVE),
      needsPerson: z.boolean(),
      count: z.int(),
      oldest: z.string().describe('When the oldest of them began.'),
    }),
  ),
  isWhole: z.boolean().describe('false: only the newest documents were looked at, there are too many.'),
})

function counting(desk: SagaDesk): Route {
  return get('/v1/ops/saga-counts', {
    summary: 'Count the sagas that have not ended, by kind and status, with the beginning of the oldest.',
    role: 'operator',
    answers: { 200: CountsAnswer },
    handle: async () => {
      const { counts, isWhole } = await countSagas(tablesOf(desk))
      const items = counts.map((each) => ({ ...each, oldest: momentOf(each.oldest) }))
      return { status: 200, body: { items, isWhole } }
    },
  })
}

function looking(desk: SagaDesk): Route {
  return get('/v1/ops/sagas/:saga/:key', {
    summary: 'Look into a saga: its history, what it waits for, what a person may do with it.',
    role: 'operator',
    params,
    answers: { 200: LookAnswer },
    codes: ['SAGA_NOT_FOUND'],
    handle: async ({ params: named }) => {
      const found = await sagaOf(desk, named)
      return { status: 200, body: { ...sagaDetail(desk.registry, found), parked: await parkedAt(desk, found) } }
    },
  })
}

type Asked = Request<z.output<typeof params>, unknown, { reason: string; step?: string | undefined; force?: boolean }>

function parkedAt(desk: SagaDesk, found: FoundSaga) {
  return parkedOfKey(desk, aboutOfSaga(desk.registry, found))
}

function actRoutes(desk: SagaDesk): readonly Route[] {
  const common = { role: 'operator', params, answers: { 200: ActAnswer } } as const
  const always = ['SAGA_NOT_FOUND', 'SAGA_ENDED'] as const
  return [
    post('/v1/ops/sagas/:saga/:key/retry', {
      ...common,
      summary: 'Send what a saga waits for once more, with a fresh limit. Whoever did it before answers again.',
      body: bodyWithStep,
      codes: [...always, 'SAGA_STEP_MISMATCH', 'SAGA_STEP_NOT_UNDOABLE'],
      handle: (request) => intervene(desk, 'retry', request as Asked),
    }),
    post('/v1/ops/sagas/:saga/:key/skip', {
      ...common,
      summary:
        'Go on as if what a saga waits for were done (or, while it undoes, undone). Needs `force` where a promise ' +
        'breaks.',
      body: bodyOfSkip,
      codes: [...always, 'SAGA_STEP_MISMATCH', 'SAGA_PROMISE_BROKEN', 'SAGA_ENDING'],
      handle: (request) => intervene(desk, 'skip', request as Asked),
    }),
    post('/v1/ops/sagas/:saga/:key/compensate', {
      ...common,
      summary: 'Undo everything from the present step back, as if the saga were stopped.',
      body,
      codes: [...always, 'SAGA_UNDOING', 'SAGA_ENDING', 'SAGA_STEP_NOT_UNDOABLE'],
      handle: (request) => intervene(desk, 'compensate', request as Asked),
    }),
    post('/v1/ops/sagas/:saga/:key/cancel', {
      ...common,
      summary: 'End a saga: everything is undone, and what can not be undone any more is given up.',
      body,
      codes: [...always, 'SAGA_UNDOING', 'SAGA_ENDING', 'SAGA_CAN_NOT_BE_GIVEN_UP'],
      handle: (request) => intervene(desk, 'cancel', request as Asked),
    }),
  ]
}

/** One command through the log, under the caller's idempotency key, with its audit entry in the same transaction. */
async function intervene(desk: SagaDesk, act: SagaAct, { params: named, body: asked, submit }: Asked) {
  const found = await sagaOf(desk, named)
  const { saga, key, service } = found
  const { reason, step, force } = asked
  const command = askOfSaga(act, {
    saga: saga.name,
    key,
    about: aboutOfSaga(desk.registry, found),
    reason,
    ...(step === undefined ? {} : { step }),
    ...(force === undefined ? {} : { force }),
  })
  const held = heldSentence(await parkedAt(desk, found))
  const details = { ...(step === undefined ? {} : { step }), ...(force === true ? { force } : {}) }
  return submit(
    command,
    (states) => {
      const state = states.get(sagaKind(saga).at(key))
      const after = sagaDetail(desk.registry, { saga, service, key, state })
      return { status: 200, body: { ...after, means: meaningOf(act, saga, state) + held } }
    },
    { action: `saga.${act}`, target: `${saga.name} ${key}`, reason, details },
  )
}
