// Requests of a test's shop: every role's own key, typed answers, and refusals checked by their code.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import type { Role } from '../kernel/route.ts'
import { ROLES } from '../kernel/route.ts'
import type { ApiKey } from '../platform/http/api-keys.ts'
import type { Server } from '../platform/http/server.ts'

export interface Answer<Body> {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Body
}

export interface SentRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** Carries a request to the server: in memory, or over a socket. */
export type Send = (request: SentRequest) => Promise<Answer<string>>

export type Headers = Readonly<Record<string, string>>

export interface Caller {
  get<Body>(path: string, headers?: Headers): Promise<Answer<Body>>
  post<Body>(path: string, body: unknown, headers?: Headers): Promise<Answer<Body>>
  put<Body>(path: string, body: unknown, headers?: Headers): Promise<Answer<Body>>
  patch<Body>(path: string, body: unknown, headers?: Headers): Promise<Answer<Body>>
}

/** What a role sends as its key. */
export function keyOf(role: Role): string {
  return `the key of the ${role}`.replaceAll(' ', '-')
}

/** One key for each role; its name is the role's. */
export const roleKeys: readonly ApiKey[] = ROLES.map((role) => ({
  name: role,
  role,
  hash: hash('sha256', keyOf(role), 'buffer'),
}))

/** Calls as a role; with undefined as nobody, whom a server on loopback takes for its owner. */
export function callerOver(send: Send, role: Role | undefined): Caller {
  const key = role === undefined ? {} : { 'x-api-key': keyOf(role) }
  const call = async <Body>(method: SentRequest['method'], path: string, body: unknown, headers: Headers = {}) => {
    const isBodied = method !== 'GET'
    const answer = await send({
      method,
      path,
      headers: { ...key, ...(isBodied ? { 'content-type': 'application/json' } : {}), ...headers },
      body: isBodied ? JSON.stringify(body) : undefined,
    })
    return { ...answer, body: (answer.body === '' ? undefined : JSON.parse(answer.body)) as Body }
  }
  return {
    get: (path, headers) => call('GET', path, undefined, headers),
    post: (path, body, headers) => call('POST', path, body, headers),
    put: (path, body, headers) => call('PUT', path, body, headers),
    patch: (path, body, headers) => call('PATCH', path, body, headers),
  }
}

/** Carries requests over sockets that are kept open. */
export function overFetch(url: string): Send {
  return async ({ method, path, headers, body }) => {
    const response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  }
}

type Inject = Server['inject']

/** Carries requests to a server without a port. */
export function inMemory(inject: Inject): Send {
  return async ({ method, path, headers, body }) => {
    const payload = body === undefined ? {} : { payload: body }
    const answer = await inject({ method, url: path, headers, ...payload })
    return { status: answer.statusCode, headers: answer.headers as Record<string, string>, body: answer.body }
  }
}

/** The statuses of concurrent requests, in ascending order. */
export function statusesOf(answers: readonly Answer<unknown>[]): number[] {
  return answers.map(({ status }) => status).toSorted((one, other) => one - other)
}

/** The body of an answer that has to have this status. */
export function expectStatus<Body>({ status, body }: Answer<Body>, expected: number): Body {
  assert.equal(status, expected, `answered ${status}: ${JSON.stringify(body)}`)
  return body
}

interface Problem {
  readonly code: string
  readonly title: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** Checks that an answer refuses with this status and code, and that it says what to do. @returns its details. */
export function expectRefusal(answer: Answer<unknown>, status: number, code: string): Problem['details'] {
  const { code: said, title, details } = expectStatus(answer, status) as Problem
  assert.equal(said, code)
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
  assert.match(title, /\w{3,}.*[.]$/, 'a refusal says what happened in a sentence')
  return details
}
