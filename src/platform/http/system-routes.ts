// What machines ask of the process itself: whether it lives, is ready and well, its metrics, and what its codes mean.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Application, PartHealth } from '../application.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { requireRole, type Caller } from './access.ts'
import type { CodeBook } from './codes.ts'
import { Problem } from './problem.ts'

export interface SystemParts {
  readonly application: Application
  readonly metrics: Metrics
  readonly codes: CodeBook
  readonly callerOf: (headers: FastifyRequest['headers']) => Caller
  readonly isClosing: () => boolean
}

/**
 * Serves `/live`, `/ready`, `/health`, `/metrics` and `/problems/:code`. Only the metrics need a key, as they tell how
 * the business goes; of a part's health strangers see the state, not the reason.
 */
export function serveSystemRoutes(server: FastifyInstance, parts: SystemParts): void {
  const { application, metrics, codes, callerOf, isClosing } = parts
  server.get('/live', (_, reply) => reply.send({ status: 'alive' }))
  server.get('/ready', async (_, reply) => {
    const status = isClosing() ? 'stopping' : worstOf(await partsOf(application))
    const isReady = status === 'healthy' || status === 'degraded'
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : status })
  })
  server.get('/health', async ({ headers }, reply) => {
    const known = await partsOf(application)
    const status = worstOf(known)
    const shown = isKnown(callerOf, headers) ? known : known.map(({ part, status: state }) => ({ part, status: state }))
    return reply.code(status === 'unhealthy' ? 503 : 200).send({ status, parts: shown })
  })
  server.get('/metrics', async ({ headers }, reply) => {
    requireRole(callerOf(headers), 'reader')
    return reply.type(metrics.contentType).send(await metrics.text())
  })
  server.get<{ Params: { readonly code: string } }>('/problems/:code', ({ params }, reply) =>
    explain(codes, params.code, reply),
  )
}

// A store that is away may also throw: that is an answer too.
async function partsOf(application: Application): Promise<readonly PartHealth[]> {
  try {
    return await application.health()
  } catch {
    return [{ part: 'application', status: 'unhealthy', detail: 'It could not say how its parts are.' }]
  }
}

function worstOf(parts: readonly PartHealth[]): PartHealth['status'] {
  if (parts.some(({ status }) => status === 'unhealthy')) return 'unhealthy'
  return parts.some(({ status }) => status === 'degraded') ? 'degraded' : 'healthy'
}

function isKnown(callerOf: SystemParts['callerOf'], headers: FastifyRequest['headers']): boolean {
  try {
    return callerOf(headers).role !== undefined
  } catch {
    return false
  }
}

function explain(codes: CodeBook, code: string, reply: FastifyReply): FastifyReply {
  const meanings = codes.all.filter((known) => known.code === code)
  if (meanings.length === 0) throw new Problem('ROUTE_UNKNOWN')
  return reply.send(meanings.map(({ status, title, service = 'lonja' }) => ({ code, status, title, service })))
}
