// For the tests of this folder: an application in memory with one service, whose routes show every way of answering.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { on, type Held } from '../../kernel/handler.ts'
import { contract, personal } from '../../kernel/message.ts'
import { refuse, Refusal, type CodeTable } from '../../kernel/refuse.ts'
import { get, patch, post, put, type Reader, type Reply, type Role, type Route } from '../../kernel/route.ts'
import { service, type Service } from '../../kernel/service.ts'
import { currency, id, quantity, text } from '../../kernel/shapes.ts'
import { toMinor } from '../../kernel/money.ts'
import type { Application, PartHealth, Submission } from '../application.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import type { ApiKey } from './api-keys.ts'
import { createServer, type Server, type ServerSettings } from './server.ts'

const things = contract('things')
const MakeThing = things.command('MakeThing', { key: 'thingId', body: { thingId: id } })

export const thingsCodes = {
  THING_UNKNOWN: { status: 404, title: 'No thing has this id. Check it.' },
  THING_FINAL: { status: 409, title: 'The thing can not change any more. Read it again.' },
} as const satisfies CodeTable

const thing = z.object({ id, state: z.string() }).meta({ id: 'Thing' })
const makeThing = z.object({
  clientId: id,
  email: personal(z.email()).optional(),
  name: personal(text(50)).optional(),
  note: z.string().optional(),
  price: z.union([z.string(), z.number()]).optional(),
  currency: currency.optional(),
  items: z.array(z.object({ quantity })).max(500).optional(),
})
const path = z.object({ thingId: id })
const cursor = z.string().regex(/^c[0-9]+$/, 'is no cursor')
const page = z.object({ after: cursor.optional(), limit: z.coerce.number().int().min(1).max(500).default(50) })

/** What the fake knows of a thing: `open` until it was looked at so many times. */
export const looks = { untilSettled: 0 }

const routes: readonly Route[] = [
  get('/v1/things/:thingId', {
    summary: 'Reads a thing.',
    role: 'reader',
    params: path,
    answers: { 200: thing },
    codes: ['THING_UNKNOWN'],
    handle: async ({ params: { thingId } }) => {
      refuse(thingId.endsWith('404'), 'THING_UNKNOWN', { thingId })
      return { status: 200, headers: { etag: '"7"' }, body: { id: thingId, state: 'made' } }
    },
  }),
  get('/v1/things', {
    summary: 'Lists things.',
    role: 'reader',
    query: page,
    answers: { 200: z.object({ limit: z.int(), things: z.array(thing) }) },
    handle: async ({ query }) => ({ status: 200, body: { limit: query.limit, things: [] } }),
  }),
  post('/v1/things', {
    summary: 'Makes a thing.',
    role: 'clerk',
    body: makeThing,
    answers: { 201: z.object({ id, state: z.string(), by: z.string() }) },
    codes: ['THING_FINAL', 'AMOUNT_MALFORMED'],
    handle: async ({ body, submit, newId, principal, waitUntil }) => {
      if (body.price !== undefined) toMinor(body.price, body.currency ?? 'EUR')
      const thingId = newId()
      const headers = { location: `/v1/things/${thingId}` }
      const reply = await submit(MakeThing({ thingId }), () => ({
        status: 201,
        headers,
        body: { id: thingId, state: 'open', by: principal },
      }))
      await waitUntil(async () => (looks.untilSettled -= 1) <= 0)
      return reply
    },
  }),
  post('/v1/imports', {
    summary: 'Imports things.',
    role: 'importer',
    answers: { 202: z.void() },
    handle: async ({ submit, newId }) => submit(MakeThing({ thingId: newId() }), () => ({ status: 202 })),
  }),
  patch('/v1/things/:thingId', {
    summary: 'Changes a thing, by two commands.',
    role: 'operator',
    params: path,
    body: z.object({ state: z.enum(['made', 'gone']) }),
    answers: { 200: z.array(z.string()) },
    codes: ['THING_FINAL'],
    handle: async ({ params, submit, body }) => {
      refuse(body.state === 'gone', 'THING_FINAL')
      const first = await submit(MakeThing(params), () => ({ status: 200, body: 'one' }))
      const second = await submit(MakeThing(params), () => ({ status: 200, body: 'two' }))
      return { status: 200, headers: { etag: '"8"' }, body: [first.body, second.body] }
    },
  }),
  put('/v1/things/:thingId', {
    summary: 'Waits for a thing.',
    role: 'admin',
    params: path,
    answers: { 204: z.undefined() },
    handle: async ({ waitAtMost }) => {
      await waitAtMost(1000, async () => (looks.untilSettled -= 1) <= 0)
      return { status: 204 }
    },
  }),
]

/** A held that knows nothing: every document is as its kind begins. */
const nothingHeld: Held = { get: (ref) => ref.kind.initial(), put: () => undefined }

export class FakeApplication implements Application {
  readonly services: readonly Service[]
  /** Each submission as it came. */
  readonly submitted: Submission[] = []
  /** What each wait was about, and how long it might take. */
  readonly waits: (readonly [string, number])[] = []
  parts: PartHealth[] = [{ part: 'store', status: 'healthy', detail: 'answers' }]
  /** What every submission throws, if anything. */
  fault: Error | undefined
  time = 1_700_000_000_000
  readonly #answers = new Map<string, { readonly bodyHash: string; readonly reply: Promise<Reply> }>()

  constructor(own: readonly Route[] = routes) {
    const handlers = [on(MakeThing, { says: [], handle: () => undefined })]
    const rules = { contract: things, codes: thingsCodes, publishes: [], handlers, routes: own }
    this.services = [service({ name: 'things', summary: 'Things, to try the server on.', ...rules })]
  }

  now(): number {
    return this.time
  }

  newId(): string {
    return '018f3b1e-0000-7000-8000-' + String(this.submitted.length + 1).padStart(12, '0')
  }

  async submit(submission: Submission): Promise<Reply> {
    if (this.fault !== undefined) throw this.fault
    const { scope, bodyHash, reply } = submission
    const known = scope === undefined ? undefined : this.#answers.get(scope)
    if (known !== undefined && known.bodyHash !== bodyHash) throw new Refusal('IDEMPOTENCY_KEY_REUSED')
    if (known !== undefined) return replayed(await known.reply)
    this.submitted.push(submission)
    const answer = Promise.resolve(reply(nothingHeld))
    if (scope !== undefined) this.#answers.set(scope, { bodyHash, reply: answer })
    return answer
  }

  reader(): Reader {
    const none = (): Promise<never> => Promise.reject(new Error('The fake keeps nothing.'))
    return { state: none, states: none, rows: none, story: none }
  }

  async changed(correlation: string, limitMs: number): Promise<void> {
    this.waits.push([correlation, limitMs])
    this.time += limitMs
  }

  async health(): Promise<readonly PartHealth[]> {
    return this.parts
  }

  async lags() {
    return []
  }
}

const replayed = (reply: Reply): Reply => ({ ...reply, headers: { ...reply.headers, 'idempotency-replayed': 'true' } })

export interface TestServer {
  readonly application: FakeApplication
  readonly server: Server
  readonly inject: Server['inject']
  /** The lines of the log. */
  readonly lines: string[]
}

/** A server over the fake, on this machine and without keys unless told otherwise. */
export async function testServer(settings: Partial<ServerSettings> = {}, own?: readonly Route[]): Promise<TestServer> {
  const application = new FakeApplication(own)
  const lines: string[] = []
  const log = createLogger({ level: 'debug', format: 'json', destination: { write: (line) => void lines.push(line) } })
  const server = await createServer({
    application,
    telemetry: { log, metrics: createMetrics() },
    settings: {
      host: '127.0.0.1',
      port: 0,
      apiKeys: [],
      corsOrigins: [],
      stopLimitMs: 500,
      checkAnswers: true,
      ...settings,
    },
  })
  return { application, server, inject: server.inject, lines }
}

/** A key whose text is the name of its owner. */
export function keyFor(name: string, role: Role): ApiKey {
  return { name, role, hash: createHash('sha256').update(name).digest() }
}
