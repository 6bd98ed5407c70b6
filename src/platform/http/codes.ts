// The catalogue of what the server itself refuses, and the book in which every code of every service is looked up.
import { moneyCodes } from '../../kernel/money.ts'
import type { CodeMeaning } from '../../kernel/refuse.ts'
import type { Service } from '../../kernel/service.ts'

/** The server's own codes also use statuses that no rule of business has. */
export interface Meaning {
  readonly status: CodeMeaning['status'] | 405 | 408 | 431
  readonly title: string
}

export const platformCodes = {
  URL_INVALID: { status: 400, title: 'The address is not properly percent-encoded UTF-8 text. Encode it again.' },
  PARAMS_INVALID: { status: 400, title: 'A part of the path is not what the route expects. See details.issues.' },
  QUERY_INVALID: { status: 400, title: 'A query parameter is unknown or malformed. See details.issues.' },
  PAGE_CURSOR_INVALID: { status: 400, title: 'The page cursor is none of this list. Start without `after`.' },
  JSON_BROKEN: { status: 400, title: 'The body is no JSON in UTF-8. Correct it and send it again.' },
  REQUEST_BROKEN: { status: 400, title: 'The request broke off or is no HTTP. Send it again.' },
  PREFER_INVALID: { status: 400, title: 'Prefer asks for an impossible wait. Write `Prefer: wait=N`, N from 0 to 30.' },
  IDEMPOTENCY_KEY_INVALID: { status: 400, title: 'An Idempotency-Key has 1 to 200 printable ASCII characters.' },
  KEY_MISSING: {
    status: 401,
    title: 'An API key is needed. Send it as `Authorization: Bearer KEY` or `X-Api-Key: KEY`.',
  },
  KEY_UNKNOWN: { status: 401, title: 'Nobody has this API key. Check it for a typing error, or ask for a new one.' },
  ROLE_MISSING: { status: 403, title: 'The role of this API key may not do this. Use a key with the role in details.' },
  ORIGIN_FOREIGN: {
    status: 403,
    title: 'Without a key only this machine may ask, and the request names another one. Set up API keys.',
  },
  ROUTE_UNKNOWN: { status: 404, title: 'There is nothing at this address. See /docs for all routes.' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The address knows other methods only. See the Allow header.' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive. Send it again.' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is over 1 MB. Send less at once.' },
  CONTENT_TYPE: { status: 415, title: 'The body has to be JSON. Send it with `Content-Type: application/json`.' },
  BODY_INVALID: { status: 422, title: 'The body is not what the route expects. See details.issues.' },
  VALUE_NOT_STORABLE: { status: 422, title: 'A value in the request can not be stored. Correct it and send it again.' },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'This Idempotency-Key was used for another request. Take a new key, or repeat that request unchanged.',
  },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are over 16 KB. Send fewer or shorter ones.' },
  RECORD_TOO_LARGE: { status: 413, title: 'What this leads to is larger than the log takes. Send less at once.' },
  INTERNAL: { status: 500, title: 'Something broke on our side; it is in the log under the request id in `instance`.' },
  OVERLOADED: { status: 503, title: 'Too many requests wait already. Come back after the time in Retry-After.' },
  STORE_UNAVAILABLE: {
    status: 503,
    title: 'The database can not be used now, and nothing was done. Repeat it after the time in Retry-After.',
  },
  OUTCOME_UNKNOWN: {
    status: 503,
    title: 'The database went away while it answered, so this may have been done or not. Repeat it with the same key.',
  },
} as const satisfies Readonly<Record<string, Meaning>>

export type PlatformCode = keyof typeof platformCodes

/** One code as callers meet it; `service` is undefined for the server's own. */
export interface KnownCode extends Meaning {
  readonly code: string
  readonly service: string | undefined
}

export interface CodeBook {
  /** What a code means when it is thrown under a route of the service; undefined when nobody declares it. */
  meaningOf(code: string, service?: string): Meaning | undefined
  readonly all: readonly KnownCode[]
}

/**
 * Gathers the codes of all services, of money and of the server.
 *
 * @throws when two of them answer one code with different statuses, since a code has to mean one thing to a caller.
 */
export function createCodeBook(services: readonly Service[]): CodeBook {
  const all = [
    ...listed(platformCodes, undefined),
    ...listed(moneyCodes, undefined),
    ...services.flatMap(({ name, codes }) => listed(codes, name)),
  ]
  const anywhere = new Map<string, KnownCode>()
  for (const known of all) {
    const first = anywhere.get(known.code) ?? known
    if (first.status !== known.status) throw new Error(clash(first, known))
    anywhere.set(known.code, first)
  }
  const own = new Map(all.map((known) => [`${known.service} ${known.code}`, known]))
  return {
    all,
    meaningOf: (code, service) => own.get(`${service} ${code}`) ?? anywhere.get(code),
  }
}

function listed(codes: Readonly<Record<string, Meaning>>, service: string | undefined): KnownCode[] {
  return Object.entries(codes).map(([code, { status, title }]) => ({ code, status, title, service }))
}

function clash(first: KnownCode, second: KnownCode): string {
  const owner = ({ service = 'the server', status }: KnownCode): string => `${service} (${status})`
  return `${second.code} is declared by ${owner(first)} and ${owner(second)}: give them one status, or two names.`
}
