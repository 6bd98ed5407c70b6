// A step that died, whose order is then undone, and that a person sends again: nothing of it stays done.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import type { Flow, Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const LETTERS = '/v1/ops/dead-letters'

interface Letter {
  readonly id: string
  readonly type: string
  readonly status: string
}

async function lettersOf(shop: Shop, orderId: string): Promise<readonly Letter[]> {
  const { body } = await shop.as('operator').get<{ items: readonly Letter[] }>(`${LETTERS}?status=all&key=${orderId}`)
  return body.items
}

/** Sends the letter again, as a job of one, and gives what became of that. */
async function redriven(shop: Shop, { id: letter }: Letter) {
  const body = { id: 'again', letters: [letter], reason: 'the handler is mended' }
  expectStatus(await shop.as('operator').post('/v1/ops/redrives', body), 202)
  await shop.advance(MINUTE_MS)
  const job = await shop.as('operator').get<{ redriven: number; leftOut: number }>('/v1/ops/redrives/again')
  return { redriven: job.body.redriven, leftOut: job.body.leftOut }
}

async function assertCancelled(shop: Shop, orderId: string): Promise<void> {
  const order = await shop.order(orderId)
  assert.deepEqual([order.status, order.reason, order.needsPerson], ['CANCELLED', 'CLIENT', undefined])
}

/** Not only sound for the tests: the operator's own command finds nothing, and nothing that it can't tell. */
async function assertClean(shop: Shop): Promise<void> {
  const { problems, checked } = await runCheck(shop.lonja, { quick: false, ledger: () => shop.gateway.ledger() })
  assert.deepEqual(problems, [])
  assert.deepEqual(
    Object.keys(checked).filter((name) => name.includes('too busy')),
    [],
  )
}

/** An order whose message of this type died, and which its client has cancelled since; the handler is mended. */
function withDead(
  type: string,
  body: (shop: Shop, orderId: string, letter: Letter) => Promise<void>,
  options: Flow = {},
) {
  let isBroken = true
  return inShop(
    async (shop) => {
      await shop.product({ quantity: 20 })
      const { orderId } = await shop.placeOrder({ quantity: 2 })
      await shop.idle()
      const [letter, ...others] = await lettersOf(shop, orderId)
      assert.deepEqual([letter?.type, letter?.status, others.length], [type, 'dead', 0])
      assert.equal((await shop.order(orderId)).needsPerson?.length, 1)
      expectStatus(await shop.patch(orderId, 'CANCELLED'), 202)
      isBroken = false
      await shop.idle()
      if (letter !== undefined) await body(shop, orderId, letter)
    },
    {
      mayComplain: true,
      trouble: (asked) => {
        if (isBroken && asked === type) throw new TypeError('a bug of ours')
      },
      ...options,
    },
  )
}

suite('a step whose key goes on after its death, redriven when its undo was answered', () => {
  const whenDead = 'skip' as const

  test(
    'captures nothing: the payment was withdrawn, and says so',
    withDead(
      'CapturePayment',
      async (shop, orderId, letter) => {
        await assertCancelled(shop, orderId)
        assert.equal(await shop.statusAt('payments', orderId), 'withdrawn')
        assert.deepEqual(await redriven(shop, letter), { redriven: 1, leftOut: 0 })
        assert.deepEqual(await shop.eventsOf(orderId, 'payments'), [
          'MessageDied',
          'PaymentRefunded',
          'PaymentDeclined',
        ])
        assert.equal(await shop.statusAt('payments', orderId), 'withdrawn')
        assert.deepEqual(shop.gateway.worked(), { captures: 0, refunds: 0 })
        await assertCancelled(shop, orderId)
        await assertClean(shop)
      },
      { whenDead },
    ),
  )

  test(
    'holds nothing: the reservation was released, and the reserve is refused',
    withDead(
      'ReserveStock',
      async (shop, orderId, letter) => {
        await assertCancelled(shop, orderId)
        assert.equal(await shop.statusAt('reservations', orderId), 'released')
        assert.deepEqual(await redriven(shop, letter), { redriven: 1, leftOut: 0 })
        assert.equal((await shop.eventsOf(orderId, 'inventory')).at(-1), 'StockRefused')
        assert.equal(await shop.statusAt('reservations', orderId), 'released')
        const { onHand, held, available } = await shop.stockOf('LAMP')
        assert.deepEqual({ onHand, held, available }, { onHand: 20, held: 0, available: 20 })
        await assertCancelled(shop, orderId)
        await assertClean(shop)
      },
      { whenDead },
    ),
  )
})

suite('a step whose key is held by its death, as in every service that has money or goods', () => {
  test(
    'goes before its undo when it is redriven: what is captured is given back at once',
    withDead('CapturePayment', async (shop, orderId, letter) => {
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.equal(await shop.statusAt('payments', orderId), undefined)
      assert.deepEqual(await redriven(shop, letter), { redriven: 1, leftOut: 0 })
      await assertCancelled(shop, orderId)
      assert.equal(shop.gateway.balanceOf(orderId), 0n)
      const { captures, refunds } = shop.gateway.worked()
      assert.equal(captures, refunds)
      await assertClean(shop)
    }),
  )

  test(
    'goes before its undo when it is redriven: what is held is given back at once',
    withDead('ReserveStock', async (shop, orderId, letter) => {
      assert.equal((await shop.order(orderId)).status, 'PENDING')
      assert.deepEqual(await redriven(shop, letter), { redriven: 1, leftOut: 0 })
      await assertCancelled(shop, orderId)
      assert.deepEqual(await shop.eventsOf(orderId, 'inventory'), ['MessageDied', 'StockReserved', 'StockReleased'])
      assert.equal((await shop.stockOf('LAMP')).available, 20)
      await assertClean(shop)
    }),
  )

  for (const [type, service, end] of [
    ['CapturePayment', 'payments', 'withdrawn'],
    ['ReserveStock', 'reservations', 'released'],
  ] as const) {
    test(
      `leaves the tombstone of its undo when ${type} is discarded, and can not be sent again after that`,
      withDead(type, async (shop, orderId, letter) => {
        const discard = `${LETTERS}/${letter.id}/discard`
        expectStatus(await shop.as('operator').post(discard, { reason: 'the client cancelled' }), 200)
        await shop.advance(MINUTE_MS)
        await assertCancelled(shop, orderId)
        assert.equal(await shop.statusAt(service, orderId), end)
        assert.deepEqual(await redriven(shop, letter), { redriven: 0, leftOut: 1 })
        assert.deepEqual(shop.gateway.worked(), { captures: 0, refunds: 0 })
        assert.equal((await shop.stockOf('LAMP')).available, 20)
        await assertClean(shop)
      }),
    )
  }
})
