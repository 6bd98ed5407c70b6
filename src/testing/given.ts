// Rules read as sentences: given what happened, when a command comes, then that happens, or it is refused.
import assert from 'node:assert/strict'
import type { Aggregate, Snapshot } from '../kernel/aggregate.ts'
import type { AnyRef, Context, Ref } from '../kernel/handler.ts'
import type { Message } from '../kernel/message.ts'
import { Refusal } from '../kernel/refuse.ts'
import type { RefusalDetails } from '../kernel/refuse.ts'
import type { Holding } from './handle.ts'
import { holding } from './handle.ts'

/** What a command finds besides the aggregate: the moment, the caller, other documents of the service. */
export interface Moment extends Partial<Context> {
  readonly held?: readonly (readonly [AnyRef, unknown])[]
}

export interface When<State> {
  /** Checks that exactly these events follow, in order; all of their fields. */
  then(...events: Message[]): Outcome<State>
  /** A repetition, or a command that came too late: nothing happens, and it is no error. */
  thenNothing(): Outcome<State>
  /** Checks the code and, where given, these of its details; nothing may have changed. */
  refuses(code: string, details?: RefusalDetails): void
  /** What follows, for tests that look at a part of it. @throws {Refusal} */
  outcome(): Outcome<State>
}

export interface Outcome<State> {
  readonly events: readonly Message[]
  readonly state: State
  /** Another document of the service as the command left it. */
  readonly document: <Other>(ref: Ref<Other>) => Other
}

/** The key does not matter where it is only given events; the command names it. */
const STARTING = 'starting'

/**
 * Opens a test of an aggregate. States and messages go through JSON and are frozen, as `holding` does it.
 *
 * @example
 * given(order, orderPlaced).when(ConfirmOrder({ orderId }), { now: 5 }).then(OrderConfirmed({ orderId, at: 5 }))
 */
export function given<State>(aggregate: Aggregate<State>, ...events: readonly Message[]) {
  const initial = aggregate.at(STARTING).kind.initial()
  const snapshot: Snapshot<State> = {
    events: events.length,
    state: events.map(plain).reduce(aggregate.evolve, initial.state),
  }
  return {
    when: (command: Message, { held = [], ...moment }: Moment = {}): When<State> => {
      const handler = aggregate.handlers.find(({ message }) => message.type === command.type)
      assert.ok(handler !== undefined, `${aggregate.name} does not take ${command.type}`)
      const [own] = handler.loads(command.data)
      assert.ok(own !== undefined, `${command.type} names no ${aggregate.name}`)
      const documents = holding([[own, snapshot], ...held])
      const run = (): Outcome<State> => {
        const { said } = documents.handle(handler, command, moment)
        return { events: said, state: documents.state(own as Ref<Snapshot<State>>).state, document: documents.state }
      }
      return whenOf(run, documents, own)
    },
  }
}

function whenOf<State>(run: () => Outcome<State>, documents: Holding, own: AnyRef): When<State> {
  const then = (...events: readonly Message[]) => {
    const outcome = run()
    assert.deepEqual(outcome.events.map(plain), events.map(plain))
    return outcome
  }
  return {
    outcome: run,
    // oxlint-disable-next-line unicorn/no-thenable -- the word of every given/when/then; nobody awaits it
    then,
    thenNothing: () => then(),
    refuses: (code, details = {}) => {
      const before = documents.state(own)
      const refusal = refusalOf(run)
      assert.equal(refusal.code, code)
      for (const [name, value] of Object.entries(details)) assert.deepEqual(refusal.details[name], value, name)
      assert.deepEqual(documents.state(own), before)
    },
  }
}

function refusalOf(run: () => Outcome<unknown>): Refusal {
  try {
    const { events } = run()
    assert.fail(`was not refused, but led to ${events.map(({ type }) => type).join(', ') || 'nothing'}`)
  } catch (error) {
    if (error instanceof Refusal) return error
    throw error
  }
}

/** As the log gives it back: without the fields that are undefined. */
function plain(message: Message): Message {
  return JSON.parse(JSON.stringify(message)) as Message
}
