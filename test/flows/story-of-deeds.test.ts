// The story of an order tells what people did about its dead letters: who, when, and why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../../src/cli/run.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const LETTERS = '/v1/ops/dead-letters'

interface Letter {
  readonly id: string
  readonly record: { readonly value: object }
}

/** The one dead letter of the order, with its body. */
async function letterOf(shop: Shop, orderId: string): Promise<Letter> {
  const operator = shop.as('operator')
  const { items } = expectStatus(await operator.get<{ items: readonly Letter[] }>(`${LETTERS}?key=${orderId}`), 200)
  assert.equal(items.length, 1)
  return expectStatus(await operator.get<Letter>(`${LETTERS}/${items[0]?.id}`), 200)
}

/** What people did, in order, each with when it was. */
async function deedsOf(shop: Shop, orderId: string) {
  const told = (await shop.story(orderId)).filter(({ what }) => what === 'person')
  return told.map(({ name, cause, data }) => `${name}: ${cause}: ${(data as { readonly reason: string }).reason}`)
}

const FAILING = {
  mayComplain: true,
  listens: true,
  trouble: (type: string, data: unknown) => {
    const { reference = '' } = data as { readonly reference?: string }
    if (type === 'CapturePayment' && reference.startsWith('BAD')) throw new TypeError('a bug of ours')
  },
}

test(
  'the story of an order names each redrive and edit of its letters, with who, when and why',
  inShop(async (shop) => {
    await shop.product()
    const { orderId } = await shop.placeOrder({ reference: 'BAD-1' })
    const other = await shop.placeOrder({ reference: 'BAD-2' })
    await shop.advance(1)
    const { id } = await letterOf(shop, orderId)
    const operator = shop.as('operator')
    const asked = { id: 'nightly', filter: { group: 'payments', key: orderId }, reason: 'the gateway is back' }
    expectStatus(await operator.post('/v1/ops/redrives', asked), 202)
    await shop.advance(MINUTE_MS)
    const { record } = await letterOf(shop, orderId)
    const edit = { body: { ...record.value, reference: 'GOOD-1' }, reason: 'the till sent nonsense' }
    expectStatus(await shop.as('admin').post(`${LETTERS}/${id}/edit`, edit), 200)
    await shop.advance(MINUTE_MS)
    assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
    assert.deepEqual(await deedsOf(shop, orderId), [
      'dead-letter.redrive: CapturePayment in payments, by operator: the gateway is back',
      'dead-letter.edit: CapturePayment in payments, by admin: the till sent nonsense',
    ])
    const story = await shop.story(orderId)
    const [redriven, edited] = story.filter(({ what }) => what === 'person')
    assert.deepEqual(redriven?.data, { letter: id, reason: 'the gateway is back', job: 'nightly' })
    assert.deepEqual(edited?.data, { letter: id, reason: 'the till sent nonsense', fields: ['reference'] })
    assert.deepEqual([redriven?.at, edited?.at], ['2026-02-01T12:00:00.001Z', '2026-02-01T12:01:00.001Z'])
    const names = story.map(({ name }) => name)
    assert.ok(names.indexOf('MessageDied') < names.indexOf('dead-letter.redrive'))
    assert.ok(names.indexOf('dead-letter.edit') < names.indexOf('PaymentCaptured'))
    assert.deepEqual(await deedsOf(shop, other.orderId), [], 'nobody did anything about the other order')
    await shop.patch(other.orderId, 'CANCELLED')
    await shop.advance(2 * 60 * MINUTE_MS)
  }, FAILING),
)

test(
  'a discarded letter is in the story, also as the command line tells it',
  inShop(async (shop) => {
    await shop.product()
    const { orderId } = await shop.placeOrder({ reference: 'BAD-3' })
    await shop.advance(1)
    const { id } = await letterOf(shop, orderId)
    expectStatus(await shop.as('operator').post(`${LETTERS}/${id}/discard`, { reason: 'a test order' }), 200)
    await shop.patch(orderId, 'CANCELLED')
    await shop.advance(MINUTE_MS)
    assert.deepEqual(await deedsOf(shop, orderId), [
      'dead-letter.discard: CapturePayment in payments, by operator: a test order',
    ])
    let out = ''
    const sink = { write: (text: string) => (out += text) }
    const argv = ['order', orderId, '--url', shop.url ?? '', '--key', 'the-key-of-the-operator']
    assert.equal(await run({ argv, environment: {}, readEnvFile: () => '', out: sink, err: sink }), 0)
    const line = /person +dead-letter\.discard: a test order \(CapturePayment in payments, by operator\)/
    assert.match(out, line)
  }, FAILING),
)
