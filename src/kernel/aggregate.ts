// Aggregates: event-sourced state. `decide` says what happens, `evolve` what that changes; both are pure.
import { constantFieldOfSnapshot } from './constant-part.ts'
import type { AnyMessageType, DataOf, Message, MessageOf } from './message.ts'
import { keyOf } from './message.ts'
import type { AnyRef, Context, EventServices, Handler, Held, Output, Ref, StateKind } from './handler.ts'
import { listed } from './handler.ts'

/** An aggregate's document: its state after `events` events of its stream. */
export interface Snapshot<State> {
  readonly events: number
  readonly state: State
  /** The events that this change appends to the stream; never stored in the document. */
  readonly appended?: readonly Message[]
}

/** What `decide` may look at besides its own state: other documents of the same service, named in `loads`. */
export interface DecideContext extends Context {
  readonly held: Held
}

/** A command may lead to no event (a repetition), one or several. */
type Deciding<Event> = Event | readonly Event[] | undefined

type OneOf<Types extends readonly AnyMessageType[], Type> = Extract<Types[number], { readonly type: Type }>

interface Rules<State, Commands extends readonly AnyMessageType[], Events extends readonly AnyMessageType[]> {
  /** The field by which commands name their aggregate. */
  readonly key: string
  readonly commands: Commands
  readonly events: Events
  readonly initial: () => State
  /** A field that the first event sets and no other changes. */
  readonly constant?: keyof State & string
  readonly loads?: {
    readonly [Type in Commands[number]['type']]?: (data: DataOf<OneOf<Commands, Type>>) => readonly AnyRef[]
  }
  readonly decide: {
    readonly [Type in Commands[number]['type']]: (
      state: State,
      data: DataOf<OneOf<Commands, Type>>,
      context: DecideContext,
    ) => Deciding<MessageOf<Events[number]>>
  }
  readonly evolve: {
    readonly [Type in Events[number]['type']]: (state: State, data: DataOf<OneOf<Events, Type>>) => State
  }
}

export interface Aggregate<State, EventService extends string = string> {
  readonly name: string
  readonly kind: StateKind<Snapshot<State>>
  readonly handlers: readonly Handler<EventService>[]
  readonly events: readonly AnyMessageType[]
  readonly at: (key: string) => Ref<Snapshot<State>>
  /** Folds one event into the state. */
  readonly evolve: (state: State, event: Message) => State
}

/** An aggregate whose state's type is forgotten: what a service lists. */
export interface AnyAggregate<EventService extends string = string> {
  readonly name: string
  readonly kind: StateKind<Snapshot<unknown>>
  readonly handlers: readonly Handler<EventService>[]
  readonly events: readonly AnyMessageType[]
  readonly evolve: (state: never, event: Message) => unknown
}

/**
 * Declares an aggregate; the state's type goes into the first call, the rest is inferred.
 *
 * @example
 * aggregate<Order>('order')({ key: 'orderId', commands: [PlaceOrder], events: [OrderPlaced], initial, decide, evolve })
 */
export function aggregate<State>(name: string) {
  return <const Commands extends readonly AnyMessageType[], const Events extends readonly AnyMessageType[]>(
    rules: Rules<State, Commands, Events>,
  ): Aggregate<State, EventServices<Events>> => {
    const kind: StateKind<Snapshot<State>> = {
      name,
      streamed: true,
      initial: () => ({ events: 0, state: rules.initial() }),
      ...(rules.constant === undefined ? undefined : { constant: constantFieldOfSnapshot(rules.constant) }),
      at: (key) => ({ kind, key }),
    }
    const evolvers = rules.evolve as Readonly<Record<string, (state: State, data: unknown) => State>>
    const evolve = (state: State, event: Message): State => {
      const evolver = evolvers[event.type]
      if (evolver === undefined) throw new Error(`${name} has no evolve for ${event.type}.`)
      return evolver(state, event.data)
    }
    const handlers = rules.commands.map((command) => handlerOf(command, rules, kind, evolve))
    return { name, kind, handlers, events: rules.events, at: kind.at, evolve }
  }
}

function handlerOf<State, Commands extends readonly AnyMessageType[], Events extends readonly AnyMessageType[]>(
  command: AnyMessageType,
  rules: Rules<State, Commands, Events>,
  kind: StateKind<Snapshot<State>>,
  evolve: (state: State, event: Message) => State,
): Handler<EventServices<Events>> {
  type Decider = (state: State, data: unknown, context: DecideContext) => Deciding<Message>
  const decide = (rules.decide as unknown as Readonly<Record<string, Decider>>)[command.type]
  if (decide === undefined) throw new Error(`${kind.name} has no decide for ${command.type}.`)
  const loads = rules.loads as Readonly<Record<string, (data: unknown) => readonly AnyRef[]>> | undefined
  const keyed = { type: command.type, key: rules.key }
  return {
    name: command.type,
    message: command,
    says: rules.events,
    loads: (data) => [kind.at(keyOf(keyed, data)), ...(loads?.[command.type]?.(data) ?? [])],
    handle: (data, held, context): readonly Output[] => {
      const ref = kind.at(keyOf(keyed, data))
      const snapshot = held.get(ref)
      const events = listed(decide(snapshot.state, data, { ...context, held }))
      if (events.length > 0) held.put(ref, evolved(snapshot, events, evolve))
      return events
    },
  }
}

function evolved<State>(
  snapshot: Snapshot<State>,
  events: readonly Message[],
  evolve: (state: State, event: Message) => State,
): Snapshot<State> {
  return {
    events: snapshot.events + events.length,
    state: events.reduce(evolve, snapshot.state),
    appended: [...(snapshot.appended ?? []), ...events],
  }
}
