// Who asks, and whether he may: API keys with roles; without keys only this machine is served.
import type { IncomingHttpHeaders } from 'node:http'
import { mayUse, type Role } from '../../kernel/route.ts'
import { findApiKey, type ApiKey } from './api-keys.ts'
import { Problem } from './problem.ts'

export interface Caller {
  readonly principal: string
  readonly role: Role
}

export interface AccessSettings {
  readonly host: string
  readonly apiKeys: readonly ApiKey[]
  readonly corsOrigins: readonly string[]
}

/** Who asks when the server listens on loopback alone and no key is sent. */
const LOCAL: Caller = { principal: 'local', role: 'admin' }

/** Whether only this machine can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/** @throws when others could reach the server and nothing would tell them apart. */
export function requireKeys({ host, apiKeys }: Pick<AccessSettings, 'host' | 'apiKeys'>): void {
  if (apiKeys.length > 0 || isLoopback(host)) return
  throw new Error(
    `The server would listen on ${host} for everybody who can reach it, and there are no API keys. ` +
      'Name them in LONJA_API_KEYS_FILE (a line each: name role sha256-of-key), or listen on 127.0.0.1.',
  )
}

/**
 * Tells who sends a request.
 *
 * @throws {Problem} KEY_MISSING, KEY_UNKNOWN, ORIGIN_FOREIGN
 */
export function createAccess(settings: AccessSettings): (headers: IncomingHttpHeaders) => Caller {
  const isLocal = isLoopback(settings.host)
  return function callerOf(headers) {
    const presented = presentedKey(headers)
    if (presented === undefined) {
      if (!isLocal) throw new Problem('KEY_MISSING')
      requireLocal(headers, settings.corsOrigins)
      return LOCAL
    }
    const key = findApiKey(settings.apiKeys, presented)
    if (key === undefined) throw new Problem('KEY_UNKNOWN')
    return { principal: key.name, role: key.role }
  }
}

/** @throws {Problem} ROLE_MISSING */
export function requireRole({ role }: Caller, asked: Role): void {
  if (mayUse(role, asked)) return
  const detail = `This needs the role ${asked} or a stronger one, and the key has the role ${role}.`
  throw new Problem('ROLE_MISSING', { detail, details: { needed: asked, role } })
}

function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const key = headers['x-api-key']
  return typeof key === 'string' && key !== '' ? key : undefined
}

// A page from anywhere can send requests to this machine from its visitor's browser, also under a name of its own that
// resolves to 127.0.0.1. Browsers always tell both names, so a foreign one is not served as the machine's owner.
function requireLocal({ host, origin }: IncomingHttpHeaders, corsOrigins: readonly string[]): void {
  if (host !== undefined && !isLoopback(host.replace(/:\d*$/, ''))) throw new Problem('ORIGIN_FOREIGN')
  if (origin === undefined || corsOrigins.includes(origin)) return
  const name = URL.canParse(origin) ? new URL(origin).hostname : ''
  if (!isLoopback(name)) throw new Problem('ORIGIN_FOREIGN')
}
