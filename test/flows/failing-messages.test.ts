// Messages that a service can not handle for a while, seen by those who order and by those who operate the shop.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { run } from '../../src/cli/run.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { services } from '../../src/services.ts'
import { expectStatus } from '../../src/testing/shop-calls.ts'
import type { Flow, Shop } from '../../src/testing/shop.ts'
import { inShop } from '../../src/testing/shop.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Longer than a parked message is tried for. */
const TRIED_FOR_MS = 7 * HOUR_MS

interface DeadLetters {
  readonly items: readonly {
    readonly id: string
    readonly group: string
    readonly key: string
    readonly type: string
  }[]
}

interface Parked {
  readonly items: readonly { readonly group: string; readonly key: string; readonly state: string }[]
}

async function parkedIn(shop: Shop): Promise<Parked['items']> {
  return expectStatus(await shop.as('operator').get<Parked>('/v1/ops/parked'), 200).items
}

/** Messages of one type fail as long as `fails` says, after their handler did all that it does; each try is noted. */
function failing(type: string, fails: (data: { readonly orderId: string }) => boolean) {
  const tries: string[] = []
  const flow: Flow = {
    mayComplain: true,
    trouble: (asked, data) => {
      if (asked !== type) return
      const order = data as { readonly orderId: string }
      tries.push(order.orderId)
      if (fails(order)) throw new Error('not now')
    },
  }
  return { tries, flow }
}

suite('a step that fails for one order', () => {
  const state = { bad: '' }
  const { tries, flow } = failing('ReserveStock', ({ orderId }) => {
    state.bad ||= orderId
    return orderId === state.bad
  })
  test(
    'is tried three times in place and leaves nothing of it, then waits with its key; all other orders are confirmed',
    inShop(async (shop) => {
      await shop.product({ quantity: 20 })
      const bad = await shop.placeOrder({ quantity: 3 })
      const good = await shop.placeOrder({ quantity: 2 })
      // Its next try comes a millisecond later at the earliest.
      while ((await parkedIn(shop)).length === 0) await shop.advance(1)
      assert.equal(tries.filter((orderId) => orderId === bad.orderId).length, 3)
      assert.deepEqual(
        (await parkedIn(shop)).map(({ group, key, state: stands }) => [group, key, stands]),
        [['inventory', bad.orderId, 'retrying']],
      )
      assert.equal(await shop.statusAt('reservations', bad.orderId), undefined)
      assert.deepEqual(await shop.eventsOf(bad.orderId, 'inventory'), [])
      assert.equal((await shop.order(good.orderId)).status, 'CONFIRMED')
      const { onHand, held } = await shop.stockOf('LAMP')
      assert.deepEqual({ onHand, held }, { onHand: 18, held: 0 })
      state.bad = 'nobody'
      await shop.advance(29_000)
      assert.equal((await shop.order(bad.orderId)).status, 'CONFIRMED')
      assert.deepEqual(await parkedIn(shop), [])
    }, flow),
  )
})

suite('a handler that fails for everybody', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-failing-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'shop.sqlite')
  const store = openSqlite({ path })
  after(() => store.close())
  const state = { isDown: true }
  const { tries, flow } = failing('ReserveStock', () => state.isDown)

  async function described(shop: Shop): Promise<string> {
    let out = ''
    const sink = { write: (text: string) => (out += text) }
    const argv = ['describe', '--store', `sqlite:${path}`, '--url', shop.url ?? '', '--key', 'the-key-of-the-operator']
    assert.equal(await run({ argv, environment: {}, readEnvFile: () => '', out: sink, err: sink }), 0, out)
    return out
  }

  async function shownBy(shop: Shop) {
    const health = await shop.as('operator').get<{ parts: { part: string; detail: string }[] }>('/health')
    const headers = { authorization: 'Bearer the-key-of-the-reader' }
    const metrics = await (await fetch(`${shop.url}/metrics`, { headers })).text()
    const stopped = /lonja_group_stopped_partitions\{group="inventory",topic="inventory.commands"\} (\d+)/
    const open = /lonja_group_breaker_open_partitions\{group="inventory",topic="inventory.commands"\} (\d+)/
    return {
      health: health.body.parts.find(({ part }) => part === 'group inventory')?.detail ?? '',
      stopped: Number(stopped.exec(metrics)?.[1] ?? 0),
      open: Number(open.exec(metrics)?.[1] ?? 0),
      describe: /^ *inventory {2}.*lag.*$/m.exec(await described(shop))?.[0] ?? '',
    }
  }

  test(
    'is paused and probed: nothing is parked, /health, /metrics and `lonja describe` say so, and it ends by itself',
    inShop(
      async (shop) => {
        await shop.product({ quantity: 30 })
        const orders: string[] = []
        for (let count = 0; count < 20; count += 1) orders.push((await shop.placeOrder()).orderId)
        // A reserve waits for half a minute; what comes back sooner costs nobody his order.
        await shop.advance(5000)
        assert.deepEqual(await parkedIn(shop), [])
        const triesSoFar = tries.length
        assert.ok(triesSoFar < 100, `${triesSoFar} tries in five seconds`)
        const down = await shownBy(shop)
        assert.match(down.health, /ReserveStock/)
        assert.deepEqual([down.stopped > 0, down.open > 0], [true, true])
        assert.match(down.describe, /breaker.*the handler of ReserveStock is paused/)
        state.isDown = false
        await shop.advance(MINUTE_MS)
        for (const orderId of orders) assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
        const over = await shownBy(shop)
        assert.deepEqual([over.health, over.stopped, over.open], ['keeps up', 0, 0])
        assert.match(over.describe, /running/)
      },
      { ...flow, store, listens: true },
    ),
  )
})

suite('a timer whose handler fails', () => {
  const state = { bad: '' }
  const { flow } = failing('ExpireReservation', ({ orderId }) => orderId === state.bad)
  test(
    'goes to the back of the queue: the holds of others run out in time, and its own when it is mended',
    inShop(async (shop) => {
      await shop.product({ quantity: 20 })
      // Their gateway answers after half an hour, so that nothing else ends their holds.
      const bad = await shop.placeOrder({ quantity: 3, reference: 'SLOW-2000000' })
      const other = await shop.placeOrder({ quantity: 2, reference: 'SLOW-2000000 TOO' })
      state.bad = bad.orderId
      await shop.advance(13 * MINUTE_MS)
      assert.equal(await shop.statusAt('reservations', other.orderId), 'expired')
      assert.equal(await shop.statusAt('reservations', bad.orderId), 'held')
      assert.deepEqual(await parkedIn(shop), [])
      state.bad = ''
      await shop.advance(2 * MINUTE_MS)
      assert.equal(await shop.statusAt('reservations', bad.orderId), 'expired')
      assert.equal((await shop.stockOf('LAMP')).available, 20)
      await shop.advance(HOUR_MS)
      for (const { orderId } of [bad, other]) assert.equal((await shop.order(orderId)).reason, 'PAYMENT_TIMEOUT')
    }, flow),
  )
})

suite('what becomes of a key whose message died', () => {
  test('money, stock, orders and shipments hold what follows; mails and figures go on without it', () => {
    const holding = services.filter(({ parking }) => (parking.whenDead ?? 'hold') === 'hold').map(({ name }) => name)
    assert.deepEqual(holding, ['clients', 'catalog', 'orders', 'inventory', 'payments', 'shipping', 'analytics'])
    const figures = services.find(({ name }) => name === 'analytics')?.parking.projections
    assert.equal(figures?.whenDead, 'skip')
  })

  const state = { isDown: true }
  const { flow } = failing('OrderConfirmed', () => state.isDown)
  test(
    'a mail is given up in the end: the order does not notice, its later mails are sent, and it can be redriven',
    inShop(async (shop) => {
      await shop.product({ quantity: 5 })
      const { orderId } = await shop.placeOrder({ quantity: 2 })
      await shop.advance(TRIED_FOR_MS)
      assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      assert.deepEqual(await parkedIn(shop), [])
      const dead = await shop.as('operator').get<DeadLetters>('/v1/ops/dead-letters')
      assert.deepEqual(
        expectStatus(dead, 200).items.map(({ group, key, type }) => [group, key, type]),
        [['notifications', orderId, 'OrderConfirmed']],
      )
      expectStatus(await shop.giveBack(orderId, { items: [{ sku: 'LAMP', quantity: 1 }] }), 201)
      await shop.idle()
      assert.deepEqual(
        (await shop.notificationsOf(orderId)).map(({ template }) => template),
        ['order-refunded'],
      )
      state.isDown = false
      const [{ id }] = expectStatus(dead, 200).items as [DeadLetters['items'][number]]
      const asked = { id: 'mended', letters: [id], reason: 'the template is mended' }
      expectStatus(await shop.as('operator').post('/v1/ops/redrives', asked), 202)
      await shop.advance(MINUTE_MS)
      assert.match(shop.mails().at(-1)?.text ?? '', /confirmed/)
    }, flow),
  )
})
