// Two processes on one PostgreSQL share the work; one is killed, the other takes over, and a third joins.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { chaosSeed } from './kill-9.ts'
import { Load } from './load.ts'
import { isSharedBy, sharesOf, type Shares } from './members.ts'
import { Stage } from './shop-process.ts'
import { assertCheckClean, assertNothingLost, untilAtRest } from './verdict.ts'

const BUYERS = 48
const IN_FLIGHT_MINIMUM = 5
/** What the issue promises of a death and of a join. */
const TAKEN_OVER_WITHIN_MS = 15_000
const JOINED_WITHIN_MS = 1000
const SHARED_WITHIN_MS = 10_000
const MORE_ORDERS = 60

async function shared(client: Client, members: readonly string[]): Promise<boolean> {
  return isSharedBy(await sharesIn(client), members)
}

function sharesIn(client: Client): Promise<Shares> {
  return sharesOf(async (text) => (await client.query<{ id: string; held: number; leases: number }>(text)).rows)
}

async function newcomer(client: Client, known: readonly string[]): Promise<string> {
  return waitFor(async () => [...(await sharesIn(client)).held.keys()].find((id) => !known.includes(id)), {
    withinMs: SHARED_WITHIN_MS,
    what: 'a new member',
  })
}

test('two processes share the work, one is killed, a third joins', { timeout: 120_000 }, async (t) => {
  const seed = chaosSeed()
  t.diagnostic(`seed ${seed}`)
  const store = await sharedPostgres()
  const stage = new Stage()
  const load = new Load({ seed, buyers: BUYERS })
  const client = new Client({ connectionString: store })
  try {
    await client.connect()
    const first = await stage.start({ store })
    const firstId = await newcomer(client, [])
    const second = await stage.start({ store })
    const secondId = await newcomer(client, [firstId])
    load.up(first.url)
    load.up(second.url)
    await load.prepare()
    load.begin()
    await waitFor(() => shared(client, [firstId, secondId]), { withinMs: SHARED_WITHIN_MS, what: 'an even share' })
    await load.more(MORE_ORDERS)
    load.cutOrders = 0
    await second.kill()
    const killedAtMs = performance.now()
    load.down(second.url)
    await waitFor(() => load.mustGoOn() && shared(client, [firstId]), {
      withinMs: TAKEN_OVER_WITHIN_MS,
      what: 'the survivor has taken over',
    })
    const takenOverMs = Math.round(performance.now() - killedAtMs)
    const cut = load.cutOrders
    assert.ok(cut >= IN_FLIGHT_MINIMUM, `only ${cut} orders were in flight at the kill`)
    const joining = stage.start({ store })
    joining.catch(() => undefined)
    const thirdId = await newcomer(client, [firstId, secondId])
    const joinedAtMs = performance.now()
    await waitFor(() => shared(client, [firstId, thirdId]), {
      withinMs: JOINED_WITHIN_MS,
      what: 'a share for the third',
    })
    const sharedMs = Math.round(performance.now() - joinedAtMs)
    const third = await joining
    load.up(third.url)
    await load.more(MORE_ORDERS)
    await load.finish()
    await untilAtRest(store, 20_000)
    assert.deepEqual([await first.stop(), await third.stop()], [0, 0])
    const orders = await assertNothingLost(store, load)
    await assertCheckClean(stage, store)
    t.diagnostic(
      `${orders} orders, ${cut} in flight at the kill; taken over after ${takenOverMs} ms; the third had its share ` +
        `${sharedMs} ms after it joined; ${load.unavailable} answers 503, ${load.replays} replayed`,
    )
  } catch (error) {
    t.diagnostic(`seed ${seed}; the shops said:\n${stage.logs()}`)
    throw error
  } finally {
    await client.end().catch(() => undefined)
    await stage.end()
    await load.finish().catch(() => undefined)
  }
})
