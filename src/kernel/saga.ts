// Sagas: a table of steps that the kernel turns into a pure decider (see saga-decider.ts).
import type { AnyMessageType, DataOf, Message } from './message.ts'
import type { Duration } from './duration.ts'

/** A step that can be undone names the answer to its undo: without it nobody could know that everything is undone. */
type Undoable<Data> =
  | { readonly undo: (data: Data) => Message; readonly undone: AnyMessageType; readonly undoWithin?: Duration }
  | { readonly undo?: never; readonly undone?: never; readonly undoWithin?: never }

export type Step<Data> = Undoable<Data> & {
  readonly name: string
  readonly send: (data: Data) => Message
  readonly done: AnyMessageType
  readonly refused?: AnyMessageType
  /** Sent beside the next step once this one is done; nobody waits for it. */
  readonly tells?: (data: Data) => Message
  readonly within: Duration | ((data: Data) => Duration)
  /** The reason of the order's end when the step is not answered in time. */
  readonly late: string
}

interface SagaRules<Starts extends AnyMessageType, Data> {
  /** The name of its table, for ever. */
  readonly name: string
  readonly starts: Starts
  /** The field by which every message of the saga names its instance. */
  readonly key: string
  /** What the saga keeps of its first message for the commands that it will send. */
  readonly remembers: (started: DataOf<Starts>) => Data
  readonly steps: readonly [Step<Data>, ...Step<Data>[]]
  /** Events that stop it midway: what was done is undone. */
  readonly stops: readonly AnyMessageType[]
  readonly succeeds: { readonly send: (data: Data) => Message; readonly done: AnyMessageType }
  readonly fails: { readonly send: (data: Data, reason: string) => Message; readonly done: AnyMessageType }
  /** The refusal's or stopping event's reason, as the order will show it. */
  readonly reasonOf: (event: Message) => string
}

export interface Saga {
  readonly name: string
  readonly key: string
  readonly starts: AnyMessageType
  readonly remembers: (started: unknown) => unknown
  readonly steps: readonly Step<unknown>[]
  readonly stops: readonly AnyMessageType[]
  readonly succeeds: { readonly send: (data: unknown) => Message; readonly done: AnyMessageType }
  readonly fails: { readonly send: (data: unknown, reason: string) => Message; readonly done: AnyMessageType }
  readonly reasonOf: (event: Message) => string
}

/** Declares a saga. It ends only on the aggregate's own final event and on the answer of every undo. */
export function saga<Starts extends AnyMessageType, Data>(rules: SagaRules<Starts, Data>): Saga {
  return rules as unknown as Saga
}

/** Every event that moves the saga, by type. */
export function eventsOf(definition: Saga): ReadonlyMap<string, AnyMessageType> {
  const events = [definition.starts, ...definition.stops, definition.succeeds.done, definition.fails.done]
  for (const step of definition.steps) {
    events.push(step.done)
    if (step.refused !== undefined) events.push(step.refused)
    if (step.undone !== undefined) events.push(step.undone)
  }
  return new Map(events.map((event) => [event.type, event]))
}
