// Five hundred buyers at once for a hundred pieces, over real sockets, while every payment is approved.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { systemClock } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { startShop } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const BUYERS = 500
const PIECES = 100
const SETTLED_WITHIN_MS = 30_000

/** Each buyer goes to one of the shops, which share what they sell. */
async function sellOut(shops: readonly [Shop, ...Shop[]]): Promise<void> {
  const [shop] = shops
  await shop.product({ quantity: PIECES, price: '10.00' })
  const clients = await Promise.all(Array.from({ length: BUYERS }, () => shop.client()))
  // All at once they are more than a loaded machine copies in the two seconds that an order waits for its client.
  for (const each of shops) await each.idle()
  const answers = await Promise.all(
    clients.map((clientId, buyer) => (shops[buyer % shops.length] ?? shop).place({ clientId })),
  )
  const orderIds = new Set(answers.map((answer) => expectStatus(answer, 201).orderId))
  assert.equal(orderIds.size, BUYERS)
  const orders = await waitFor(
    async () => {
      const { items } = await shop.orders('?limit=500')
      return items.length === BUYERS && items.every(({ status }) => /CONFIRMED|CANCELLED/.test(status)) && items
    },
    { withinMs: SETTLED_WITHIN_MS, what: 'every order ended' },
  )
  const ends: Record<string, number> = {}
  for (const { status, reason = status } of orders) ends[reason] = (ends[reason] ?? 0) + 1
  assert.deepEqual(ends, { CONFIRMED: PIECES, OUT_OF_STOCK: BUYERS - PIECES })
  assert.deepEqual(await shop.stockOf('LAMP').then(({ onHand, held }) => [onHand, held]), [0, 0])
  const ledger = shop.gateway.ledger()
  const balance = ledger.reduce((sum, { capturedMinor, refundedMinor }) => sum + capturedMinor - refundedMinor, 0n)
  assert.deepEqual([ledger.length, balance, shop.gateway.worked().refunds], [PIECES, BigInt(PIECES) * 1000n, 0])
  for (const each of shops) await assertSoonSound(each)
}

/** The last mails and windows come after the last order. */
async function assertSoonSound(shop: Shop): Promise<void> {
  const isSound = () =>
    assertSound(shop).then(
      () => true,
      () => false,
    )
  await waitFor(isSound, { withinMs: SETTLED_WITHIN_MS, what: 'the books add up' }).catch(() => assertSound(shop))
}

suite('five hundred buyers of a hundred pieces', () => {
  test('get exactly a hundred on SQLite', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-oversell-'))
    const store = openSqlite({ path: join(folder, 'shop.sqlite') })
    const shop = await startShop({ clock: systemClock, store, listens: true, strict: false })
    try {
      await sellOut([shop])
    } finally {
      await shop.stop()
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('get exactly a hundred from two processes on PostgreSQL', { timeout: 60_000 }, async () => {
    const store = await sharedPostgres()
    const options = { clock: systemClock, store, listens: true, strict: false }
    const one = await startShop(options)
    const other = await startShop({ ...options, outside: one.outside })
    const shares = () => [one, other].map(({ held }) => held().length)
    try {
      await waitFor(() => shares().every((share) => share === 3), { withinMs: 10_000, what: 'an even share' })
      await sellOut([one, other])
      assert.ok(one.submissions() > 0 && other.submissions() > 0)
      assert.deepEqual(shares(), [3, 3])
    } finally {
      await Promise.all([other.stop(), one.stop()])
    }
  })
})
