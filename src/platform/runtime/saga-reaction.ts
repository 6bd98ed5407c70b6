// Sagas as reactions: their instances are documents, their time limits one lazy timer row each.
import type { AnyMessageType, Message } from '../../kernel/message.ts'
import type { Held, StateKind } from '../../kernel/handler.ts'
import type { DiedMessage } from '../../kernel/message-died.ts'
import { MESSAGE_DIED } from '../../kernel/message-died.ts'
import type { AskedOfSaga } from '../../kernel/saga-acts.ts'
import { sagaActOf } from '../../kernel/saga-acts.ts'
import { interveneInSaga } from '../../kernel/saga-intervention.ts'
import { entity } from '../../kernel/entity.ts'
import type { Saga } from '../../kernel/saga.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { decideSaga, isLive, newSaga } from '../../kernel/saga-decider.ts'
import type { Outcome, Reaction } from './registry.ts'

/** A saga's wish to be woken; the round keeps it as a timer row under the saga's name. */
export interface SagaAlarm {
  readonly saga: string
  readonly key: string
  readonly at: number
}

/** Due times are rounded up, so that many timers share one range of the sweep. */
const TIMER_GRAIN_MS = 100

const kinds = new WeakMap<Saga, StateKind<SagaState>>()

/** The kind of a saga's instances. */
export function sagaKind(saga: Saga): StateKind<SagaState> {
  let kind = kinds.get(saga)
  if (kind === undefined) kinds.set(saga, (kind = entity(saga.name, { initial: () => newSaga, constant: 'data' })))
  return kind
}

function instanceKey(saga: Saga, data: unknown): string | undefined {
  const key = (data as Record<string, unknown>)[saga.key]
  return typeof key === 'string' ? key : undefined
}

/** What an event does to the instance that it names; nothing where the saga does not wait for it. */
export function sagaReaction(service: string, saga: Saga, event: AnyMessageType): Reaction {
  const kind = sagaKind(saga)
  return {
    service,
    name: `${saga.name} on ${event.type}`,
    loads: (data) => {
      const key = instanceKey(saga, data)
      return key === undefined ? [] : [kind.at(key)]
    },
    handle: (data, held, { now }) => {
      const key = instanceKey(saga, data)
      if (key === undefined) return []
      const state = held.get(kind.at(key))
      const move = decideSaga(saga, state, { event: { type: event.type, data } }, now)
      return move === undefined ? [] : settle(saga, key, held, move)
    },
  }
}

/** A message was given up: an instance that waits for what it would have led to is flagged. */
export function sagaDeathReaction(service: string, saga: Saga): Reaction {
  const kind = sagaKind(saga)
  const keyOf = (data: unknown): string | undefined => {
    const { keyName, key, ids = {} } = data as DiedMessage
    // A return's messages travel under the key of its order.
    return ids[saga.key] ?? (keyName === saga.key ? key : undefined)
  }
  return {
    service,
    name: `${saga.name} on ${MESSAGE_DIED}`,
    loads: (data) => {
      const key = keyOf(data)
      return key === undefined ? [] : [kind.at(key)]
    },
    handle: (data, held, { now }) => {
      const key = keyOf(data)
      if (key === undefined) return []
      const { type, code } = data as DiedMessage
      const move = decideSaga(saga, held.get(kind.at(key)), { died: { type, code } }, now)
      return move === undefined ? [] : settle(saga, key, held, move)
    },
  }
}

/** A person steps in: his command says what he wants of the instance, and what he may not is refused. */
export function sagaInterventionReaction(service: string, saga: Saga, type: string): Reaction {
  const kind = sagaKind(saga)
  const act = sagaActOf({ type })
  if (act === undefined) throw new Error(`${type} is nothing that a saga can be asked for.`)
  return {
    service,
    name: `${saga.name} on ${type}`,
    loads: (data) => [kind.at((data as AskedOfSaga).key)],
    handle: (data, held, { now, principal }) => {
      const { key, reason, step, force } = data as AskedOfSaga
      const wish = { act, by: principal, reason, step, force }
      return settle(saga, key, held, interveneInSaga(saga, held.get(kind.at(key)), wish, now))
    },
  }
}

/** The instance's one timer came due: void if the saga has moved on, armed again if it now waits for longer. */
export function sagaTimerReaction(service: string, saga: Saga): Reaction {
  const kind = sagaKind(saga)
  return {
    service,
    name: `${saga.name} timer`,
    loads: (key) => [kind.at(String(key))],
    handle: (key, held, { now }) => {
      const ref = kind.at(String(key))
      const state = { ...held.get(ref), armed: 0 }
      if (!isLive(state)) return []
      if (state.due === 0 || state.due > now) return settle(saga, ref.key, held, { state, sends: [] })
      const move = decideSaga(saga, state, { lateTurn: state.turn }, now) ?? { state, sends: [] }
      return settle(saga, ref.key, held, move)
    },
  }
}

function settle(
  saga: Saga,
  key: string,
  held: Held,
  { state, sends }: { readonly state: SagaState; readonly sends: readonly Message[] },
): readonly Outcome[] {
  const ref = sagaKind(saga).at(key)
  // A row that fires too early re-arms itself, so only an earlier due needs a row of its own: a tenth of the writes.
  const at = Math.ceil(state.due / TIMER_GRAIN_MS) * TIMER_GRAIN_MS
  const needed = state.due > 0 && (state.armed === 0 || at < state.armed)
  held.put(ref, needed ? { ...state, armed: at } : state)
  const alarm: SagaAlarm = { saga: saga.name, key, at }
  return needed ? [...sends, alarm] : sends
}
