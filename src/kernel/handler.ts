// What every handler is made of: the states it names, the message it gets, and what it says in turn.
import type { AnyMessageType, DataOf, Message, MessageInfo } from './message.ts'

/** A kind of state, kept as small documents by key in its service's own schema. */
export interface StateKind<State> {
  readonly name: string
  readonly initial: () => State
  /** Aggregates also append the events of each change to a stream of their own. */
  readonly streamed: boolean
  /** The part that is set when the document is made and never changes: it is stored once, apart from what changes. */
  readonly constant?: ConstantPart
  at(key: string): Ref<State>
}

/** How a state is taken apart into what changes and what never does, and put together again. */
export interface ConstantPart {
  of(state: unknown): unknown
  without(state: unknown): unknown
  join(changing: unknown, constant: unknown): unknown
}

/** One document of a kind. */
export interface Ref<State> {
  readonly kind: StateKind<State>
  readonly key: string
}

export type AnyRef = Ref<unknown>

/** The states that a handler named, as the messages before it left them. Puts are new objects, never mutations. */
export interface Held {
  /** @throws when the handler did not name the document in its `loads`. */
  get<State>(ref: Ref<State>): State
  put<State>(ref: Ref<State>, state: State): void
}

/** What a handler knows of the moment; everything that is not in the message or the states. */
export interface Context {
  /** Milliseconds since the epoch, the same for a whole round. */
  readonly now: number
  /** A fresh UUIDv7. */
  readonly newId: () => string
  /** Who asked over HTTP; 'system' where a message caused it. */
  readonly principal: string
  readonly role: string
}

/** A request to the outside, made by an effect; its row is written in the transaction of the handler that asked. */
export interface EffectRequest<Name extends string = string, Request = unknown> {
  readonly effect: Name
  readonly request: Request
}

/** A command to its own service at a later time; its handler checks whether it is still wanted. */
export interface Scheduled {
  readonly at: number
  readonly command: Message
}

/**
 * Schedules a command of the same service; it fires only after the service has read all that came before `at`.
 *
 * @param at milliseconds since the epoch
 */
export function schedule(command: Message, at: number): Scheduled {
  return { at, command }
}

export type Output = Message | EffectRequest | Scheduled

/** What a list of message types and effects can say. */
export type Said<Says extends readonly ((data: never) => Output)[]> = ReturnType<Says[number]>

/** A handler may say nothing, one thing or several. */
export type Saying<Said> = Said | Scheduled | readonly (Said | Scheduled)[] | undefined | void

export type Sayable = AnyMessageType | (((data: never) => EffectRequest) & { readonly effect: string })

/** The services whose events are in a list: a handler may say only its own service's. */
export type EventServices<Says> = Says extends readonly (infer One)[]
  ? One extends { readonly kind: 'event'; readonly service: infer Service extends string }
    ? Service
    : never
  : never

/** A handler as the runtime runs it: names its states, then turns them and a message into new states and messages. */
export interface Handler<EventService extends string = string> {
  readonly name: string
  readonly message: MessageInfo
  readonly says: readonly Sayable[]
  readonly loads: (data: unknown) => readonly AnyRef[]
  readonly handle: (data: unknown, held: Held, context: Context) => readonly Output[]
  /** Only a type: the services whose events this handler says. */
  readonly eventService?: EventService
}

/** One or many as a list. */
export function listed<Item>(said: Item | readonly Item[] | undefined | void): readonly Item[] {
  if (said === undefined) return []
  return Array.isArray(said) ? (said as readonly Item[]) : [said as Item]
}

interface Rule<Type extends AnyMessageType, Says extends readonly Sayable[]> {
  readonly says: Says
  readonly loads?: (data: DataOf<Type>) => readonly AnyRef[]
  readonly handle: (data: DataOf<Type>, held: Held, context: Context) => Saying<Said<Says>>
}

/**
 * Handles one message type: pure, over the documents that it names.
 *
 * @example
 * on(ReserveStock, {
 *   says: [StockReserved],
 *   loads: ({ orderId }) => [reservation.at(orderId)],
 *   handle: ({ orderId }, held) => StockReserved({ orderId }),
 * })
 */
export function on<Type extends AnyMessageType, const Says extends readonly Sayable[]>(
  message: Type,
  rule: Rule<Type, Says>,
): Handler<EventServices<Says>> {
  return {
    name: message.type,
    message,
    says: rule.says,
    loads: (data) => rule.loads?.(data as DataOf<Type>) ?? [],
    handle: (data, held, context) => listed(rule.handle(data as DataOf<Type>, held, context)),
  }
}
