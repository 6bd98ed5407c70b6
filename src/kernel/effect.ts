// Effects: the only code that talks to the outside. A handler requests one, an executor calls, its answer comes back.
import type {
  AnyRef,
  Context,
  EffectRequest,
  EventServices,
  Handler,
  Held,
  Output,
  Said,
  Sayable,
  Saying,
} from './handler.ts'
import { listed } from './handler.ts'

/** What a call is told besides its request. */
export interface CallContext {
  /** Derived from effect, log and business key: the same for every technical retry, so a provider works once. */
  readonly idempotencyKey: string
  /** 1 for the first call. */
  readonly attempt: number
  /** Aborted when the time limit is over. */
  readonly signal: AbortSignal
}

/** What came of a request: the provider's answer, or that no answer could be had within the budget. */
export type Answer<Result> =
  | { readonly outcome: 'answered'; readonly result: Result; readonly attempts: number }
  | { readonly outcome: 'gave-up'; readonly reason: string; readonly attempts: number }

export interface EffectRules<Request, Result, Adapter> {
  /** Requests of one key are called one at a time and in order. */
  readonly key: (request: Request) => string
  /** What tells two requests of one key apart (a refund from its capture, the second refund from the first). */
  readonly part: (request: Request) => string
  /** What of the request tells who a person is: kept out of what is stored and told of a failed call. */
  readonly personal?: (request: Request) => readonly (string | undefined)[]
  readonly adapter: string
  readonly call: (adapter: Adapter, request: Request, context: CallContext) => Promise<Result>
  /** Asks the provider what became of a request whose answer was lost; undefined means that it never arrived. */
  readonly ask?: (adapter: Adapter, request: Request, context: CallContext) => Promise<Result | undefined>
  readonly timeoutMs: number
  readonly concurrency: number
  /** Waits between tries; their count plus one is the number of tries. */
  readonly retryDelaysMs: readonly number[]
  /** How long the provider remembers an idempotency key; no call is made after half of it. */
  readonly keyLifetimeMs: number
}

/** The service-side name of an outside action: called with a request, it makes the output that a handler says. */
export interface Effect<Name extends string, Request, Result, Adapter> {
  (request: Request): EffectRequest<Name, Request>
  readonly effect: Name
  readonly rules: EffectRules<Request, Result, Adapter>
}

/** An effect as the runtime keeps it, its types erased. */
export type AnyEffect = Effect<string, never, unknown, never>

/**
 * Declares an effect. The adapter's type goes into the first call.
 *
 * @example
 * effect<Gateway>()('capture', { adapter: 'gateway', key: (request: Capture) => request.orderId, … })
 */
export function effect<Adapter>() {
  return <const Name extends string, Request, Result>(
    name: Name,
    rules: EffectRules<Request, Result, Adapter>,
  ): Effect<Name, Request, Result, Adapter> =>
    Object.assign((request: Request) => ({ effect: name, request }), { effect: name, rules })
}

/** What the runtime hands to an answer's handler. */
export interface AnswerData {
  readonly request: unknown
  readonly answer: Answer<unknown>
}

interface AnswerRule<Request, Result, Says extends readonly Sayable[]> {
  readonly says: Says
  readonly loads?: (request: Request) => readonly AnyRef[]
  readonly handle: (request: Request, answer: Answer<Result>, held: Held, context: Context) => Saying<Said<Says>>
}

export interface AnswerHandler<EventService extends string = string> {
  readonly effect: AnyEffect
  readonly handler: Omit<Handler<EventService>, 'message'>
}

/** Handles the answer of an effect; runs in the transaction that takes the request's row away. */
export function onAnswer<Name extends string, Request, Result, Adapter, const Says extends readonly Sayable[]>(
  effectOf: Effect<Name, Request, Result, Adapter>,
  rule: AnswerRule<Request, Result, Says>,
): AnswerHandler<EventServices<Says>> {
  return {
    effect: effectOf as unknown as AnyEffect,
    handler: {
      name: `${effectOf.effect} answered`,
      says: rule.says,
      loads: (data) => rule.loads?.((data as AnswerData).request as Request) ?? [],
      handle: (data, held, context): readonly Output[] => {
        const { request, answer } = data as AnswerData
        return listed(rule.handle(request as Request, answer as Answer<Result>, held, context))
      },
    },
  }
}
