// What a saga does when a person steps in, as a pure function of its state: nothing here goes past the decider's rules.
import { Refusal, refuse } from './refuse.ts'
import type { CodeTable } from './refuse.ts'
import type { SagaAct } from './saga-acts.ts'
import { SAGA_ACTS } from './saga-acts.ts'
import type { SagaMove, SagaState } from './saga-decider.ts'
import { fail, isLive, noted, stepAt, toStep, turned, undoFrom, unflagged } from './saga-decider.ts'
import type { Saga, Step } from './saga.ts'

/** The reason of an order's end when a person had its saga undone. */
const BY_OPERATOR = 'OPERATOR'
/** Lines that a history keeps: whoever steps in again and again must not make the document grow for ever. */
const MAX_HISTORY = 200

/** A person's wish: what, by whom and why. */
export interface Intervention {
  readonly act: SagaAct
  readonly by: string
  readonly reason: string
  /** Must be what the saga waits for, or is flagged for. */
  readonly step?: string | undefined
  /** Whether he knows which promise a skip breaks. */
  readonly force?: boolean | undefined
}

export const interventionCodes = {
  SAGA_NOT_FOUND: { status: 404, title: 'There is no such saga. GET /v1/ops/sagas lists them.' },
  SAGA_ENDED: { status: 409, title: 'This saga has ended, so nothing can be done with it any more.' },
  SAGA_STEP_MISMATCH: {
    status: 409,
    title: 'The saga does not wait for this step: name the one that it waits for or is flagged for, in details.',
  },
  SAGA_STEP_NOT_UNDOABLE: {
    status: 409,
    title: 'This step has no undo that could be sent again: see what became of it, then skip it or cancel the saga.',
  },
  SAGA_PROMISE_BROKEN: {
    status: 409,
    title: 'Skipping this would break the promise in details: look first, then send it again with force.',
  },
  SAGA_ENDING: {
    status: 409,
    title: 'All steps are done and only what it is about can end it now: retry, or cancel that itself.',
  },
  SAGA_UNDOING: { status: 409, title: 'Everything is being undone already: retry or skip the undo that it waits for.' },
  SAGA_CAN_NOT_BE_GIVEN_UP: {
    status: 409,
    title: 'This kind of saga can not be given up: skip the steps that it is flagged for, one by one.',
  },
} as const satisfies CodeTable

type Decide = (saga: Saga, state: SagaState, wish: Intervention, now: number) => SagaMove

/**
 * Every act of a person takes the saga where an answer, a limit or a stop could have taken it, so that it still ends
 * confirmed, undone or flagged; what he only said is kept in `skipped`.
 *
 * @throws {Refusal} with one of `interventionCodes`
 */
export function interveneInSaga(saga: Saga, state: SagaState, wish: Intervention, now: number): SagaMove {
  refuse(state.status === 'none', 'SAGA_NOT_FOUND')
  refuse(!isLive(state), 'SAGA_ENDED', { status: state.status })
  const told = noted(state, now, `${wish.act} by ${wish.by}: ${wish.reason}`)
  const move = DECISIONS[wish.act](saga, { ...told, history: told.history.slice(-MAX_HISTORY) }, wish, now)
  return wasCalled(state) && !isFlagged(move.state) ? unflagged(saga, move) : move
}

/** What a person may do with a saga as it stands. */
export function possibleActs(saga: Saga, state: SagaState): readonly SagaAct[] {
  const [step] = state.status === 'needs-person' ? state.flagged : []
  return SAGA_ACTS.filter((act) => {
    try {
      interveneInSaga(saga, state, { act, by: '', reason: '', force: true, step: act === 'skip' ? step : undefined }, 0)
      return true
    } catch (error) {
      if (error instanceof Refusal) return false
      throw error
    }
  })
}

/** The steps that an act can be about: the awaited one, or those that are flagged. */
export function openSteps(saga: Saga, { status, step, flagged }: SagaState): readonly string[] {
  if (status === 'running' || status === 'overdue' || status === 'undoing') return [stepAt(saga, step).name]
  return status === 'needs-person' ? flagged : []
}

/** The aggregate was told that a person has to look. */
function wasCalled({ status, flagged }: SagaState): boolean {
  return status === 'overdue' || ((status === 'succeeding' || status === 'failing') && flagged.length > 0)
}

function isFlagged({ flagged, status }: SagaState): boolean {
  return flagged.length > 0 && status !== 'undoing'
}

const DECISIONS: Readonly<Record<SagaAct, Decide>> = {
  retry: (saga, state, wish, now) => {
    const { status, step, data, reason } = state
    requireOpen(saga, state, wish)
    if (status === 'running' || status === 'overdue') return toStep(saga, { ...state, flagged: [] }, step, now)
    if (status === 'undoing') return undoFrom(saga, state, step, now)
    if (status === 'needs-person') return undoAgain(saga, state, wish)
    const end = status === 'succeeding' ? saga.succeeds.send(data) : saga.fails.send(data, reason)
    return { state: { ...turned(state), flagged: [] }, sends: [end] }
  },

  skip: (saga, state, wish, now) => {
    const { status, step } = state
    refuse(status === 'succeeding' || status === 'failing', 'SAGA_ENDING')
    requireOpen(saga, state, wish)
    if (status === 'needs-person') return skipFlagged(saga, state, wish, now)
    const isUndo = status === 'undoing'
    const skipped = skip(state, stepAt(saga, step), { ...wish, isUndo })
    // What a step tells beside the next one was said by nobody, so it is not told.
    return isUndo ? undoFrom(saga, skipped, step - 1, now) : toStep(saga, { ...skipped, flagged: [] }, step + 1, now)
  },

  compensate: (saga, state, wish, now) => {
    refuse(state.status === 'succeeding', 'SAGA_ENDING')
    refuse(state.status === 'undoing' || state.status === 'failing', 'SAGA_UNDOING')
    if (state.status === 'needs-person') return undoAgain(saga, state, { ...wish, step: undefined })
    return undoFrom(saga, { ...state, flagged: [], reason: BY_OPERATOR }, state.step, now)
  },

  cancel: (saga, state, wish, now) => {
    if (state.status !== 'needs-person') return DECISIONS.compensate(saga, state, wish, now)
    // Everything that answered is undone; the rest only the aggregate can give up, and its word ends the saga.
    if (saga.givesUp === undefined) throw new Refusal('SAGA_CAN_NOT_BE_GIVEN_UP', { flagged: state.flagged })
    return { state: turned(state), sends: [saga.givesUp(state.data)] }
  },
}

function requireOpen(saga: Saga, state: SagaState, { step }: Intervention): void {
  const open = openSteps(saga, state)
  refuse(step !== undefined && !open.includes(step), 'SAGA_STEP_MISMATCH', { step: step ?? '', open })
}

/**
 * The flagged undos once more, newest first; the others are undone. Nobody limits the wait: the saga rests in a
 * person's hands until the answers come.
 */
function undoAgain(saga: Saga, state: SagaState, { step }: Intervention): SagaMove {
  const wanted = saga.steps.filter(({ name }) => (step === undefined ? state.flagged.includes(name) : name === step))
  const undos = wanted.flatMap(({ undo }) => (undo === undefined ? [] : [undo(state.data)]))
  refuse(undos.length === 0, 'SAGA_STEP_NOT_UNDOABLE', { steps: wanted.map(({ name }) => name) })
  return { state: turned(state), sends: undos.toReversed() }
}

function skipFlagged(saga: Saga, state: SagaState, wish: Intervention, now: number): SagaMove {
  const { flagged } = state
  const name = wish.step ?? flagged[0]
  const step = saga.steps.find((one) => one.name === name)
  const isUnclear = wish.step === undefined && flagged.length > 1
  if (step === undefined || isUnclear) throw new Refusal('SAGA_STEP_MISMATCH', { step: '', open: flagged })
  const next = skip(state, step, { ...wish, isUndo: true })
  const left = { ...next, flagged: flagged.filter((one) => one !== step.name) }
  return left.flagged.length === 0 ? fail(saga, left, now) : { state: turned(left), sends: [] }
}

function skip(
  state: SagaState,
  { name, promise }: Step<unknown>,
  { force, isUndo }: Intervention & { readonly isUndo: boolean },
): SagaState {
  const broken = isUndo ? promise?.undone : promise?.done
  refuse(broken !== undefined && force !== true, 'SAGA_PROMISE_BROKEN', { step: name, promise: broken ?? '' })
  return { ...state, skipped: [...(state.skipped ?? []), isUndo ? `undo of ${name}` : name] }
}
