// Asks a shipped route of a node, as the HTTP server would after it has checked the request.
import type { Reply, Request, Route } from '../../src/kernel/route.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import type { Asked } from './requests.ts'

export interface Question extends Asked {
  readonly principal: string
  /** Under it a repeated question gets the same answer. */
  readonly scope: string | undefined
}

/** @throws whatever the route refuses with, or the fault of the node. */
export async function ask(lonja: Lonja, question: Question): Promise<Reply> {
  const { service, method, path, principal, role, scope, params, body } = question
  const request: Request<unknown, unknown, unknown> = {
    params,
    query: {},
    body,
    role,
    principal,
    now: lonja.now(),
    newId: () => lonja.newId(),
    read: lonja.reader(service),
    submit: (command, reply) => {
      return lonja.submit({
        service,
        command,
        reply,
        principal,
        role,
        scope,
        bodyHash: principal,
        traceparent: undefined,
      })
    },
    waitUntil: async () => undefined,
    waitAtMost: async () => undefined,
  }
  return routeOf(lonja, service, `${method} ${path}`).rules.handle(request as Parameters<Route['rules']['handle']>[0])
}

const routes = new Map<string, Route>()

function routeOf(lonja: Lonja, service: string, name: string): Route {
  const known = routes.get(name)
  if (known !== undefined) return known
  const declared = lonja.services.find((each) => each.name === service)?.routes ?? []
  const route = declared.find(({ method, path }) => `${method} ${path}` === name)
  if (route === undefined) throw new Error(`${service} has no route ${name}.`)
  routes.set(name, route)
  return route
}
