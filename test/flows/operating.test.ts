// An operator's calls about groups and the audit, over HTTP: who may, what they answer, what /health says meanwhile.
import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { operationCodes, operationsOf } from '../../src/platform/operations/service.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Page } from '../../src/testing/shop-helpers.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

interface GroupView {
  readonly group: string
  readonly lag: number
  readonly states: Readonly<Record<string, number>>
  readonly pauses: readonly { readonly by: string; readonly reason: string }[]
  readonly partitions: readonly { readonly state: string; readonly detail: string; readonly owner: string }[]
}

interface EntryView {
  readonly principal: string
  readonly action: string
  readonly target: string
  readonly reason?: string
}

const BODY = { reason: 'the mail server moves' }

async function groupOf(shop: Shop, name: string): Promise<GroupView> {
  return expectStatus(await shop.as('operator').get<GroupView>(`/v1/ops/groups/${name}`), 200)
}

suite('a group that is paused over HTTP', () => {
  test(
    'shows by whom and why, makes /health degraded, holds up nothing else, and catches up',
    inShop(async (shop) => {
      const operator = shop.as('operator')
      const paused = expectStatus(
        await operator.post<{ readonly paused: readonly string[] }>('/v1/ops/groups/notifications/pause', BODY),
        200,
      )
      assert.deepEqual(paused.paused, ['the whole group'])
      await shop.product()
      const { orderId } = await shop.placeOrder()
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.deepEqual(shop.mails(), [])
      const { pauses, states, lag, partitions } = await groupOf(shop, 'notifications')
      assert.deepEqual(
        pauses.map(({ by, reason }) => [by, reason]),
        [['operator', BODY.reason]],
      )
      assert.ok(lag > 0 && states['running'] === 0, `lag ${lag}`)
      assert.match(
        partitions[0]?.detail ?? '',
        /^the whole group is paused by operator since .*: the mail server moves$/,
      )
      const health = expectStatus(
        await operator.get<{ readonly status: string; readonly parts: readonly { part: string; detail: string }[] }>(
          '/health',
        ),
        200,
      )
      assert.equal(health.status, 'degraded')
      const part = health.parts.find((one) => one.part === 'group notifications')
      assert.match(part?.detail ?? '', /paused by operator since .*: the mail server moves/)
      expectStatus(await operator.post('/v1/ops/groups/notifications/resume', BODY), 200)
      await shop.idle()
      assert.equal((await shop.notificationsOf(orderId)).length, 1)
      assert.equal((await groupOf(shop, 'notifications')).lag, 0)
    }),
  )

  test(
    'is refused where there is no such group, topic or partition, or nothing to resume',
    inShop(async (shop) => {
      const operator = shop.as('operator')
      const post = (path: string, body: object) => operator.post(`/v1/ops/groups/${path}`, body)
      expectRefusal(await post('nobody/pause', BODY), 404, 'GROUP_NOT_FOUND')
      expectRefusal(await operator.get('/v1/ops/groups/nobody'), 404, 'GROUP_NOT_FOUND')
      expectRefusal(await post('orders/pause', { ...BODY, partition: 6 }), 404, 'GROUP_PART_NOT_FOUND')
      expectRefusal(await post('orders/pause', { ...BODY, topic: 'nothing.events' }), 404, 'GROUP_PART_NOT_FOUND')
      expectRefusal(await post('orders/resume', BODY), 409, 'GROUP_NOT_PAUSED')
      expectRefusal(await post('orders/pause', {}), 422, 'BODY_INVALID')
    }),
  )
})

suite('the audit', () => {
  const own = openSqlite({ path: ':memory:' })
  after(() => own.close())

  test(
    'lists what people did in every database, in the order of time, page by page and filtered',
    inShop(
      async (shop) => {
        const operator = shop.as('operator')
        for (const group of ['orders', 'payments', 'orders']) {
          const path = `/v1/ops/groups/${group}`
          expectStatus(await operator.post(`${path}/pause`, BODY), 200)
          expectStatus(await shop.as('admin').post(`${path}/resume`, BODY), 200)
          await shop.advance(1000)
        }
        const list = async (query: string) =>
          expectStatus(await operator.get<Page<EntryView>>(`/v1/ops/audit?${query}`), 200)
        const told = ({ principal, action, target }: EntryView) => `${principal} ${action} ${target}`
        const all = (await list('')).items.map(told)
        assert.deepEqual(
          all,
          ['orders', 'payments', 'orders'].flatMap((group) => [
            `operator group.pause ${group}`,
            `admin group.resume ${group}`,
          ]),
        )
        const pages: string[] = []
        for (let after: string | null = ''; after !== null;) {
          const page: Page<EntryView> = await list(`limit=2${after === '' ? '' : `&after=${after}`}`)
          pages.push(...page.items.map(told))
          after = page.next
        }
        assert.deepEqual(pages, all)
        assert.equal((await list('target=payments')).items.length, 2)
        assert.equal((await list('action=group.resume&principal=admin')).items.length, 3)
        assert.equal((await list('principal=nobody')).items.length, 0)
        assert.equal((await list('since=2100-01-01')).items.length, 0)
      },
      { stores: { payments: own } },
    ),
  )
})

test(
  'every route of an operator refuses every weaker role, before it looks at anything else',
  inShop(async (shop) => {
    const { routes, codes } = operationsOf(shop.lonja, { editsNeedApproval: false })
    assert.equal(codes, operationCodes)
    assert.ok(routes.length >= 15, `only ${routes.length} routes`)
    for (const { method, path, rules } of routes) {
      assert.equal(rules.role, 'operator', path)
      const url = path.replaceAll(/:(\w+)/g, 'x')
      for (const role of ['reader', 'clerk', 'importer'] as const) {
        const caller = shop.as(role)
        const answer = method === 'GET' ? await caller.get(url) : await caller.post(url, {})
        expectRefusal(answer, 403, 'ROLE_MISSING')
      }
    }
  }),
)
