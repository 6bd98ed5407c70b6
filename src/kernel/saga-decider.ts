// What a saga does next, as a pure function of its state and what just happened.
import type { Message } from './message.ts'
import type { Saga, Step } from './saga.ts'
import { milliseconds } from './duration.ts'

/** Undos wait this long for their answer unless the step says otherwise. */
const DEFAULT_UNDO_WITHIN_MS = 5 * 60_000

/**
 * - overdue: a step that can not be undone was not answered in time. Nobody knows whether it happened, so nothing is
 *   undone around it; its answer, however late, moves the saga on.
 * - needs-person: everything that answered is undone, something did not answer.
 * - given-up: a person ended it through the aggregate.
 */
export type SagaStatus =
  | 'none'
  | 'running'
  | 'overdue'
  | 'undoing'
  | 'needs-person'
  | 'succeeding'
  | 'failing'
  | 'succeeded'
  | 'failed'
  | 'given-up'

/** The document of one instance; small, since every step writes it. */
export interface SagaState {
  readonly status: SagaStatus
  readonly data: unknown
  /** Index of the step that is awaited while running, of the undo that is awaited while undoing. */
  readonly step: number
  /** Grows by one whenever the saga moves; a timer of an older turn is void. */
  readonly turn: number
  readonly startedAt: number
  /** When the awaited answer is late; 0 when nothing limits the wait. */
  readonly due: number
  /** Due time of the one timer row that exists for this instance; 0 when there is none. */
  readonly armed: number
  readonly reason: string
  /** Names of the steps that may have happened and are not known to be undone: a person has to look. */
  readonly flagged: readonly string[]
  /** What a person said is done (`pay`) or undone (`undo of pay`) without its answer; absent where nobody did. */
  readonly skipped?: readonly string[]
  /** What happened and when, for the story: one line a turn. */
  readonly history: readonly { readonly at: number; readonly what: string }[]
}

/** What moves a saga: an event, the time limit of a turn, or the news that one of its messages was given up. */
export type SagaInput =
  | { readonly event: Message }
  | { readonly lateTurn: number }
  | { readonly died: { readonly type: string; readonly code: string } }

export interface SagaMove {
  readonly state: SagaState
  readonly sends: readonly Message[]
}

export const newSaga: SagaState = {
  status: 'none',
  data: undefined,
  step: 0,
  turn: 0,
  startedAt: 0,
  due: 0,
  armed: 0,
  reason: '',
  flagged: [],
  history: [],
}

/** Whether anything can still move the instance. */
export function isLive({ status }: SagaState): boolean {
  return status !== 'none' && status !== 'succeeded' && status !== 'failed' && status !== 'given-up'
}

/** Whether the instance rests until a person acts or a late answer comes. */
export function needsPerson({ status }: SagaState): boolean {
  return status === 'needs-person' || status === 'overdue'
}

/** @returns undefined when the input does not concern the saga where it stands: recorded in the log, nothing to do. */
export function decideSaga(saga: Saga, state: SagaState, input: SagaInput, now: number): SagaMove | undefined {
  if ('lateTurn' in input) return input.lateTurn === state.turn ? late(saga, state, now) : undefined
  if ('died' in input) return died(saga, state, input.died, now)
  const { event } = input
  if (state.status === 'none') return event.type === saga.starts.type ? start(saga, event, now) : undefined
  // The aggregate has ended, so no message of the saga would be answered any more.
  if (event.type === saga.givenUp?.type && isLive(state)) return end(state, 'given-up', now)
  if (state.status === 'running' || state.status === 'overdue') return whileRunning(saga, state, event, now)
  if (state.status === 'undoing') return whileUndoing(saga, state, event, now)
  if (state.status === 'needs-person') return whileFlagged(saga, state, event, now)
  if (state.status === 'succeeding') return whileSucceeding(saga, state, event, now)
  if (state.status === 'failing' && event.type === saga.fails.done.type) return end(state, 'failed', now)
  return undefined
}

function start(saga: Saga, event: Message, now: number): SagaMove {
  const data = saga.remembers(event.data)
  return toStep(saga, { ...newSaga, data, startedAt: now }, 0, now)
}

/** An overdue step is answered as any other; only its flag goes, and nobody has to look any more. */
function whileRunning(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  const move = whenAnswered(saga, state, event, now)
  return move === undefined || state.status === 'running' ? move : unflagged(saga, move)
}

function whenAnswered(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  const step = stepAt(saga, state.step)
  if (event.type === step.done.type) {
    const told = step.tells === undefined ? [] : [step.tells(state.data)]
    const next = toStep(saga, noted({ ...state, flagged: [] }, now, `${step.name} done`), state.step + 1, now)
    return { state: next.state, sends: [...told, ...next.sends] }
  }
  // A refused step did nothing, so there is nothing of it to undo.
  if (event.type === step.refused?.type) return undoFrom(saga, stopped(saga, state, event, now), state.step - 1, now)
  // A stop may meet the step half way: its undo leaves a tombstone or reverses it once its outcome is known.
  if (isStop(saga, event)) return undoFrom(saga, stopped(saga, state, event, now), state.step, now)
  return undefined
}

/**
 * Whichever the aggregate accepted first wins: after its own stop it will not confirm, so all is undone. Another
 * service's stop is no word of the aggregate, which may just be confirming.
 */
function whileSucceeding(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  if (event.type === saga.succeeds.done.type) return end(state, 'succeeded', now)
  if (!saga.stops.some(({ type, topic }) => type === event.type && topic === saga.succeeds.done.topic)) return undefined
  return undoFrom(saga, stopped(saga, state, event, now), saga.steps.length - 1, now)
}

function whileUndoing(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  const step = stepAt(saga, state.step)
  if (event.type === step.undone?.type) {
    return undoFrom(saga, noted(state, now, `${step.name} undone`), state.step - 1, now)
  }
  const cleared = withoutFlag(saga, state, event)
  return cleared === undefined ? undefined : { state: noted(cleared, now, `${event.type} came late`), sends: [] }
}

/** An undo that was given up may still be answered; with the last of them the saga can end as it wanted to. */
function whileFlagged(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  const cleared = withoutFlag(saga, state, event)
  if (cleared === undefined) return undefined
  const next = noted(cleared, now, `${event.type} came late`)
  return next.flagged.length > 0 ? { state: next, sends: [] } : fail(saga, next, now)
}

/** A flag goes with the answer of the undo or, where there is none, with the news that the step did nothing. */
function withoutFlag(saga: Saga, state: SagaState, event: Message): SagaState | undefined {
  const step = saga.steps.find(({ undone, refused }) => (undone ?? refused)?.type === event.type)
  if (step === undefined || !state.flagged.includes(step.name)) return undefined
  return { ...state, flagged: state.flagged.filter((name) => name !== step.name) }
}

/** The wait for an answer is over: a step is undone as if it were stopped, an undo is flagged and the next goes on. */
function late(saga: Saga, state: SagaState, now: number): SagaMove | undefined {
  if (state.status !== 'running' && state.status !== 'undoing') return undefined
  const step = stepAt(saga, state.step)
  if (state.status === 'running') {
    const next = noted(state, now, `${step.name} not answered in time`)
    if (step.undo === undefined) return rest(saga, { ...next, flagged: [step.name] }, 'overdue')
    return undoFrom(saga, { ...next, reason: step.late }, state.step, now)
  }
  const flagged = { ...state, flagged: [...state.flagged, step.name] }
  return undoFrom(saga, noted(flagged, now, `undo of ${step.name} not answered in time`), state.step - 1, now)
}

/**
 * What is awaited does not come by itself any more. A step needs a person: nobody knows what it did, and redriven it is
 * answered after all. A dead undo is flagged and the next undo goes on. An end keeps waiting, and somebody is told.
 */
function died(
  saga: Saga,
  state: SagaState,
  { type, code }: { readonly type: string; readonly code: string },
  now: number,
): SagaMove | undefined {
  if (!isAwaited(saga, state, type)) return undefined
  const next = noted(state, now, `${type} died: ${code}`)
  if (state.status === 'running') return rest(saga, { ...next, flagged: [stepAt(saga, state.step).name] }, 'overdue')
  if (state.status === 'undoing') {
    const flagged = [...state.flagged, stepAt(saga, state.step).name]
    return undoFrom(saga, { ...next, flagged }, state.step - 1, now)
  }
  if (state.status !== 'succeeding' && state.status !== 'failing') return { state: next, sends: [] }
  const end = state.status === 'succeeding' ? saga.succeeds.done.type : saga.fails.done.type
  return { state: { ...next, flagged: [end] }, sends: saga.flags === undefined ? [] : [saga.flags(state.data, [end])] }
}

/** Whether the saga is where a message of this type is what it sent last, or the answer that it waits for. */
function isAwaited(saga: Saga, { status, step: index, data, flagged, reason }: SagaState, type: string): boolean {
  if (status === 'succeeding') return [saga.succeeds.send(data).type, saga.succeeds.done.type].includes(type)
  if (status === 'failing') return [saga.fails.send(data, reason).type, saga.fails.done.type].includes(type)
  const steps = status === 'needs-person' ? saga.steps.filter(({ name }) => flagged.includes(name)) : []
  const awaited = status === 'running' || status === 'overdue' || status === 'undoing' ? [stepAt(saga, index)] : steps
  return awaited.some((step) => typesOf(step, data).includes(type))
}

function typesOf({ send, undo, done, refused, undone }: Step<unknown>, data: unknown): (string | undefined)[] {
  return [send(data).type, undo?.(data).type, done.type, refused?.type, undone?.type]
}

/** Whoever was called need not come, and must not end what works again. */
export function unflagged(saga: Saga, { state, sends }: SagaMove): SagaMove {
  return { state, sends: saga.flags === undefined ? sends : [saga.flags(state.data, []), ...sends] }
}

/** Sends the step's message, or has the aggregate end it when there is no such step. */
export function toStep(saga: Saga, state: SagaState, index: number, now: number): SagaMove {
  const step = saga.steps[index]
  if (step === undefined) {
    return { state: { ...turned(state), status: 'succeeding', due: 0 }, sends: [saga.succeeds.send(state.data)] }
  }
  const within = typeof step.within === 'function' ? step.within(state.data) : step.within
  const due = now + milliseconds(within)
  return { state: { ...turned(state), status: 'running', step: index, due }, sends: [step.send(state.data)] }
}

/**
 * Undoes the newest step at or below the index; below the first one the saga fails. Each step at or below the index was
 * sent and not refused, so one without an undo is flagged: it happened, or may yet.
 */
export function undoFrom(saga: Saga, state: SagaState, index: number, now: number): SagaMove {
  let next = state
  for (let at = index; at >= 0; at -= 1) {
    const step = stepAt(saga, at)
    if (step.undo !== undefined) {
      const within = step.undoWithin === undefined ? DEFAULT_UNDO_WITHIN_MS : milliseconds(step.undoWithin)
      next = { ...turned(next), status: 'undoing', step: at, due: now + within }
      return { state: next, sends: [step.undo(state.data)] }
    }
    next = noted({ ...next, flagged: [...next.flagged, step.name] }, now, `${step.name} can not be undone`)
  }
  if (next.flagged.length === 0) return fail(saga, next, now)
  // "Cancelled" would claim that everything was undone; it was not, so a person decides.
  return rest(saga, noted(next, now, 'needs a person'), 'needs-person')
}

function rest(saga: Saga, state: SagaState, status: 'overdue' | 'needs-person'): SagaMove {
  const sends = saga.flags === undefined ? [] : [saga.flags(state.data, state.flagged)]
  return { state: { ...turned(state), status, due: 0 }, sends }
}

export function fail(saga: Saga, state: SagaState, now: number): SagaMove {
  const next: SagaState = { ...turned(state), status: 'failing', due: 0 }
  return { state: noted(next, now, 'everything undone'), sends: [saga.fails.send(state.data, state.reason)] }
}

function end(state: SagaState, status: 'succeeded' | 'failed' | 'given-up', now: number): SagaMove {
  return { state: noted({ ...turned(state), status, due: 0 }, now, status), sends: [] }
}

function isStop(saga: Saga, event: Message): boolean {
  return saga.stops.some(({ type }) => type === event.type)
}

/** The awaited step's flag goes: either it was refused, or the undoing that follows flags it again. */
function stopped(saga: Saga, state: SagaState, event: Message, now: number): SagaState {
  return noted({ ...state, reason: saga.reasonOf(event), flagged: [] }, now, event.type)
}

export function turned(state: SagaState): SagaState {
  return { ...state, turn: state.turn + 1 }
}

export function noted(state: SagaState, at: number, what: string): SagaState {
  return { ...state, history: [...state.history, { at, what }] }
}

export function stepAt(saga: Saga, index: number): Step<unknown> {
  const step = saga.steps[index]
  if (step === undefined) throw new Error(`${saga.name} has no step ${index}.`)
  return step
}
