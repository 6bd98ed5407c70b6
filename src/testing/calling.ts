// Calls a route in memory: its schemas, its handler, the service's command handlers over documents, no server.
import assert from 'node:assert/strict'
import type { AnyRef, Held, Ref } from '../kernel/handler.ts'
import type { Message } from '../kernel/message.ts'
import type { Method, Reader, Reply, Request, Role, Route, StoryEntry } from '../kernel/route.ts'
import type { Service } from '../kernel/service.ts'
import type { Holding } from './handle.ts'
import { TEST_NOW, holding } from './handle.ts'

export interface Call {
  readonly body?: unknown
  readonly query?: Readonly<Record<string, string>>
  readonly role?: Role
  readonly principal?: string
  readonly ifMatch?: string
  /** Whether the caller sent `Prefer: wait`. */
  readonly prefersWait?: boolean
}

/** A SELECT that a route sent, and what it bound. */
export interface Selected {
  readonly sql: string
  readonly values: readonly (string | number | null)[]
}

export interface World {
  readonly documents?: Holding
  /** Answers `read.rows`. */
  readonly rows?: (selected: Selected) => readonly unknown[] | Promise<readonly unknown[]>
  readonly story?: readonly StoryEntry[]
  /** What happens while a route waits. */
  readonly meanwhile?: () => void
}

export interface Calling {
  readonly documents: Holding
  /** What the commands of all calls so far said. */
  readonly said: Message[]
  /**
   * @throws {ZodError} when the request does not fit the route's schemas.
   * @throws {Refusal}
   */
  call(method: Method, path: string, call?: Call): Promise<Reply>
}

/** Opens a service's routes over a world. */
export function calling(service: Service, world: World = {}): Calling {
  const documents = world.documents ?? holding()
  const said: Message[] = []
  let ids = 0
  const newId = () => `00000000-0000-7000-9000-${String((ids += 1)).padStart(12, '0')}`
  return {
    documents,
    said,
    call: async (method, path, call = {}) => {
      const { route, params } = matching(service, method, path)
      const { role = 'admin', principal = 'tester', prefersWait = false } = call
      const submit: Request<unknown, unknown, unknown>['submit'] = async (command, reply) => {
        said.push(...handled(service, documents, command, { role, principal }))
        return throughJson(reply(everything(documents)))
      }
      const wait = async (settled: () => Promise<boolean>) => {
        if (await settled()) return
        world.meanwhile?.()
        await settled()
      }
      const { rules } = route
      return rules.handle({
        params: rules.params?.parse(params) ?? {},
        query: rules.query?.parse(call.query ?? {}) ?? {},
        body: rules.body?.parse(call.body),
        role,
        principal,
        ifMatch: call.ifMatch,
        now: TEST_NOW,
        newId,
        read: readerOf(documents, world),
        submit,
        waitUntil: async (settled) => (prefersWait ? wait(settled) : undefined),
        waitAtMost: async (_, settled) => wait(settled),
      })
    },
  }
}

function handled(
  service: Service,
  documents: Holding,
  command: Message,
  caller: { readonly role: Role; readonly principal: string },
): readonly Message[] {
  const handlers = [...service.aggregates.flatMap(({ handlers }) => handlers), ...service.handlers]
  const handler = handlers.find(({ message }) => message.type === command.type)
  assert.ok(handler !== undefined, `${service.name} has no handler for ${command.type}`)
  return documents.handle(handler, command, caller).said
}

function readerOf(documents: Holding, world: World): Reader {
  return {
    state: async <State>(ref: Ref<State>) => documents.state(ref),
    states: async (refs: readonly AnyRef[]) => refs.map((ref) => documents.state(ref)),
    rows: async <Row>(sql: string, values: Selected['values'] = []) =>
      ((await world.rows?.({ sql, values })) ?? []) as Row[],
    story: async () => world.story ?? [],
  }
}

/** A reply only reads, and only what the command's handler named; which that was, the handler's own tests check. */
function everything(documents: Holding): Held {
  return { get: documents.state, put: () => assert.fail('a reply changes nothing') }
}

function matching(service: Service, method: Method, path: string) {
  for (const route of service.routes) {
    const params = route.method === method ? paramsOf(route, path) : undefined
    if (params !== undefined) return { route, params }
  }
  return assert.fail(`${service.name} has no route ${method} ${path}`)
}

function paramsOf(route: Route, path: string): Readonly<Record<string, string>> | undefined {
  const pattern = route.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')
  const match = new RegExp(`^${pattern}$`).exec(path)
  return match === null ? undefined : (match.groups ?? {})
}

function throughJson(reply: Reply): Reply {
  return JSON.parse(JSON.stringify(reply)) as Reply
}
