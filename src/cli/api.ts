// The running server as commands see it: JSON over HTTP, sent again where that is safe, its problems as sentences.
import { createHttpClient, type HttpAnswer } from '../platform/http/client.ts'
import type { Settings } from '../platform/settings.ts'
import { CommandError } from './command.ts'

export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
  /** The code of a problem; undefined where it went well. */
  readonly code: string | undefined
  /** The problem in a sentence; undefined where it went well. */
  readonly problem: string | undefined
  /** Whether the answer is that of an earlier request with the same Idempotency-Key. */
  readonly isRepeated: boolean
}

export interface AskOptions {
  /** Makes sending again safe, and the same as sending once. */
  readonly idempotencyKey?: string
  /** How long the server may wait for a final state. */
  readonly waitSeconds?: number
}

export interface Api {
  readonly url: string
  get(path: string, options?: AskOptions): Promise<ApiAnswer>
  post(path: string, body: unknown, options?: AskOptions): Promise<ApiAnswer>
  close(): void
}

export interface ApiOptions {
  readonly url: string
  readonly key?: string | undefined
  readonly connections?: number
}

/** Longer than any wait that the server offers. */
const TIMEOUT_MS = 45_000
/** A server that restarts is back within this many tries: some 13 s. */
const TRIES = 10
const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 3000

/** Where the running server is: `--url`, or the host and port that one would listen on here. */
export function serverOf({ url, key, host, port }: Pick<Settings, 'url' | 'key' | 'host' | 'port'>): ApiOptions {
  if (url !== undefined) return { url, key }
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return { url: `http://${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${port}`, key }
}

/** Asks the running server, and closes the connections whatever happens. */
export async function askServer<Answer>(
  settings: Parameters<typeof serverOf>[0],
  work: (api: Api) => Promise<Answer>,
): Promise<Answer> {
  const api = openApi(serverOf(settings))
  try {
    return await work(api)
  } finally {
    api.close()
  }
}

/** Opens the connection pool; nothing is sent before the first question. */
export function openApi({ url, key, connections = 1 }: ApiOptions): Api {
  const client = createHttpClient({ url, connections, timeoutMs: TIMEOUT_MS })
  const access = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const state = { hasAnswered: false }
  const ask = async (method: string, path: string, { body, ...options }: AskOptions & { body?: unknown }) => {
    const headers = { ...access, ...headersOf(options), ...(body === undefined ? {} : JSON_HEADERS) }
    const text = body === undefined ? {} : { body: JSON.stringify(body) }
    // A GET changes nothing, and a key makes any other request the same as its first one.
    const isSafe = method === 'GET' || options.idempotencyKey !== undefined
    const request = { method, path, headers, ...text }
    const send = async () => {
      const answer = await client.send(request)
      state.hasAnswered = true
      return answer
    }
    // Nobody listens at the very first look: that is a wrong address or no server, and no moment of weakness.
    const isHopeless = (error: Error) => 'code' in error && error.code === 'ECONNREFUSED' && !state.hasAnswered
    return answerOf(await sendPatiently(send, { url, tries: isSafe ? TRIES : 1, isHopeless }))
  }
  return {
    url,
    get: (path, options = {}) => ask('GET', path, options),
    post: (path, body, options = {}) => ask('POST', path, { ...options, body }),
    close: () => client.close(),
  }
}

const JSON_HEADERS = { 'content-type': 'application/json' }

function headersOf({ idempotencyKey, waitSeconds }: AskOptions): Record<string, string> {
  return {
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }),
  }
}

interface Patience {
  readonly url: string
  readonly tries: number
  readonly isHopeless: (error: Error) => boolean
}

/** Overloaded, restarting or gone for a moment: asked again, ever more rarely. */
async function sendPatiently(
  send: () => Promise<HttpAnswer>,
  { url, tries, isHopeless }: Patience,
): Promise<HttpAnswer> {
  for (let left = tries, waitMs = FIRST_RETRY_MS; ; left -= 1, waitMs = Math.min(2 * waitMs, LONGEST_RETRY_MS)) {
    try {
      const answer = await send()
      if (answer.status !== 503 || left <= 1) return answer
    } catch (error) {
      if (left <= 1 || isHopeless(error as Error)) throw unreachable(url, error as Error)
    }
    await new Promise<void>((resolve) => void setTimeout(resolve, waitMs))
  }
}

function unreachable(url: string, error: Error): CommandError {
  const reason = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message
  return new CommandError(
    `No Lonja answers at ${url} (${reason}). Start it with \`lonja serve\`, or name another one with --url.`,
  )
}

interface ProblemBody {
  readonly code?: string
  readonly detail?: string
  readonly title?: string
  readonly details?: { readonly issues?: readonly { readonly path: string; readonly message: string }[] }
}

function answerOf({ status, headers, body: text }: HttpAnswer): ApiAnswer {
  const body = parsed(text)
  const isRepeated = headers['idempotency-replayed'] === 'true'
  if (status < 400) return { status, body, code: undefined, problem: undefined, isRepeated }
  const { code = `HTTP_${status}`, detail, title, details } = Object(body) as ProblemBody
  const issues = (details?.issues ?? []).map(({ path, message }) => `${path}: ${message}`)
  const sentence = [detail ?? title ?? `The server answered ${status}.`, ...issues].join(' ')
  return { status, body, code, problem: sentence, isRepeated }
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

/** The body of an answer that went well. @throws {CommandError} with the server's own sentence. */
export function bodyOf<Body>({ body, problem, code }: ApiAnswer): Body {
  if (problem !== undefined) throw new CommandError(`${problem} (${code})`)
  return body as Body
}
