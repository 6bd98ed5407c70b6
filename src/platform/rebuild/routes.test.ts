// The routes of rebuilds: what they answer is what they declare, and what they refuse has a code.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../kernel/refuse.ts'
import type { Method, Reply, Route } from '../../kernel/route.ts'
import { startToyShop } from '../../testing/toy-shop.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { readAudit } from '../audit/audit.ts'
import type { RebuildStatus } from './rebuild.ts'
import { rebuildCodes, rebuildRoutes } from './routes.ts'

const NAME = 'shop.order_list'
let entries = 0

/** Calls a route, and holds its answer to the shape that it declares. */
async function call(routes: readonly Route[], method: Method, path: string, name = NAME): Promise<Reply> {
  const route = routes.find((one) => one.method === method && one.path === path)
  assert.ok(route !== undefined, `there is no ${method} ${path}`)
  assert.equal(route.rules.role, 'operator')
  const params = route.rules.params?.parse({ name }) ?? {}
  const asked = { params, principal: 'olga', role: 'operator', newId: () => `entry ${(entries += 1)}` }
  const reply = await route.rules.handle(asked as unknown as Parameters<Route['rules']['handle']>[0])
  const shape = route.rules.answers[reply.status]
  assert.ok(shape !== undefined, `${method} ${path} does not declare ${reply.status}`)
  assert.deepEqual(shape.parse(JSON.parse(JSON.stringify(reply.body))), JSON.parse(JSON.stringify(reply.body)))
  return reply
}

const refuses = (code: keyof typeof rebuildCodes) => (error: unknown) => error instanceof Refusal && error.code === code

test('a rebuild is started, looked at, listed, and can not be ended twice', async () => {
  const shop = await startToyShop()
  const routes = rebuildRoutes(shop.lonja.rebuilds)
  await shop.place('a', 1)
  await shop.lonja.settled()
  const started = await call(routes, 'POST', '/v1/ops/projections/:name/rebuild', 'order_list')
  assert.equal(started.status, 202)
  assert.deepEqual(started.headers, { location: `/v1/ops/projections/${NAME}/rebuild` })
  const look = async () => (await call(routes, 'GET', '/v1/ops/projections/:name/rebuild')).body as RebuildStatus
  const ended = await waitFor(
    async () => {
      const status = await look()
      return status.phase === 'done' ? status : undefined
    },
    { withinMs: 10_000 },
  )
  assert.deepEqual(ended.report, { comparedRows: 1, differences: 0, named: [] })
  const { body } = await call(routes, 'GET', '/v1/ops/projections')
  assert.deepEqual(
    (body as { readonly items: readonly RebuildStatus[] }).items.map(({ service, projection, live }) => {
      return [service, projection, live]
    }),
    [['shop', 'order_list', 2]],
  )
  const audited = await readAudit(shop.store, { limit: 10 })
  assert.deepEqual(
    audited.map(({ principal, action, target }) => [principal, action, target]),
    [['olga', 'projection.rebuild', NAME]],
  )
  const abort = '/v1/ops/projections/:name/rebuild/abort'
  await assert.rejects(call(routes, 'POST', abort), refuses('REBUILD_NOT_RUNNING'))
  await shop.stop()
})

test('a projection that nobody has, and a name that is none, are refused', async () => {
  const shop = await startToyShop()
  const routes = rebuildRoutes(shop.lonja.rebuilds)
  for (const { method, path } of routes.filter((route) => route.rules.params !== undefined)) {
    await assert.rejects(call(routes, method, path, 'shop.nothing'), refuses('PROJECTION_NOT_FOUND'))
    await assert.rejects(call(routes, method, path, '../shop'), { name: 'ZodError' })
  }
  await shop.stop()
})
