// Runs handlers and effects' answers over documents in memory, and shows what they said, asked and scheduled.
import assert from 'node:assert/strict'
import type { Answer, AnswerHandler } from '../kernel/effect.ts'
import type { AnyRef, Context, EffectRequest, Handler, Held, Output, Ref, Scheduled } from '../kernel/handler.ts'
import type { Message, MessageInfo } from '../kernel/message.ts'

/** What one handler led to, sorted by kind. */
export interface Handled {
  readonly said: readonly Message[]
  readonly requested: readonly EffectRequest[]
  readonly scheduled: readonly Scheduled[]
}

export interface Holding {
  /** The document as it was last put, or its kind's initial state. */
  state<State>(ref: Ref<State>): State
  /** Hands a message to its handler. A handler that throws leaves nothing behind. */
  handle(handler: Handler, message: Message, moment?: Partial<Context>): Handled
  /** Hands the outcome of an effect to its handler, as the executor would. */
  answer(handler: AnswerHandler, request: EffectRequest, answer: Answer<unknown>, moment?: Partial<Context>): Handled
}

/** Any instant will do, as long as all tests agree on it. */
export const TEST_NOW = Date.UTC(2026, 10, 21, 9)

type Rule = Omit<Handler, 'message'>

/**
 * Opens a set of documents to run handlers over. Documents go through JSON as in a store and come back frozen, so a
 * value that no store keeps, or a handler that changes its state in place, fails here.
 *
 * @example
 * const held = holding([starting(stock.at('A'), { opening: 5 })])
 * held.handle(reserveStock, ReserveStock({ orderId, items: [{ sku: 'A', quantity: 1 }], holdMs: 1000 })).said
 */
export function holding(states: readonly (readonly [AnyRef, unknown])[] = []): Holding {
  const documents = new Map(states.map(([ref, state]) => [nameOf(ref), stored(state)]))
  let ids = 0
  const moment: Context = {
    now: TEST_NOW,
    newId: () => `00000000-0000-7000-8000-${String((ids += 1)).padStart(12, '0')}`,
    principal: 'system',
    role: 'admin',
  }
  const read = (ref: AnyRef): unknown => {
    const name = nameOf(ref)
    return documents.has(name) ? documents.get(name) : frozen(ref.kind.initial())
  }
  const run = (rule: Rule, data: unknown, context: Partial<Context>): Handled => {
    const overlay = new Map<string, unknown>()
    const held = heldFor(rule, data, { read, overlay })
    const outputs = rule.handle(frozen(data), held, { ...moment, ...context })
    const handled = sorted(rule, outputs)
    for (const [name, state] of overlay) documents.set(name, stored(state))
    return handled
  }
  return {
    state: <State>(ref: Ref<State>) => read(ref) as State,
    handle: (handler, message, context = {}) => {
      assert.equal(message.type, handler.message.type, `${handler.name} does not handle ${message.type}`)
      return run(handler, wellFormed(handler.message, message).data, context)
    },
    answer: ({ effect, handler }, request, answer, context = {}) => {
      assert.equal(request.effect, effect.effect, `the handler does not take answers of ${request.effect}`)
      return run(handler, { request: stored(request.request), answer }, context)
    },
  }
}

/** A document that a test starts from: the kind's initial state with these fields changed. */
export function starting<State>(ref: Ref<State>, change: Partial<State>): readonly [Ref<State>, State] {
  return [ref, { ...ref.kind.initial(), ...change }]
}

interface Documents {
  readonly read: (ref: AnyRef) => unknown
  readonly overlay: Map<string, unknown>
}

function heldFor(rule: Rule, data: unknown, { read, overlay }: Documents): Held {
  const named = new Set(rule.loads(data).map(nameOf))
  const check = (ref: AnyRef): string => {
    const name = nameOf(ref)
    assert.ok(named.has(name), `${rule.name} touches ${name} without naming it in its loads`)
    return name
  }
  return {
    get: <State>(ref: Ref<State>) => {
      const name = check(ref)
      return (overlay.has(name) ? overlay.get(name) : read(ref)) as State
    },
    put: (ref, state) => {
      overlay.set(check(ref), frozen(state))
    },
  }
}

function sorted(rule: Rule, outputs: readonly Output[]): Handled {
  const said = outputs.filter((output): output is Message => 'type' in output)
  const requested = outputs.filter((output): output is EffectRequest => 'effect' in output)
  const scheduled = outputs.filter((output): output is Scheduled => 'at' in output)
  for (const message of said) {
    const type = rule.says.find((one): one is typeof one & MessageInfo => 'type' in one && one.type === message.type)
    assert.ok(type !== undefined, `${rule.name} said ${message.type} without listing it`)
    wellFormed(type, message)
  }
  for (const { effect } of requested) {
    const listed = rule.says.some((one) => 'effect' in one && one.effect === effect)
    assert.ok(listed, `${rule.name} requested ${effect} without listing it`)
  }
  return { said, requested, scheduled }
}

/** Bodies are only checked at the door, so a test is where a handler's own messages meet their schema. */
function wellFormed(type: MessageInfo, message: Message): Message {
  const parsed = type.schema.safeParse(stored(message.data))
  assert.ok(parsed.success, `${type.type} is malformed: ${parsed.error?.message ?? ''}`)
  return message
}

function nameOf({ kind, key }: AnyRef): string {
  return `${kind.name} ${key}`
}

function stored(state: unknown): unknown {
  return frozen(JSON.parse(JSON.stringify(state)))
}

function frozen<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
