// Feeds of a shop that is killed under load: what their readers find is what happened, each once and each key in order.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Store } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { feedNames, services } from '../../src/services.ts'
import { assertFed } from '../../src/testing/feeding.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { chaosSeed } from './kill-9.ts'
import { Load } from './load.ts'
import { Stage } from './shop-process.ts'
import { assertCheckClean, untilAtRest } from './verdict.ts'

const BUYERS = 16
const KILLS = 3
const ORDERS_A_LIFE = 20
const SETTLED_WITHIN_MS = 60_000
const timeout = 300_000
const flags = ['--feeds', feedNames.join(',')]

interface Scene {
  readonly stage: Stage
  readonly store: string
  readonly open: () => Store | Promise<Store>
  readonly processes: number
}

/** One of the processes is killed in the midst of orders, and started again, some times over. */
async function killedAgainAndAgain({ stage, store, open, processes }: Scene): Promise<void> {
  const load = new Load({ seed: chaosSeed(), buyers: BUYERS })
  const shops = await Promise.all(Array.from({ length: processes }, () => stage.start({ store, flags })))
  for (const { url } of shops) load.up(url)
  await load.prepare()
  load.begin()
  let cut = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    await load.more(ORDERS_A_LIFE)
    const [victim] = shops.splice(0, 1)
    load.cutOrders = 0
    load.down(victim?.url ?? '')
    await victim?.kill()
    const next = await stage.start({ store, flags })
    shops.push(next)
    load.up(next.url)
    cut += load.cutOrders
  }
  await load.more(ORDERS_A_LIFE)
  await load.finish()
  await untilAtRest(store, SETTLED_WITHIN_MS)
  for (const shop of shops) assert.equal(await shop.stop(), 0)
  assert.ok(cut > 0, 'some orders were in flight at the kills')
  const opened = await open()
  const count = await assertFed(opened, services)
  await opened.close()
  assert.ok(count > 10 * load.acknowledged.size, `${count} records of ${load.acknowledged.size} orders`)
  await assertCheckClean(stage, store)
}

async function onStage(play: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = new Stage()
  try {
    await play(stage)
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${stage.logs()}`, { cause: error })
  } finally {
    await stage.end()
  }
}

test('one process on SQLite feeds each event once, through kills', { timeout }, () =>
  onStage(async (stage) => {
    const path = join(stage.folder, 'lonja.sqlite')
    await killedAgainAndAgain({ stage, store: `sqlite:${path}`, open: () => openSqlite({ path }), processes: 1 })
  }),
)

test('two processes on PostgreSQL feed each event once, through kills', { timeout }, () =>
  onStage(async (stage) => {
    const url = await sharedPostgres()
    await killedAgainAndAgain({ stage, store: url, open: () => openPostgres({ url }), processes: 2 })
  }),
)
