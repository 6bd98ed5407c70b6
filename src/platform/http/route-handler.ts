// Serves one declared route: checks the request, lets the service answer it, and writes the answer.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Reply, Route } from '../../kernel/route.ts'
import type { Service } from '../../kernel/service.ts'
import type { Application } from '../application.ts'
import type { Caller } from './access.ts'
import { createSubmissions, REPLAYED, type Submissions } from './submissions.ts'
import { idempotencyKeyOf, matchesEtag, waitSecondsOf } from './request-headers.ts'
import { validated, validatedQuery } from './validation.ts'
import type { Waits } from './waits.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

export interface RouteParts {
  readonly application: Application
  readonly service: Service
  readonly route: Route
  readonly waits: Waits
  /** Compares each answer with its declared shape: for tests, since it doubles the work. */
  readonly checkAnswers: boolean
}

type Handle = (request: FastifyRequest, reply: FastifyReply, caller: Caller) => Promise<FastifyReply>

/** @throws when the path and the declared params disagree. */
export function createRouteHandler(parts: RouteParts): Handle {
  const { application, service, route, waits, checkAnswers } = parts
  requireParams(route)
  const read = application.reader(service.name)
  const newId = (): string => application.newId()
  const submissionsOf = createSubmissions(parts)
  return async function answerRequest(raw, reply, caller) {
    const waitSeconds = waitSecondsOf(raw.headers.prefer)
    const submissions = submissionsOf(raw, caller)
    const answer = await route.rules.handle(
      requestOf(route, raw, {
        read,
        caller,
        submissions,
        newId,
        now: application.now(),
        waitAtMost: (limitMs, settled) => waits.until(limitMs, submissions.correlation, settled),
        waitUntil(settled) {
          if (waitSeconds === undefined) return Promise.resolve()
          reply.header('preference-applied', `wait=${waitSeconds}`)
          return waits.until(waitSeconds * 1000, submissions.correlation, settled)
        },
      }),
    )
    if (checkAnswers) requireDeclared(route, answer)
    if (submissions.replayed()) reply.header(REPLAYED, 'true')
    return writeReply(raw, reply, answer)
  }
}

type AnyRequest = Parameters<Route['rules']['handle']>[0]

interface Call extends Pick<AnyRequest, 'read' | 'newId' | 'now' | 'waitUntil' | 'waitAtMost'> {
  readonly caller: Caller
  readonly submissions: Submissions
}

/** @throws {Problem} PARAMS_INVALID, QUERY_INVALID, PAGE_CURSOR_INVALID, BODY_INVALID */
function requestOf({ rules }: Route, raw: FastifyRequest, { caller, submissions, ...rest }: Call): AnyRequest {
  return {
    params: rules.params === undefined ? {} : validated(rules.params, raw.params, 'PARAMS_INVALID'),
    query: rules.query === undefined ? {} : validatedQuery(rules.query, raw.query),
    body: rules.body === undefined ? undefined : validated(rules.body, raw.body, 'BODY_INVALID'),
    principal: caller.principal,
    role: caller.role,
    ifMatch: raw.headers['if-match'],
    idempotencyKey: isRead(raw) ? undefined : idempotencyKeyOf(raw.headers['idempotency-key']),
    submit: submissions.submit,
    ...rest,
  }
}

function writeReply(raw: FastifyRequest, reply: FastifyReply, { status, body, headers }: Reply): FastifyReply {
  if (headers !== undefined) reply.headers(headers)
  const etag = reply.getHeader('etag')
  if (typeof etag === 'string' && isRead(raw) && matchesEtag(raw.headers['if-none-match'], etag)) {
    return reply.code(304).send()
  }
  reply.code(status)
  if (body === undefined) return reply.send()
  if (typeof body === 'string' && reply.hasHeader('content-type')) return reply.send(body)
  return reply.header('content-type', JSON_TYPE).send(JSON.stringify(body))
}

const isRead = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD'

function requireParams({ method, path, rules }: Route): void {
  const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '').toSorted()
  const declared = Object.keys(rules.params?.shape ?? {}).toSorted()
  if (named.join() === declared.join()) return
  throw new Error(
    `${method} ${path} names the params [${named.join()}] and declares [${declared.join()}]: make them one.`,
  )
}

function requireDeclared({ method, path, rules }: Route, { status, body }: Reply): void {
  const schema = rules.answers[status]
  if (schema === undefined) throw new TypeError(`${method} ${path} answers ${status}, which it does not declare.`)
  const result = schema.safeParse(body)
  if (result.success) return
  const issues = result.error.issues.map(({ path: at, message }) => `${at.map(String).join('.')}: ${message}`)
  throw new TypeError(`${method} ${path} answers ${status} in another shape than declared: ${issues.join('; ')}`)
}
