// Every answer that is not a success, as application/problem+json (RFC 9457): by code, without a stack.
import { Refusal } from '../../kernel/refuse.ts'
import { Overloaded, RecordTooLarge } from '../application.ts'
import { BadData, CommitUnknown, StoreUnavailable } from '../ports.ts'
import type { CodeBook, Meaning, PlatformCode } from './codes.ts'
import { platformCodes } from './codes.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'
const MAX_DETAIL_LENGTH = 500

export interface Issue {
  readonly path: string
  readonly message: string
}

export type ProblemDetails = Readonly<Record<string, string | number | boolean | readonly string[] | readonly Issue[]>>

interface ProblemOptions {
  /** One sentence about this very request; the code's title where there is nothing to add. */
  readonly detail?: string
  readonly details?: ProblemDetails
  readonly headers?: Readonly<Record<string, string>>
}

/** What the server itself refuses. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: PlatformCode
  readonly options: ProblemOptions

  constructor(code: PlatformCode, options: ProblemOptions = {}) {
    super(code)
    this.code = code
    this.options = options
  }
}

export interface ProblemAnswer {
  readonly code: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Headers that come with a code whatever the reason. */
const HEADERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  STORE_UNAVAILABLE: { 'retry-after': '2' },
  OUTCOME_UNKNOWN: { 'retry-after': '2' },
  OVERLOADED: { 'retry-after': '1' },
  KEY_MISSING: { 'www-authenticate': 'Bearer realm="lonja"' },
  KEY_UNKNOWN: { 'www-authenticate': 'Bearer realm="lonja", error="invalid_token"' },
}

/** What Fastify refuses before we see the request; all its other errors are faults of ours. */
const FASTIFY_CODES: Readonly<Record<string, PlatformCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CONTENT_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'REQUEST_BROKEN',
  FST_ERR_BAD_URL: 'URL_INVALID',
  FST_ERR_MAX_PARAM_LENGTH: 'URL_INVALID',
}

/** Where an error came up. */
export interface Occurrence {
  readonly requestId: string
  readonly service?: string | undefined
}

/** Turns whatever was thrown into an answer; what nobody declared is a fault, told as INTERNAL and nothing else. */
export function answerFor(error: unknown, codes: CodeBook, { requestId, service }: Occurrence): ProblemAnswer {
  const refused = error instanceof Refusal ? codes.meaningOf(error.code, service) : undefined
  if (error instanceof Refusal && refused !== undefined) {
    return write(error.code, refused, requestId, { details: error.details, ...sentenceOf(error, refused) })
  }
  const problem = error instanceof Problem ? error : new Problem(codeOf(error))
  return write(problem.code, platformCodes[problem.code], requestId, problem.options)
}

function codeOf(error: unknown): PlatformCode {
  if (error instanceof StoreUnavailable) return 'STORE_UNAVAILABLE'
  if (error instanceof RecordTooLarge) return 'RECORD_TOO_LARGE'
  if (error instanceof CommitUnknown) return 'OUTCOME_UNKNOWN'
  if (error instanceof Overloaded) return 'OVERLOADED'
  if (error instanceof BadData) return 'VALUE_NOT_STORABLE'
  const { code } = Object(error) as { readonly code?: unknown }
  return (typeof code === 'string' ? FASTIFY_CODES[code] : undefined) ?? 'INTERNAL'
}

// The facts of a refusal make its sentence specific: "… (sku TEA-1, available 3)".
function sentenceOf({ details }: Refusal, { title }: Meaning): { readonly detail?: string } {
  const facts = Object.entries(details).map(([name, value]) => `${name} ${String(value)}`)
  return facts.length === 0 ? {} : { detail: `${title} (${facts.join(', ')})` }
}

function write(code: string, { status, title }: Meaning, instance: string, options: ProblemOptions): ProblemAnswer {
  const { detail = title, details, headers } = options
  const facts = details === undefined || Object.keys(details).length === 0 ? undefined : details
  const body = { type: `/problems/${code}`, title, status, detail: shortened(detail), code, details: facts, instance }
  return { code, status, headers: { ...HEADERS[code], ...headers }, body: JSON.stringify(body) }
}

function shortened(text: string): string {
  return text.length > MAX_DETAIL_LENGTH ? `${text.slice(0, MAX_DETAIL_LENGTH)}…` : text
}
