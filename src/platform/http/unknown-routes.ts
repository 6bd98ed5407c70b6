// Tells an address that nobody serves from a method that an address does not know.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'

interface Pattern {
  readonly path: RegExp
  readonly methods: Set<string>
}

/** Refuses, before their body is read, requests that no route takes; call it before the routes are added. */
export function refuseUnknownRoutes(server: FastifyInstance): void {
  const patterns = new Map<string, Pattern>()
  server.addHook('onRoute', ({ url, method }) => {
    const pattern = patterns.get(url) ?? { path: patternOf(url), methods: new Set<string>() }
    for (const each of [method].flat()) pattern.methods.add(each)
    // The preflight route of the CORS plugin takes every address, so it says nothing about any of them.
    if (url !== '*') patterns.set(url, pattern)
  })
  server.addHook('onRequest', (request, _, done) => {
    if (request.is404) throw refusalOf(request, [...patterns.values()])
    // Percent-encoded NUL decodes to what no database keeps.
    if (request.url.includes('%00')) throw new Problem('URL_INVALID')
    done()
  })
  // Never reached, as the hook comes first; without it Fastify would add a handler of its own.
  server.setNotFoundHandler(() => {
    throw new Problem('ROUTE_UNKNOWN')
  })
}

function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w-]/g, String.raw`\$&`)))
  return new RegExp(`^${parts.join('/')}$`)
}

function refusalOf({ url, method }: FastifyRequest, patterns: readonly Pattern[]): Problem {
  const [path = ''] = url.split('?')
  const methods = patterns.filter((pattern) => pattern.path.test(path)).flatMap((pattern) => [...pattern.methods])
  if (methods.length === 0) return new Problem('ROUTE_UNKNOWN')
  const allowed = [...new Set(methods)].toSorted()
  const detail = `${method} is not known here; ${allowed.join(', ')} ${allowed.length > 1 ? 'are' : 'is'}.`
  return new Problem('METHOD_NOT_ALLOWED', { detail, details: { allowed }, headers: { allow: allowed.join(', ') } })
}
