// Routes: what a service answers over HTTP, declared so that the server, OpenAPI and the role matrix read one list.
import type { z } from 'zod'
import type { Message } from './message.ts'
import type { AnyRef, Held, Ref } from './handler.ts'

/** Roles from the weakest to the strongest; each may what those before it may, but importer stands beside clerk. */
export const ROLES = ['reader', 'clerk', 'importer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** Which roles may use a route that asks for the given one. */
export function mayUse(role: Role, asked: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(asked)
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What a route may read: its own service's tables, as the last commit left them. */
export interface Reader {
  /** Documents by key, each as stored or its kind's initial state. */
  state<State>(ref: Ref<State>): Promise<State>
  states(refs: readonly AnyRef[]): Promise<readonly unknown[]>
  /** One SELECT over the service's own tables, written `{table}`; `?` binds a value. Rows as objects. */
  rows<Row>(sql: string, values?: readonly (string | number | null)[]): Promise<readonly Row[]>
  /** Every record, timer and answer that belongs to one correlation, in order. */
  story(correlation: string): Promise<readonly StoryEntry[]>
}

/** What somebody does beside the ordinary course of business, as the audit tells it. */
export interface Deed {
  /** Area and verb, such as `dead-letter.redrive` or `saga.skip-step`. */
  readonly action: string
  /** What it is done to, such as `checkout 019a…` or the id of a dead letter. */
  readonly target: string
  readonly reason?: string | undefined
  /** Anything else that tells later what happened; no personal data. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

export interface StoryEntry {
  readonly at: number
  readonly service: string
  /** `log`: what the log no longer tells; `person`: what somebody did about a dead letter. */
  readonly what: 'command' | 'event' | 'saga' | 'effect' | 'timer' | 'log' | 'person'
  readonly name: string
  readonly position?: string
  readonly cause?: string
  readonly data?: unknown
}

/** A validated request. */
export interface Request<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly principal: string
  readonly role: Role
  readonly now: number
  readonly newId: () => string
  /** The `If-Match` header as it came; routes that change a versioned thing compare it. */
  readonly ifMatch?: string | undefined
  /** The `Idempotency-Key` header; `submit` uses it by itself. */
  readonly idempotencyKey?: string | undefined
  readonly read: Reader
  /**
   * Runs one command of the service and answers after its commit. The reply is made inside the transaction from the
   * states that the command's handler named, and stored with it, so that a repeated request gets the same one.
   *
   * A deed is written to the audit in the same transaction.
   *
   * @throws {Refusal} as the handler refused, also when the request is repeated.
   */
  readonly submit: (command: Message, reply: (held: Held) => Reply, deed?: Deed) => Promise<Reply>
  /**
   * Waits until the condition holds, looking again after each change of the correlation's state; ends at the limit,
   * at once when the caller did not ask to wait (`Prefer: wait=N`).
   */
  readonly waitUntil: (settled: () => Promise<boolean>) => Promise<void>
  /** The same for a route that itself must wait for a copy, whatever the caller asked. */
  readonly waitAtMost: (limitMs: number, settled: () => Promise<boolean>) => Promise<void>
}

export interface Reply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface RouteRules<Params extends z.ZodObject, Query extends z.ZodObject, Body extends z.ZodType> {
  readonly summary: string
  readonly role: Role
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  /** The shape of each status that the route answers itself; problems are added by the server. */
  readonly answers: Readonly<Record<number, z.ZodType>>
  /** Codes that the route may refuse with, for its documentation. */
  readonly codes?: readonly string[]
  readonly handle: (request: Request<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<Reply>
}

export interface Route {
  readonly method: Method
  readonly path: string
  readonly rules: RouteRules<z.ZodObject, z.ZodObject, z.ZodType>
}

function route(method: Method) {
  return <Params extends z.ZodObject, Query extends z.ZodObject, Body extends z.ZodType>(
    path: string,
    rules: RouteRules<Params, Query, Body>,
  ): Route => ({ method, path, rules })
}

/** Declares a route; `:name` in its path is a parameter. */
export const get = route('GET')
export const post = route('POST')
export const patch = route('PATCH')
export const put = route('PUT')
