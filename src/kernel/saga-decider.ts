// What a saga does next, as a pure function of its state and what just happened.
import type { Message } from './message.ts'
import type { Saga, Step } from './saga.ts'
import { milliseconds } from './duration.ts'

/** Undos wait this long for their answer unless the step says otherwise. */
const DEFAULT_UNDO_WITHIN_MS = 5 * 60_000

export type SagaStatus = 'none' | 'running' | 'undoing' | 'succeeding' | 'failing' | 'needs-person' | 'succeeded' | 'failed'

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
  /** Names of the steps whose undo was not answered in time: a person has to look. */
  readonly flagged: readonly string[]
  /** What happened and when, for the story: one line a turn. */
  readonly history: readonly { readonly at: number; readonly what: string }[]
}

/** What moves a saga: an event, or the time limit of a turn. */
export type SagaInput = { readonly event: Message } | { readonly lateTurn: number }

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

export function isLive({ status }: SagaState): boolean {
  return status !== 'none' && status !== 'succeeded' && status !== 'failed'
}

/** @returns undefined when the input does not concern the saga where it stands: recorded in the log, nothing to do. */
export function decideSaga(saga: Saga, state: SagaState, input: SagaInput, now: number): SagaMove | undefined {
  if ('lateTurn' in input) return input.lateTurn === state.turn ? late(saga, state, now) : undefined
  const { event } = input
  if (state.status === 'none') return event.type === saga.starts.type ? start(saga, event, now) : undefined
  if (state.status === 'running') return whileRunning(saga, state, event, now)
  if (state.status === 'undoing') return whileUndoing(saga, state, event, now)
  if (state.status === 'needs-person') return whileFlagged(saga, state, event, now)
  if (state.status === 'succeeding') return whileSucceeding(saga, state, event, now)
  if (state.status === 'failing' && event.type === saga.fails.done.type) return end(state, 'failed', now)
  return undefined
}

function start(saga: Saga, event: Message, now: number): SagaMove {
  const data = saga.remembers(event.data)
  return toStep(saga, { ...newSaga, data, startedAt: now, status: 'running' }, 0, now, [])
}

function whileRunning(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  const step = stepAt(saga, state.step)
  if (event.type === step.done.type) {
    const told = step.tells === undefined ? [] : [step.tells(state.data)]
    return toStep(saga, noted(state, now, `${step.name} done`), state.step + 1, now, told)
  }
  // A refused step did nothing, so there is nothing of it to undo.
  if (event.type === step.refused?.type) return undoFrom(saga, stopped(saga, state, event, now), state.step - 1, now)
  // A stop may meet the step half way: its undo leaves a tombstone or reverses it once its outcome is known.
  if (isStop(saga, event)) return undoFrom(saga, stopped(saga, state, event, now), state.step, now)
  return undefined
}

function whileSucceeding(saga: Saga, state: SagaState, event: Message, now: number): SagaMove | undefined {
  if (event.type === saga.succeeds.done.type) return end(state, 'succeeded', now)
  // The aggregate accepted the cancellation first, so it will not confirm: whichever it accepted first wins.
  if (isStop(saga, event)) return undoFrom(saga, stopped(saga, state, event, now), saga.steps.length - 1, now)
  return undefined
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

function withoutFlag(saga: Saga, state: SagaState, event: Message): SagaState | undefined {
  const step = saga.steps.find(({ undone }) => undone?.type === event.type)
  if (step === undefined || !state.flagged.includes(step.name)) return undefined
  return { ...state, flagged: state.flagged.filter((name) => name !== step.name) }
}

/** The wait for an answer is over: a step is undone as if it had been stopped, an undo is flagged and the next goes on. */
function late(saga: Saga, state: SagaState, now: number): SagaMove | undefined {
  if (state.status === 'running') {
    const step = stepAt(saga, state.step)
    const next = noted({ ...state, reason: step.late }, now, `${step.name} not answered in time`)
    return undoFrom(saga, next, state.step, now)
  }
  if (state.status !== 'undoing') return undefined
  const step = stepAt(saga, state.step)
  const flagged = { ...state, flagged: [...state.flagged, step.name] }
  return undoFrom(saga, noted(flagged, now, `undo of ${step.name} not answered in time`), state.step - 1, now)
}

function toStep(saga: Saga, state: SagaState, index: number, now: number, told: readonly Message[]): SagaMove {
  const step = saga.steps[index]
  if (step === undefined) {
    const next: SagaState = { ...turned(state), status: 'succeeding', due: 0 }
    return { state: next, sends: [...told, saga.succeeds.send(state.data)] }
  }
  const within = typeof step.within === 'function' ? step.within(state.data) : step.within
  const next: SagaState = { ...turned(state), step: index, due: now + milliseconds(within) }
  return { state: next, sends: [...told, step.send(state.data)] }
}

/** Undoes the newest step at or below the index that can be undone; below the first one the saga fails. */
function undoFrom(saga: Saga, state: SagaState, index: number, now: number): SagaMove {
  for (let at = index; at >= 0; at -= 1) {
    const step = stepAt(saga, at)
    if (step.undo === undefined) continue
    const within = step.undoWithin === undefined ? DEFAULT_UNDO_WITHIN_MS : milliseconds(step.undoWithin)
    const next: SagaState = { ...turned(state), status: 'undoing', step: at, due: now + within }
    return { state: next, sends: [step.undo(state.data)] }
  }
  if (state.flagged.length === 0) return fail(saga, state, now)
  // "Cancelled" would claim that everything was undone; it was not, so a person decides.
  return { state: noted({ ...turned(state), status: 'needs-person', due: 0 }, now, 'needs a person'), sends: [] }
}

function fail(saga: Saga, state: SagaState, now: number): SagaMove {
  const next: SagaState = { ...turned(state), status: 'failing', due: 0 }
  return { state: noted(next, now, 'everything undone'), sends: [saga.fails.send(state.data, state.reason)] }
}

function end(state: SagaState, status: 'succeeded' | 'failed', now: number): SagaMove {
  return { state: noted({ ...turned(state), status, due: 0 }, now, status), sends: [] }
}

function isStop(saga: Saga, event: Message): boolean {
  return saga.stops.some(({ type }) => type === event.type)
}

function stopped(saga: Saga, state: SagaState, event: Message, now: number): SagaState {
  return noted({ ...state, reason: saga.reasonOf(event) }, now, event.type)
}

function turned(state: SagaState): SagaState {
  return { ...state, turn: state.turn + 1 }
}

function noted(state: SagaState, at: number, what: string): SagaState {
  return { ...state, history: [...state.history, { at, what }] }
}

function stepAt(saga: Saga, index: number): Step<unknown> {
  const step = saga.steps[index]
  if (step === undefined) throw new Error(`${saga.name} has no step ${index}.`)
  return step
}
