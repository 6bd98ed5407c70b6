// A saga as an operator sees it: where it stands, what it waits for, and what he may do with it.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { keyOf } from '../../kernel/message.ts'
import type { SagaAct } from '../../kernel/saga-acts.ts'
import { SAGA_ACTS } from '../../kernel/saga-acts.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { openSteps, possibleActs } from '../../kernel/saga-intervention.ts'
import type { Saga, Step } from '../../kernel/saga.ts'
import type { Registry } from '../runtime/registry.ts'
import type { FoundSaga } from './read-sagas.ts'
import { ENDED, LIVE, callsPerson } from './read-sagas.ts'

export const ListedSaga = z.object({
  saga: z.string(),
  service: z.string(),
  key: z.string(),
  about: z.string().describe('The key of its messages, such as the id of the order.'),
  status: z.enum([...LIVE, ...ENDED]),
  needsPerson: z.boolean(),
  waitsFor: z.array(z.string()).describe('The step that is awaited, or those that a person has to look at.'),
  flagged: z.array(z.string()).describe('What may have happened and is not known to be undone, or did not end.'),
  skipped: z.array(z.string()).describe('What a person said is done or undone without its answer.'),
  reason: z.string().describe('Why it is being undone, or was; empty before.'),
  startedAt: z.string(),
  movedAt: z.string(),
  due: z.string().nullable().describe('When what is awaited is late; null where nothing limits the wait.'),
  last: z.string().describe('The last line of its history.'),
})

export const SagaDetail = ListedSaga.extend({
  steps: z.array(z.object({ name: z.string(), canBeUndone: z.boolean() })),
  history: z.array(z.object({ at: z.string(), what: z.string() })),
  timer: z.object({ at: z.string() }).nullable().describe('When somebody looks at it next by itself.'),
  acts: z.array(z.enum(SAGA_ACTS)).describe('What may be done with it now.'),
  promises: z
    .array(z.object({ step: z.string(), promise: z.string() }))
    .describe('What skipping a step breaks: such a skip needs `force`.'),
  story: z.string().nullable().describe('Where its whole story is told.'),
})

/** The kind of its messages' key: for a saga of orders the order's id, also where the saga has a key of its own. */
function aboutOf(registry: Registry, { steps }: Saga, { data }: SagaState) {
  const sent = steps[0]?.send(data)
  const info = sent === undefined ? undefined : registry.messages.get(sent.type)
  if (sent === undefined || info === undefined) throw new Error('A saga without a step was declared.')
  return { keyName: info.key, about: keyOf(info, sent.data) }
}

export function aboutOfSaga(registry: Registry, { saga, state }: FoundSaga): string {
  return aboutOf(registry, saga, state).about
}

export function listedSaga(registry: Registry, found: FoundSaga): z.output<typeof ListedSaga> {
  const { saga, service, key, state } = found
  const { status, flagged, skipped = [], reason, startedAt, due, history } = state
  const last = history.at(-1)
  return {
    saga: saga.name,
    service,
    key,
    about: aboutOfSaga(registry, found),
    status: status as z.output<typeof ListedSaga>['status'],
    needsPerson: callsPerson(state),
    waitsFor: [...openSteps(saga, state)],
    flagged: [...flagged],
    skipped: [...skipped],
    reason,
    startedAt: momentOf(startedAt),
    movedAt: momentOf(last?.at ?? startedAt),
    due: due === 0 ? null : momentOf(due),
    last: last?.what ?? 'started',
  }
}

export function sagaDetail(registry: Registry, found: FoundSaga): z.output<typeof SagaDetail> {
  const { saga, state } = found
  return {
    ...listedSaga(registry, found),
    steps: saga.steps.map(({ name, undo }) => ({ name, canBeUndone: undo !== undefined })),
    history: state.history.map(({ at, what }) => ({ at: momentOf(at), what })),
    timer: state.armed === 0 ? null : { at: momentOf(state.armed) },
    acts: [...possibleActs(saga, state)],
    promises: promisesOf(saga, state),
    story: storyOf(registry, found),
  }
}

function promisesOf(saga: Saga, state: SagaState): { step: string; promise: string }[] {
  return openSteps(saga, state).flatMap((name) => {
    const step = saga.steps.find((one) => one.name === name)
    const promise = step === undefined ? undefined : promiseOf(step, state)
    return promise === undefined ? [] : [{ step: name, promise }]
  })
}

function promiseOf({ promise }: Step<unknown>, { status }: SagaState): string | undefined {
  return status === 'running' || status === 'overdue' ? promise?.done : promise?.undone
}

/** The route by which the saga's service tells the story of what the saga is about. */
function storyOf(registry: Registry, { saga, service, state }: FoundSaga): string | null {
  const { keyName, about } = aboutOf(registry, saga, state)
  const routes = registry.services.find(({ name }) => name === service)?.routes ?? []
  const told = routes.find(({ method, path }) => method === 'GET' && path.endsWith(`/:${keyName}/story`))
  return told === undefined ? null : told.path.replace(`:${keyName}`, encodeURIComponent(about))
}

/** What came of an act, for the person who asked for it. @param after the saga as the act left it. */
export function meaningOf(act: SagaAct, saga: Saga, after: SagaState): string {
  const waits = openSteps(saga, after).join(', ')
  const going = MEANINGS[after.status] ?? 'It has ended.'
  if (act === 'retry') return `Sent again. ${going}${waits === '' ? '' : ` (${waits})`}`
  if (act === 'skip') return `${after.skipped?.at(-1) ?? ''}: taken at your word. ${going}`
  return going
}

const MEANINGS: Readonly<Record<string, string>> = {
  running: 'It waits for the answer of its next step, within a fresh limit.',
  undoing: 'It waits for the answer of an undo; the others follow, and then what it is about is cancelled.',
  'needs-person': 'It still rests until the answer comes, or until a person skips or cancels it.',
  succeeding: 'All steps count as done: what it is about is asked to confirm.',
  failing: 'All steps count as undone: what it is about is asked to cancel.',
}
