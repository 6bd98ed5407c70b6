// Faults of the shop's own processes: killed at any moment, at a commit or at the start, stopped, clocks set wrong.
import assert from 'node:assert/strict'
import { waitFor } from '../../src/testing/wait-for.ts'
import { FAILPOINTS, OPEN_COMMITS, type Ambush } from './failpoints.ts'
import type { Scene, Strike } from './scene.ts'
import { isSharedByAny, sharesOf } from './members.ts'
import type { ShopProcess } from './shop-process.ts'

/** A fault comes when up to so many more orders were acknowledged, or commits made. */
const ORDERS_LATER = 40
const COMMITS_LATER = 20
/** No promise: on a machine with nothing else to do it takes a second. */
const STRUCK_WITHIN_MS = 60_000
/** How often all processes of a cluster die at once. */
const ALL_AT_ONCE = 0.2
/** A start takes about one second on two cores. */
const START_MS = 1200
const START_COMMITS = 5
const STARTS_KILLED = 3
/** Ten seconds of lease, a beat of a second, and time to take. */
const TAKEN_OVER_WITHIN_MS = 30_000
/** A transaction may last two seconds and a lock be waited for one; the rest is for a machine that others use. */
const STALL_LIMIT_MS = 6000
/** No transaction of the program lasts so long, unless its process does not work: what it could commit is refused. */
const OLD_TRANSACTIONS = `SELECT pid, state, query FROM pg_stat_activity
  WHERE application_name = 'lonja' AND datname = current_database()
    AND xact_start < clock_timestamp() - interval '${STALL_LIMIT_MS} ms'`
const CLOCK_OFFSETS_MS = [500, 2000, 5000, 12_000] as const
const ORDERS_PER_CLOCK = 20

/** A whole number from 1 to the highest. */
function upTo(roll: () => number, highest: number): number {
  return 1 + Math.floor(roll() * highest)
}

function oneOf<Item>(roll: () => number, items: readonly Item[]): Item {
  return items[Math.floor(roll() * items.length)] as Item
}

function ambushOf(roll: () => number, commits: number, signal: Ambush['signal'] = 'SIGKILL'): Ambush {
  return { at: oneOf(roll, FAILPOINTS), nth: upTo(roll, commits), signal }
}

/** Where nobody buys yet, a start commits once for sure, and writes no record. */
function ambushAtStart({ load, roll }: Scene): Ambush {
  if (load.isBuying) return ambushOf(roll, START_COMMITS)
  return { at: oneOf(roll, ['before-commit', 'after-commit']), nth: 1, signal: 'SIGKILL' }
}

async function dies({ load }: Scene, shop: ShopProcess): Promise<void> {
  await waitFor(() => load.mustGoOn() && shop.hasEnded(), {
    withinMs: STRUCK_WITHIN_MS,
    what: 'the death of a process',
  })
  assert.equal(await shop.ended, 'SIGKILL', shop.log())
}

export async function killAnyTime({ fleet, load, roll }: Scene): Promise<Strike> {
  const places = roll() < ALL_AT_ONCE ? fleet.places : [oneOf(roll, fleet.places)]
  await load.more(upTo(roll, ORDERS_LATER))
  await fleet.kill(places)
  return { endedAtMs: await fleet.start(places), kills: places.length, openCommits: 0 }
}

export async function killAtCommit(scene: Scene): Promise<Strike> {
  const { fleet, roll } = scene
  const place = oneOf(roll, fleet.places)
  const ambush = ambushOf(roll, COMMITS_LATER)
  const shop = fleet.shopAt(place)
  shop.order({ ambush })
  await dies(scene, shop)
  return { endedAtMs: await fleet.start([place]), kills: 1, openCommits: OPEN_COMMITS.has(ambush.at) ? 1 : 0 }
}

/** The process may be killed before it serves or soon after: at a moment of chance, or at one of its first commits. */
export async function killAtStart(scene: Scene): Promise<Strike> {
  const { fleet, roll } = scene
  const place = oneOf(roll, fleet.places)
  await fleet.kill([place])
  const times = upTo(roll, STARTS_KILLED)
  let openCommits = 0
  for (let time = 0; time < times; time += 1) openCommits += await startInVain(scene, place)
  return { endedAtMs: await fleet.start([place]), kills: times + 1, openCommits }
}

/** Starts a process and kills it early. @returns 1 when it certainly left a transaction open. */
export async function startInVain(scene: Scene, place: number): Promise<0 | 1> {
  const { fleet, roll } = scene
  if (roll() < 0.5) {
    const ambush = ambushAtStart(scene)
    await dies(scene, fleet.spawn(place, { orders: { ambush } }))
    return OPEN_COMMITS.has(ambush.at) ? 1 : 0
  }
  const shop = fleet.spawn(place)
  await passed(roll() * START_MS)
  await shop.kill()
  return 0
}

function passed(delayMs: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, delayMs))
}

/** Stops one process where nobody expects it, until the others have all its work, and lets it go on. */
export async function stopAndGoOn(scene: Scene): Promise<Strike> {
  const { fleet, load, roll } = scene
  const shop = fleet.shopAt(oneOf(roll, fleet.places))
  const ambush = ambushOf(roll, COMMITS_LATER, 'SIGSTOP')
  const isAtCommit = roll() < 0.7
  await load.more(upTo(roll, ORDERS_LATER))
  if (isAtCommit) shop.order({ ambush })
  else shop.suspend()
  await waitFor(() => load.mustGoOn() && shop.isSuspended(), { withinMs: STRUCK_WITHIN_MS, what: 'a stopped process' })
  // Nobody sends it more; what was sent already hangs until the buyers lose patience.
  load.down(shop.url)
  const from = performance.now()
  if (fleet.plan.dialect === 'sqlite') await isKeptOut(scene)
  else await isTakenOver(scene)
  const stallMs = load.longestPauseSince(from)
  const endedAtMs = performance.now()
  shop.resume()
  load.up(shop.url)
  const openCommits = isAtCommit && OPEN_COMMITS.has(ambush.at) ? 1 : 0
  const isBlocked = fleet.places.length > 1 && stallMs > STALL_LIMIT_MS
  const complaint = isBlocked && `a stopped process kept the others from taking any order for ${Math.round(stallMs)} ms`
  return { endedAtMs, kills: 0, openCommits, ...(complaint !== false && { complaint }) }
}

/** A second server on the same file is refused while the first one is stopped: it could go on any time. */
async function isKeptOut({ fleet }: Scene): Promise<void> {
  const second = fleet.stage.spawn({ store: fleet.store })
  assert.equal(await second.ended, 1, 'a second server on the file of a stopped one')
  assert.match(second.log(), /Another Lonja works on/)
}

async function isTakenOver({ fleet, load }: Scene): Promise<void> {
  const others = fleet.places.length - 1
  await waitFor(async () => load.mustGoOn() && isSharedByAny(await sharesOf((text) => fleet.sql(text)), others), {
    withinMs: TAKEN_OVER_WITHIN_MS,
    what: 'a stopped process whose leases were taken over',
  })
  await load.more(upTo(() => 0.5, ORDERS_LATER))
  assert.deepEqual(await fleet.sql(OLD_TRANSACTIONS), [], 'transactions of a stopped process that could still commit')
}

/** Each process goes by a time of its own, one of them jumps to the other side, and then all are set right. */
export async function setClocksApart({ fleet, load, roll }: Scene): Promise<Strike> {
  const offsets = fleet.places.map(() => oneOf(roll, CLOCK_OFFSETS_MS) * (roll() < 0.5 ? -1 : 1))
  const set = (factor: number, places = fleet.places): void => {
    for (const place of places) fleet.shopAt(place).order({ clockOffsetMs: (offsets[place] ?? 0) * factor })
  }
  const jumping = oneOf(roll, fleet.places)
  set(1)
  await load.more(upTo(roll, ORDERS_PER_CLOCK))
  set(-1, [jumping])
  await load.more(upTo(roll, ORDERS_PER_CLOCK))
  set(0)
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}
