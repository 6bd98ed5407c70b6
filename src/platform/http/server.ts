// The HTTP server: one Fastify instance over the routes that the services declare.
import cors from '@fastify/cors'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import metadata from '../../../package.json' with { type: 'json' }
import type { Application } from '../application.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RequestSpan, Tracing } from '../telemetry/tracing.ts'
import { createAccess, requireKeys, requireRole, type AccessSettings, type Caller } from './access.ts'
import { answerBrokenRequest } from './broken-request.ts'
import { createCodeBook, type CodeBook } from './codes.ts'
import { serveDocs } from './docs.ts'
import { parseJsonBody } from './json-body.ts'
import { listenOn } from './listening.ts'
import { openApiDocument } from './openapi.ts'
import { answerFor, Problem, PROBLEM_TYPE } from './problem.ts'
import { requestIdOf, traceparentOf } from './request-headers.ts'
import { createRouteHandler } from './route-handler.ts'
import { serveSystemRoutes } from './system-routes.ts'
import { refuseUnknownRoutes } from './unknown-routes.ts'
import { createWaits } from './waits.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set before the body is read, on the services' routes only. */
    caller: Caller | undefined
    /** Only where requests are traced. */
    span: RequestSpan | undefined
  }
  interface FastifyContextConfig {
    readonly service?: string
  }
}

export interface ServerSettings extends AccessSettings {
  /** 0 takes any free port. */
  readonly port: number
  /** How long requests may still run after `close()`. */
  readonly stopLimitMs: number
  /** A process without the role `api` serves its health and metrics only; the default is to serve everything. */
  readonly servesApi?: boolean
  /** Holds each answer to its declared shape: for tests, since it doubles the work. */
  readonly checkAnswers?: boolean
}

export interface Telemetry {
  readonly log: Logger
  readonly metrics: Metrics
  readonly tracing?: Tracing | undefined
}

export interface ServerParts {
  readonly application: Application
  readonly settings: ServerSettings
  readonly telemetry: Telemetry
}

export interface Server {
  /** Resolves with the address, such as `http://127.0.0.1:8080`. @throws with a sentence when it can't listen. */
  listen(): Promise<string>
  /** Accepts nothing new, answers what runs (waits end at once), and cuts off what is not done within the limit. */
  close(): Promise<void>
  /** Sends a request without a port, for tests. */
  readonly inject: FastifyInstance['inject']
}

const BODY_LIMIT_BYTES = 1024 * 1024
const RECEIVE_LIMIT_MS = 30_000
/** Longer than any id or SKU, so that the route itself says what is wrong with a longer one. */
const MAX_PARAM_LENGTH = 500

/**
 * Builds the server; `listen()` opens it.
 *
 * @throws when others could reach it and there are no API keys, or when the services' declarations don't fit.
 */
export async function createServer(parts: ServerParts): Promise<Server> {
  const { application, settings } = parts
  requireKeys(settings)
  const codes = createCodeBook(application.services)
  const waits = createWaits(application)
  const server = openInstance(parts, codes)
  let isClosing = false
  if (settings.corsOrigins.length > 0) await server.register(cors, corsOptions(settings.corsOrigins))
  refuseUnknownRoutes(server)
  const callerOf = createAccess(settings)
  serveSystemRoutes(server, { ...parts.telemetry, application, codes, callerOf, isClosing: () => isClosing })
  if (settings.servesApi !== false) serveServices({ ...parts, server, codes, callerOf, waits })
  await server.ready()
  return {
    inject: server.inject.bind(server),
    listen: () => listenOn(server, settings),
    async close() {
      isClosing = true
      waits.end()
      const cutOff = setTimeout(() => server.server.closeAllConnections(), settings.stopLimitMs)
      await server.close().finally(() => clearTimeout(cutOff))
    },
  }
}

function openInstance({ application, telemetry }: ServerParts, codes: CodeBook): FastifyInstance {
  const sendProblem = createSendProblem(codes, telemetry.log)
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: RECEIVE_LIMIT_MS,
    // Whoever comes on an open connection while we stop is still answered, and told to close it.
    return503OnClosing: false,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id']) ?? application.newId(),
    frameworkErrors: sendProblem,
    clientErrorHandler: answerBrokenRequest,
  })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    done(null, parseJsonBody(body as Buffer))
  })
  server.setErrorHandler(sendProblem)
  server.decorateRequest('caller', undefined)
  server.decorateRequest('span', undefined)
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  if (telemetry.tracing !== undefined) server.addHook('onRequest', createTracer(telemetry.tracing))
  server.addHook('onResponse', createAccount(telemetry))
  return server
}

type SendProblem = (error: Error, request: FastifyRequest, reply: FastifyReply) => void

function createSendProblem(codes: CodeBook, log: Logger): SendProblem {
  return function sendProblem(thrown, request, reply) {
    // A body that stops halfway is nobody's fault here; whoever sent it is gone.
    const isBrokenOff = request.raw.destroyed && !request.raw.complete
    const error = isBrokenOff ? new Problem('REQUEST_BROKEN') : thrown
    const { service } = request.routeOptions.config
    const answer = answerFor(error, codes, { requestId: request.id, service })
    if (answer.code === 'INTERNAL') {
      const { method, id: requestId } = request
      log.error('A request ended with a fault.', { requestId, method, route: request.routeOptions.url, service, error })
    }
    void reply
      .code(answer.status)
      .headers({ 'x-request-id': request.id, ...answer.headers, 'content-type': PROBLEM_TYPE })
      .send(answer.body)
  }
}

/** The records that a request leads to hang under its own span, and no longer directly under the caller's. */
function createTracer(tracing: Tracing) {
  return function trace(request: FastifyRequest, _: FastifyReply, done: () => void): void {
    if (request.routeOptions.config.service !== undefined) {
      request.span = tracing.begin(request.method, traceparentOf(request.headers['traceparent']))
      request.headers['traceparent'] = request.span.traceparent
    }
    done()
  }
}

function createAccount({ log, metrics }: Telemetry) {
  return function account(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const { method } = request
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown')
    const status = reply.statusCode
    request.span?.end(route, status)
    metrics.httpAnswered(request.is404 ? 'ANY' : method, route, status, reply.elapsedTime / 1000)
    if (log.writes('debug')) {
      const fields = { requestId: request.id, method, route, status, durationMs: Math.round(reply.elapsedTime) }
      log.debug('A request was answered.', { ...fields, principal: request.caller?.principal })
    }
    done()
  }
}

interface ServiceParts extends ServerParts {
  readonly server: FastifyInstance
  readonly codes: CodeBook
  readonly callerOf: (headers: FastifyRequest['headers']) => Caller
  readonly waits: ReturnType<typeof createWaits>
}

function serveServices({ application, settings, server, codes, callerOf, waits }: ServiceParts): void {
  const { services } = application
  const checkAnswers = settings.checkAnswers === true
  // Made once here as well, so that a wrong declaration fails at the start and not at the first look at /docs.
  openApiDocument({ services, codes, version: metadata.version })
  for (const service of services) {
    for (const route of service.routes) {
      const answer = createRouteHandler({ application, service, route, waits, checkAnswers })
      server.route({
        method: route.method,
        url: route.path,
        config: { service: service.name },
        // Before the body is read: strangers should not be able to make us read it.
        onRequest(request, _, done) {
          const caller = callerOf(request.headers)
          requireRole(caller, route.rules.role)
          request.caller = caller
          done()
        },
        handler: (request, reply) => answer(request, reply, request.caller as Caller),
      })
    }
  }
  serveDocs(server, () => openApiDocument({ services, codes, version: metadata.version }))
}

const EXPOSED = [
  'location',
  'etag',
  'x-request-id',
  'retry-after',
  'preference-applied',
  'idempotency-replayed',
  'allow',
]

function corsOptions(origins: readonly string[]) {
  return {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: 600,
    strictPreflight: false,
  }
}
