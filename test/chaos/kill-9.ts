// The shop under load, killed again and again, at moments of chance and at its commits.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { waitFor } from '../../src/testing/wait-for.ts'
import { FAILPOINTS } from './failpoints.ts'
import { dice, Load } from './load.ts'
import type { ShopPlan, ShopProcess } from './shop-process.ts'
import { Stage } from './shop-process.ts'
import { assertCheckClean, assertNothingLost, percentile, untilAtRest } from './verdict.ts'

export interface Kill9Plan {
  readonly seed: number
  readonly kills: number
  /** The database, in the test's own folder where it is a file. */
  readonly storeIn: (folder: string) => string
  /** What happens between two lives. */
  readonly betweenLives?: () => Promise<void>
}

const BUYERS = 48
const IN_FLIGHT_MINIMUM = 5
/** Each second kill is at a commit, this many commits after the load is on. */
const COMMITS_LATER = 20
/** The others come when this many orders more were acknowledged. */
const ORDERS_LATER = 40
const DIES_WITHIN_MS = 15_000

/** One life of the process. */
interface Life {
  readonly shop: ShopProcess
  readonly load: Load
  readonly isAtCommit: boolean
  readonly ordersLater: number
}

/** Seeds are read here and nowhere else: `CHAOS_SEED=7 npm test`. */
export function chaosSeed(): number {
  return Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
}

export async function survivesKills(t: TestContext, { seed, kills, storeIn, betweenLives }: Kill9Plan) {
  t.diagnostic(`seed ${seed} (CHAOS_SEED=${seed} repeats it)`)
  const stage = new Stage()
  const load = new Load({ seed, buyers: BUYERS })
  const store = storeIn(stage.folder)
  try {
    const figures = await killAgainAndAgain(stage, load, { seed, kills, store, betweenLives })
    const last = await stage.start({ store })
    load.up(last.url)
    await load.finish()
    await untilAtRest(store, 15_000)
    assert.equal(await last.stop(), 0, 'a stop in order')
    const orders = await assertNothingLost(store, load)
    await assertCheckClean(stage, store)
    report(t, { ...figures, orders, replays: load.replays })
  } catch (error) {
    t.diagnostic(`seed ${seed}; the shop said:\n${stage.logs()}`)
    throw error
  } finally {
    await load.finish().catch(() => undefined)
    await stage.end()
  }
}

interface Figures {
  readonly inFlight: readonly number[]
  readonly recoveryMs: readonly number[]
  readonly atCommit: number
}

interface Lives extends Pick<Kill9Plan, 'seed' | 'kills'> {
  readonly store: string
  readonly betweenLives: Kill9Plan['betweenLives']
}

async function killAgainAndAgain(
  stage: Stage,
  load: Load,
  { seed, kills, store, betweenLives }: Lives,
): Promise<Figures> {
  const roll = dice(seed)
  const inFlight: number[] = []
  const recoveryMs: number[] = []
  let atCommit = 0
  let killedAtMs: number | undefined
  for (let kill = 0; kill < kills; kill += 1) {
    const isAtCommit = kill % 2 === 1
    const at = FAILPOINTS[Math.floor(kill / 2) % FAILPOINTS.length] ?? 'in-flight'
    const failpoint = { at, nth: 1 + Math.floor(roll() * COMMITS_LATER) }
    const plan: ShopPlan = { store, ...(isAtCommit && { failpoint }) }
    const shop = await stage.start(plan)
    load.up(shop.url)
    if (kill === 0) {
      await load.prepare()
      load.begin()
    }
    const before = load.acknowledged.size
    await waitFor(() => load.mustGoOn() && load.acknowledged.size > before, {
      withinMs: DIES_WITHIN_MS,
      what: 'an order acknowledged after the restart',
    })
    if (killedAtMs !== undefined) recoveryMs.push(performance.now() - killedAtMs)
    const cut = await dies({ shop, load, isAtCommit, ordersLater: 1 + Math.floor(roll() * ORDERS_LATER) })
    killedAtMs = performance.now()
    const where = isAtCommit ? `${at} ${failpoint.nth}` : 'at any moment'
    assert.ok(cut >= IN_FLIGHT_MINIMUM, `only ${cut} orders were in flight at kill ${kill} (${where})`)
    inFlight.push(cut)
    if (isAtCommit) atCommit += 1
    await betweenLives?.()
  }
  return { inFlight, recoveryMs, atCommit }
}

/** @returns how many orders awaited their answer when it died. */
async function dies({ shop, load, isAtCommit, ordersLater }: Life): Promise<number> {
  load.cutOrders = 0
  if (isAtCommit) shop.arm()
  else {
    const enough = load.acknowledged.size + ordersLater
    await waitFor(() => load.mustGoOn() && load.acknowledged.size >= enough, {
      withinMs: DIES_WITHIN_MS,
      what: 'some more orders',
    })
    await shop.kill()
  }
  await waitFor(() => load.mustGoOn() && shop.hasEnded(), { withinMs: DIES_WITHIN_MS, what: 'the death of the shop' })
  assert.equal(await shop.ended, 'SIGKILL', shop.log())
  load.down(shop.url)
  await waitFor(() => load.mustGoOn() && load.waitingBuyers >= BUYERS, {
    withinMs: DIES_WITHIN_MS,
    what: 'all buyers noticed',
  })
  return load.cutOrders
}

function report(
  t: TestContext,
  { inFlight, recoveryMs, atCommit, orders, replays }: Figures & { readonly orders: number; readonly replays: number },
): void {
  t.diagnostic(
    `${inFlight.length} kills, ${atCommit} of them at a commit; ${orders} orders, ${replays} answers replayed; ` +
      `in flight ${Math.min(...inFlight)} to ${Math.max(...inFlight)}; from the kill to the next accepted order ` +
      `p50 ${percentile(recoveryMs, 0.5)} ms, max ${percentile(recoveryMs, 1)} ms`,
  )
}
