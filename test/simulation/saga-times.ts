// Whether sagas gave up waiting too early: each limit is the one of the step that was awaited, counted from its send.
import { milliseconds } from '../../src/kernel/duration.ts'
import type { Saga, Step } from '../../src/kernel/saga.ts'
import type { SagaState } from '../../src/kernel/saga-decider.ts'

/** An undo waits this long unless its step says otherwise. */
const UNDO_WITHIN_MS = 5 * 60_000

/**
 * @param toleranceMs how far clocks may be apart
 * @returns what was given up too early; undefined where nothing was.
 */
export function gaveUpEarly(saga: Saga, state: SagaState, toleranceMs: number): string | undefined {
  let since = state.startedAt
  for (const { at, what } of state.history) {
    const limit = limitOf(saga, state, what)
    if (limit !== undefined && at - since < limit - toleranceMs) return `${what} after ${at - since} ms of ${limit}`
    // What comes late moves no limit.
    if (!what.endsWith('came late')) since = at
  }
  return undefined
}

function limitOf({ steps }: Saga, { data }: SagaState, what: string): number | undefined {
  for (const step of steps) {
    if (what === `${step.name} not answered in time`) return withinOf(step, data)
    if (what === `undo of ${step.name} not answered in time`)
      return step.undoWithin === undefined ? UNDO_WITHIN_MS : milliseconds(step.undoWithin)
  }
  return undefined
}

function withinOf({ within }: Step<unknown>, data: unknown): number {
  return milliseconds(typeof within === 'function' ? within(data) : within)
}
