// The headers that steer a request besides its key: Idempotency-Key, Prefer, X-Request-Id, traceparent, If-None-Match.
import { Problem } from './problem.ts'

const MAX_WAIT_SECONDS = 30
const MAX_IDEMPOTENCY_KEY_LENGTH = 200

type HeaderValue = string | readonly string[] | undefined

/**
 * @throws {Problem} IDEMPOTENCY_KEY_INVALID
 */
export function idempotencyKeyOf(header: HeaderValue): string | undefined {
  if (header === undefined) return undefined
  if (typeof header === 'string' && header.length <= MAX_IDEMPOTENCY_KEY_LENGTH && /^[\x20-\x7e]+$/.test(header)) {
    return header
  }
  throw new Problem('IDEMPOTENCY_KEY_INVALID')
}

/**
 * The seconds that a caller would wait for the final state (RFC 7240, 4.3); preferences that we don't know are his.
 *
 * @throws {Problem} PREFER_INVALID
 */
export function waitSecondsOf(header: HeaderValue): number | undefined {
  if (header === undefined) return undefined
  const preferences = String(header).split(/[,;]/)
  const wait = preferences.map((preference) => preference.trim()).find((preference) => /^wait\b/i.test(preference))
  if (wait === undefined) return undefined
  const seconds = /^wait\s*=\s*"?(\d{1,4})"?$/i.exec(wait)?.[1]
  if (seconds === undefined || Number(seconds) > MAX_WAIT_SECONDS) throw new Problem('PREFER_INVALID')
  return Number(seconds)
}

/** The caller's own request id, if it is one that can be logged as it is. */
export function requestIdOf(header: HeaderValue): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9._:/+=-]{1,128}$/.test(header) ? header : undefined
}

/**
 * The caller's traceparent (W3C Trace Context). None is made for callers who trace nothing: each of an order's fifteen
 * records would carry it, a kilobyte an order, and the correlation ties them together already.
 */
export function traceparentOf(header: HeaderValue): string | undefined {
  return typeof header === 'string' && isTraceparent(header) ? header : undefined
}

function isTraceparent(header: string): boolean {
  if (!/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header)) return false
  return !header.startsWith('ff') && !header.includes(`-${'0'.repeat(32)}-`) && !header.includes(`-${'0'.repeat(16)}-`)
}

/** Whether the caller has this version already (RFC 9110, 13.1.2: weak comparison). */
export function matchesEtag(header: HeaderValue, etag: string): boolean {
  if (header === undefined) return false
  const opaque = etag.replace(/^W\//, '')
  const known = String(header).split(',')
  return known.some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === opaque)
}
