// The database is lost while the shop serves: callers get 503, it catches up by itself, and no order is lost.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { startPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { chaosSeed } from './kill-9.ts'
import { Load } from './load.ts'
import { Stage } from './shop-process.ts'
import { assertCheckClean, assertNothingLost, untilAtRest } from './verdict.ts'

const BUYERS = 24
const OUTAGES = 3
const MORE_ORDERS = 60
/** Enough for the schema and some hundred orders. */
const FEW_PAGES = 440
const MANY_PAGES = 100_000

async function isUnhealthy(url: string): Promise<boolean> {
  const health = await fetch(`${url}/health`)
  const { status } = (await health.json()) as { readonly status: string }
  return health.status === 503 && status === 'unhealthy'
}

/** Runs the story in a shop's surroundings, and ends every process and every buyer whatever happens. */
async function staged(t: TestContext, story: (stage: Stage, load: Load) => Promise<void>): Promise<void> {
  const seed = chaosSeed()
  t.diagnostic(`seed ${seed}`)
  const stage = new Stage()
  const load = new Load({ seed, buyers: BUYERS })
  try {
    await story(stage, load)
  } catch (error) {
    t.diagnostic(`seed ${seed}; the shop said:\n${stage.logs()}`)
    throw error
  } finally {
    await stage.end()
    await load.finish().catch(() => undefined)
  }
}

test('PostgreSQL killed while serving: 503, and the shop goes on by itself', { timeout: 120_000 }, async (t) => {
  const server = await startPostgres({ durable: true })
  try {
    await staged(t, async (stage, load) => {
      const store = await server.createDatabase('shop')
      const shop = await stage.start({ store })
      load.up(shop.url)
      await load.prepare()
      load.begin()
      const backMs: number[] = []
      for (let outage = 0; outage < OUTAGES; outage += 1) {
        await load.more(MORE_ORDERS)
        const before = load.unavailable
        await server.kill()
        await waitFor(() => load.mustGoOn() && load.unavailable > before, { withinMs: 10_000, what: 'an answer 503' })
        // A read may hear of it first: the loop still looks for a connection then.
        await waitFor(() => isUnhealthy(shop.url), { withinMs: 5000, what: 'an unhealthy store in /health' })
        const known = load.acknowledged.size
        await server.restart()
        const restartedAtMs = performance.now()
        await waitFor(() => load.mustGoOn() && load.acknowledged.size > known, { withinMs: 15_000, what: 'an order' })
        backMs.push(Math.round(performance.now() - restartedAtMs))
      }
      await load.more(MORE_ORDERS)
      await load.finish()
      await untilAtRest(store, 15_000)
      assert.equal(await shop.stop(), 0)
      const orders = await assertNothingLost(store, load)
      await assertCheckClean(stage, store)
      t.diagnostic(
        `${OUTAGES} outages, ${orders} orders, ${load.unavailable} answers 503, ${load.replays} replayed; ` +
          `orders again after ${backMs.join(', ')} ms`,
      )
    })
  } finally {
    await server.stop()
  }
})

test('a full SQLite file: 503, reads go on, and a larger limit mends it', { timeout: 120_000 }, async (t) => {
  await staged(t, async (stage, load) => {
    const store = `sqlite:${join(stage.folder, 'lonja.sqlite')}`
    const small = await stage.start({ store, flags: ['--sqlite-max-pages', String(FEW_PAGES)] })
    load.up(small.url)
    await load.prepare()
    load.begin()
    await waitFor(() => load.mustGoOn() && load.unavailable >= BUYERS, { withinMs: 30_000, what: 'a full disk' })
    const placed = load.acknowledged.size
    assert.ok(placed > 0, 'some orders fitted')
    for (const { orderId } of [...load.acknowledged.values()].slice(-5)) {
      const read = await fetch(`${small.url}/v1/orders/${orderId}`)
      assert.equal(read.status, 200)
      assert.equal(((await read.json()) as { readonly orderId: string }).orderId, orderId)
    }
    assert.equal((await fetch(`${small.url}/v1/orders?limit=5`)).status, 200)
    assert.ok(await isUnhealthy(small.url), '/health says that the store is full')
    load.down(small.url)
    assert.equal(await small.stop(), 0, 'a stop in order with a full disk')
    const large = await stage.start({ store, flags: ['--sqlite-max-pages', String(MANY_PAGES)] })
    load.up(large.url)
    await load.more(MORE_ORDERS)
    await load.finish()
    await untilAtRest(store, 15_000)
    assert.equal(await large.stop(), 0)
    const orders = await assertNothingLost(store, load)
    await assertCheckClean(stage, store)
    t.diagnostic(`${placed} orders until it was full, ${orders} in the end; ${load.unavailable} answers 503`)
  })
})
