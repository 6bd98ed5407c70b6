// Sagas: a table of steps that the kernel turns into a pure decider (see saga-decider.ts).
import type { AnyMessageType, DataOf, Message } from './message.ts'
import type { Duration } from './duration.ts'
import { milliseconds } from './duration.ts'

/**
 * A step that can be undone names the answer to its undo: without it nobody could know that everything is undone.
 * A step without an undo is a point of no return: when it is late, nothing is undone around it, a person has to look.
 */
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
  /** What would not be true any more if a person only said that it is done, or undone: he has to say so twice. */
  readonly promise?: StepPromise
}

/** Sentences for the person who skips a step or its undo. */
export interface StepPromise {
  readonly done: string
  readonly undone: string
}

/** Something that a step sets aside until a later step takes it: it must outlast the limits of all steps in between. */
export interface Hold {
  readonly name: string
  readonly heldMs: number
  readonly within: readonly Duration[]
}

interface SagaRules<Starts extends AnyMessageType, Data> {
  /** The name of its table, for ever. */
  readonly name: string
  readonly starts: Starts
  /** The field by which every message of the saga names its instance. */
  readonly key: string
  /** Every command that it sends: what other services hear from it, and what its principal may write. */
  readonly says: readonly AnyMessageType[]
  /** What the saga keeps of its first message for the commands that it will send. */
  readonly remembers: (started: DataOf<Starts>) => Data
  readonly steps: readonly [Step<Data>, ...Step<Data>[]]
  /** Events that stop it midway: what was done is undone. */
  readonly stops: readonly AnyMessageType[]
  readonly succeeds: { readonly send: (data: Data) => Message; readonly done: AnyMessageType }
  readonly fails: { readonly send: (data: Data, reason: string) => Message; readonly done: AnyMessageType }
  /** The refusal's or stopping event's reason, as the order will show it. */
  readonly reasonOf: (event: Message) => string
  /**
   * Tells the aggregate that a person has to look, and at which steps; sent once each time it comes to that, and with
   * no steps when the saga works again.
   */
  readonly flags?: (data: Data, steps: readonly string[]) => Message
  /** The command by which a person gives the instance up where something can't be undone; `givenUp` answers it. */
  readonly givesUp?: (data: Data) => Message
  /** The aggregate's event by which a person gave the instance up; the aggregate's rules say when that may be. */
  readonly givenUp?: AnyMessageType
  /** Checked at start. */
  readonly holds?: readonly Hold[]
}

export interface Saga {
  readonly name: string
  readonly key: string
  readonly starts: AnyMessageType
  readonly says: readonly AnyMessageType[]
  readonly remembers: (started: unknown) => unknown
  readonly steps: readonly Step<unknown>[]
  readonly stops: readonly AnyMessageType[]
  readonly succeeds: { readonly send: (data: unknown) => Message; readonly done: AnyMessageType }
  readonly fails: { readonly send: (data: unknown, reason: string) => Message; readonly done: AnyMessageType }
  readonly reasonOf: (event: Message) => string
  readonly flags?: (data: unknown, steps: readonly string[]) => Message
  readonly givesUp?: (data: unknown) => Message
  readonly givenUp?: AnyMessageType
  readonly holds?: readonly Hold[]
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
  if (definition.givenUp !== undefined) events.push(definition.givenUp)
  return new Map(events.map((event) => [event.type, event]))
}

/** What types can not say of a saga, one sentence a fault; none when it is sound. For the check at start. */
export function sagaProblems(definition: Saga): string[] {
  const { name, steps, stops, succeeds, fails, givenUp, holds = [] } = definition
  const ends = [definition.starts, ...stops, succeeds.done, fails.done, ...(givenUp === undefined ? [] : [givenUp])]
  const answers = steps.flatMap(({ done, refused, undone }) => [done, refused, undone])
  const types = [...ends, ...answers].flatMap((event) => (event === undefined ? [] : [event.type]))
  const doubled = [...types, ...steps.map((step) => step.name)].filter((one, at, all) => all.indexOf(one) !== at)
  return [
    ...doubled.map((one) => `The saga ${name} names ${one} twice, so it could not tell what it means.`),
    ...holds.flatMap((hold) => {
      const neededMs = hold.within.reduce((sum, limit) => sum + milliseconds(limit), 0)
      if (hold.heldMs > neededMs) return []
      return [`The saga ${name} holds ${hold.name} for ${hold.heldMs} ms, but its steps may take ${neededMs} ms.`]
    }),
  ]
}
