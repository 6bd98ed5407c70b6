// What an operator does about an order that is stuck: every act over the real services, as his HTTP calls.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import { readAudit } from '../../src/platform/audit/audit.ts'
import { expectRefusal, expectStatus } from '../../src/testing/shop-calls.ts'
import type { Flow, Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const HOUR_MS = 3_600_000

interface SagaView {
  readonly key: string
  readonly status: string
  readonly needsPerson: boolean
  readonly waitsFor: readonly string[]
  readonly flagged: readonly string[]
  readonly skipped: readonly string[]
  readonly acts: readonly string[]
  readonly parked: readonly object[]
  readonly story: string
  readonly means: string
}

interface Listed {
  readonly items: readonly SagaView[]
  readonly next: string | null
}

/** What a person asks for: the act, and what goes with it. */
type Asked = readonly [act: string, body?: object, headers?: Readonly<Record<string, string>>]

const pathOf = (orderId: string) => `/v1/ops/sagas/checkout/${orderId}`

async function sagaOf(shop: Shop, orderId: string): Promise<SagaView> {
  return expectStatus(await shop.as('operator').get<SagaView>(pathOf(orderId)), 200)
}

function act(shop: Shop, orderId: string, [name, body = {}, headers]: Asked) {
  return shop.as('operator').post<SagaView>(`${pathOf(orderId)}/${name}`, { reason: 'seen to it', ...body }, headers)
}

async function audited({ lonja }: Shop) {
  const entries = await readAudit(lonja.storeOf('orders'), { limit: 100 })
  return entries.map(({ action, target, principal, reason }) => [action, target, principal, reason])
}

/** The dead letter of shipping, of which there is one. */
async function discardLetter({ lonja }: Shop): Promise<void> {
  const store = lonja.storeOf('shipping')
  const sql = `SELECT id FROM ${store.tableName('shipping', 'dead_letters')}`
  const [letter] = await store.query<{ readonly id: string }>(sql)
  await lonja.discard('shipping', { id: letter?.id ?? '', reason: 'its saga sends it again' })
}

/** A shop whose bookings fail until the program is mended; a paid order waits for one. */
function withStuckOrder(body: (shop: Shop, orderId: string, mend: () => void) => Promise<void>) {
  let isBroken = true
  const flow: Flow = {
    mayComplain: true,
    trouble: (type) => {
      if (isBroken && type === 'BookShipment') throw new TypeError('a bug of ours')
    },
  }
  return inShop(async (shop) => {
    await shop.product({ quantity: 2 })
    const { orderId } = await shop.placeOrder({ quantity: 2 })
    await shop.idle()
    await body(shop, orderId, () => (isBroken = false))
  }, flow)
}

suite('a booking that can not be handled', () => {
  test(
    'calls a person, and tells him where the order stands and what he can do',
    withStuckOrder(async (shop, orderId) => {
      const stuck = await sagaOf(shop, orderId)
      assert.deepEqual([stuck.status, stuck.waitsFor, stuck.needsPerson], ['overdue', ['ship'], true])
      assert.deepEqual(stuck.acts, ['retry', 'skip', 'compensate', 'cancel'])
      assert.deepEqual(stuck.parked, [{ group: 'shipping', state: 'held', messages: 0 }])
      assert.equal(stuck.story, `/v1/orders/${orderId}/story`)
      assert.deepEqual((await shop.order(orderId)).needsPerson, ['ship'])
      const { items } = expectStatus(await shop.as('operator').get<Listed>('/v1/ops/sagas?needsPerson=true'), 200)
      assert.deepEqual(
        items.map(({ key }) => key),
        [orderId],
      )
    }),
  )

  test(
    'is retried once the program is mended: confirmed, booked once, and nobody may give it up under way',
    withStuckOrder(async (shop, orderId, mend) => {
      mend()
      const retried = expectStatus(await act(shop, orderId, ['retry', { step: 'ship' }]), 200)
      assert.deepEqual([retried.status, retried.flagged], ['running', []])
      assert.match(retried.means, /in shipping a dead letter of this key holds it/)
      await shop.idle()
      assert.equal((await shop.order(orderId)).needsPerson, undefined)
      expectRefusal(await shop.patch(orderId, 'FAILED', { role: 'operator' }), 409, 'GIVE_UP_TOO_EARLY')
      await discardLetter(shop)
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.carrier.worked().bookings, 1)
      assert.deepEqual(await audited(shop), [['saga.retry', `checkout ${orderId}`, 'operator', 'seen to it']])
      const causes = (await shop.story(orderId)).map(({ what, cause }) => `${what}: ${cause}`)
      assert.ok(causes.includes('saga: retry by operator: seen to it'))
    }),
  )

  test(
    'is compensated: cancelled, with stock and money back',
    withStuckOrder(async (shop, orderId) => {
      assert.equal(shop.gateway.balanceOf(orderId), 2000n)
      await discardLetter(shop)
      assert.equal(expectStatus(await act(shop, orderId, ['compensate']), 200).status, 'undoing')
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['CANCELLED', 'OPERATOR'])
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      assert.equal((await shop.stockOf('LAMP')).available, 2)
      expectRefusal(await act(shop, orderId, ['compensate']), 409, 'SAGA_ENDED')
    }),
  )

  test(
    'is cancelled while its letter still lies there: what can not be undone is given up, the rest is undone',
    withStuckOrder(async (shop, orderId) => {
      expectStatus(await act(shop, orderId, ['cancel']), 200)
      expectRefusal(await act(shop, orderId, ['cancel']), 409, 'SAGA_UNDOING')
      await shop.advance(2 * HOUR_MS)
      const stuck = await sagaOf(shop, orderId)
      assert.deepEqual([stuck.status, stuck.flagged], ['needs-person', ['ship']])
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      expectStatus(await act(shop, orderId, ['cancel']), 200)
      await shop.idle()
      const order = await shop.order(orderId)
      assert.deepEqual([order.status, order.reason], ['FAILED', 'GIVEN_UP'])
      assert.equal((await sagaOf(shop, orderId)).status, 'given-up')
      assert.equal((await shop.stockOf('LAMP')).available, 2)
      await discardLetter(shop)
      await shop.idle()
    }),
  )

  test(
    'is skipped only by whoever was told what that breaks: the order is confirmed without a carrier',
    withStuckOrder(async (shop, orderId) => {
      const details = expectRefusal(await act(shop, orderId, ['skip']), 409, 'SAGA_PROMISE_BROKEN')
      assert.match(String(details?.['promise']), /no carrier is known to bring it/)
      expectRefusal(await act(shop, orderId, ['skip', { step: 'pay', force: true }]), 409, 'SAGA_STEP_MISMATCH')
      const skipped = expectStatus(await act(shop, orderId, ['skip', { step: 'ship', force: true }]), 200)
      assert.deepEqual([skipped.status, skipped.skipped], ['succeeding', ['ship']])
      await shop.idle()
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.equal(shop.carrier.worked().bookings, 0)
      await discardLetter(shop)
      await shop.idle()
    }),
  )
})

test(
  'a payment that a person takes on himself confirms its order; `lonja check` tells that it was he, and finds no fault',
  inShop(async (shop) => {
    await shop.product()
    const { orderId } = await shop.placeOrder({ reference: 'GATEWAY-DOWN' })
    await shop.idle()
    expectRefusal(await act(shop, orderId, ['skip']), 409, 'SAGA_PROMISE_BROKEN')
    expectStatus(await act(shop, orderId, ['skip', { step: 'pay', force: true }]), 200)
    await shop.idle()
    assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    const { ok, problems } = await runCheck(shop.lonja, { quick: true })
    const about = problems.map(({ check, key, severity, message }) => [check, key, severity, message])
    const message =
      'A person skipped pay. Captures less refunds are 0.00 EUR, but it is CONFIRMED and should have 10.00 EUR.'
    assert.deepEqual([ok, about], [true, [['order-money', orderId, 'person', message]]])
    await shop.advance(24 * HOUR_MS)
  }),
)

suite('an act', () => {
  test(
    'is done once, however often its request is repeated, and audited once',
    withStuckOrder(async (shop, orderId) => {
      const headers = { 'idempotency-key': 'one' }
      const first = await act(shop, orderId, ['retry', {}, headers])
      const second = await act(shop, orderId, ['retry', {}, headers])
      assert.deepEqual(second.body, first.body)
      assert.equal(second.headers['idempotency-replayed'], 'true')
      assert.equal((await audited(shop)).length, 1)
      await discardLetter(shop)
      await shop.advance(3 * HOUR_MS)
    }),
  )

  test(
    'is refused to whoever is no operator, without a reason, and about sagas that are none; nothing is audited',
    withStuckOrder(async (shop, orderId) => {
      for (const role of ['reader', 'clerk', 'importer'] as const) {
        const answer = await shop.as(role).post(`${pathOf(orderId)}/retry`, { reason: 'I may not' })
        expectRefusal(answer, 403, 'ROLE_MISSING')
      }
      const operator = shop.as('operator')
      expectRefusal(await operator.post(`${pathOf(orderId)}/retry`, {}), 422, 'BODY_INVALID')
      expectRefusal(await act(shop, 'nothing', ['retry']), 404, 'SAGA_NOT_FOUND')
      expectRefusal(await operator.get('/v1/ops/sagas/nothing/at-all'), 404, 'SAGA_NOT_FOUND')
      assert.deepEqual(await audited(shop), [])
    }),
  )
})
