// Hands a route's commands to the application, each under a scope that makes its repetition give the same answer.
import { hash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Held } from '../../kernel/handler.ts'
import type { Message, MessageInfo } from '../../kernel/message.ts'
import { keyOf } from '../../kernel/message.ts'
import type { Deed, Reply, Route } from '../../kernel/route.ts'
import type { Service } from '../../kernel/service.ts'
import type { Application } from '../application.ts'
import type { Caller } from './access.ts'
import { canonicalJson } from './json-body.ts'
import { idempotencyKeyOf, traceparentOf } from './request-headers.ts'

export interface Submissions {
  submit(command: Message, reply: (held: Held) => Reply, deed?: Deed): Promise<Reply>
  /** What the caller's last command was about; the first part of the path before he sent one. */
  correlation(): string
  /** Whether an answer came from an earlier run of the same request. */
  replayed(): boolean
}

export interface SubmissionRules {
  readonly application: Application
  readonly service: Service
  readonly route: Route
}

/** An application may tell so by this header on a stored reply. */
export const REPLAYED = 'idempotency-replayed'

const REPEATABLE = new Set(['POST', 'PUT', 'PATCH'])

/** Prepares the submissions of a route: what is the same for all of its requests. */
export function createSubmissions({ application, service, route }: SubmissionRules) {
  const commands = commandsOf(service)
  const isRepeatable = REPEATABLE.has(route.method)

  /** @throws {Problem} IDEMPOTENCY_KEY_INVALID */
  return function submissionsOf(request: FastifyRequest, caller: Caller): Submissions {
    const { headers } = request
    const key = isRepeatable ? idempotencyKeyOf(headers['idempotency-key']) : undefined
    // The key comes last, since it alone may hold blanks.
    const scope = key === undefined ? undefined : `${caller.principal} ${route.method} ${route.path} ${key}`
    const bodyHash = key === undefined ? '' : hashOf(request)
    let count = 0
    let correlation: string | undefined
    let replayed = false
    return {
      async submit(command, reply, deed) {
        count += 1
        correlation = correlationOf(commands, command)
        const answer = await application.submit({
          service: service.name,
          command,
          reply,
          principal: caller.principal,
          role: caller.role,
          bodyHash,
          scope: scope === undefined ? undefined : `${scope}#${count}`,
          traceparent: traceparentOf(headers['traceparent']),
          deed,
        })
        replayed ||= answer.headers?.[REPLAYED] === 'true'
        return answer
      },
      correlation: () => correlation ?? String(Object.values(request.params as object)[0] ?? ''),
      replayed: () => replayed,
    }
  }
}

// The address as sent is part of it: one key on two orders is a mistake, not a repetition.
function hashOf({ method, url, body }: FastifyRequest): string {
  return hash('sha256', `${method} ${url}\n${canonicalJson(body)}`)
}

function commandsOf({ handlers, aggregates }: Service): ReadonlyMap<string, MessageInfo> {
  const all = [...handlers, ...aggregates.flatMap((aggregate) => aggregate.handlers)]
  return new Map(all.map(({ message }) => [message.type, message]))
}

// A chain that begins with a command is called by the command's key.
function correlationOf(commands: ReadonlyMap<string, MessageInfo>, { type, data }: Message): string | undefined {
  const info = commands.get(type)
  return info === undefined ? undefined : keyOf(info, data)
}
