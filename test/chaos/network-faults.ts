// Faults between the programs: networks cut, hanging, slow; who relays stopped or killed; from one worker to six.
import assert from 'node:assert/strict'
import { waitFor } from '../../src/testing/wait-for.ts'
import { isSharedByAny, sharesOf } from './members.ts'
import type { Weather } from './network.ts'
import type { Scene, Strike } from './scene.ts'

const ORDERS_LATER = 30
const ORDERS_MEANWHILE = 40
/** Some five seconds: who does not fetch for two of them is no longer counted as a copy (fleet.ts). */
const ORDERS_APART = 120
const WEATHERS: readonly Weather[] = ['cut', 'hanging', 'slow']
const FOUND_WITHIN_MS = 30_000
const SHARED_WITHIN_MS = 60_000
const WORKERS = 6

function oneOf<Item>(roll: () => number, items: readonly Item[]): Item {
  return items[Math.floor(roll() * items.length)] as Item
}

/** Between one process and PostgreSQL, or all and the broker; where there is another process, orders go on. */
export async function spoilNetwork({ fleet, load, roll }: Scene): Promise<Strike> {
  const { toPostgres = [], toBroker } = fleet.networks ?? {}
  const network = roll() < 0.5 && toBroker !== undefined ? toBroker : oneOf(roll, toPostgres)
  const weather = oneOf(roll, WEATHERS)
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  network.set(weather)
  try {
    await load.more(ORDERS_MEANWHILE)
  } finally {
    network.set('whole')
  }
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/**
 * Between one of three brokers and the others, who no longer reach it; it still reaches them, and clients reach all.
 * What it leads is refused for want of copies as long as it lasts: orders settle, and what was appended comes later.
 */
export async function splitBrokers({ fleet, load, roll }: Scene): Promise<Strike> {
  const network = oneOf(roll, fleet.networks?.toPeers ?? [])
  const weather = oneOf(roll, WEATHERS)
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  network.set(weather)
  try {
    await load.more(ORDERS_APART)
  } finally {
    network.set('whole')
  }
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** The process that ships is stopped past its lease or killed, also while it ships. */
export async function loseRelay({ fleet, load, roll }: Scene): Promise<Strike> {
  const isKilled = roll() < 0.5
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  const isKnown = async (): Promise<{ readonly place: number } | undefined> => {
    load.mustGoOn()
    const place = await fleet.relayingPlace()
    return place === undefined ? undefined : { place }
  }
  const { place } = await waitFor(isKnown, { withinMs: FOUND_WITHIN_MS, what: 'a process that ships' })
  const shop = fleet.shopAt(place)
  if (isKilled) {
    await fleet.kill([place])
    return { endedAtMs: await fleet.start([place]), kills: 1, openCommits: 0 }
  }
  shop.suspend()
  load.down(shop.url)
  const isRelayedBy = async (): Promise<boolean> => {
    const other = await fleet.relayingPlace()
    return load.mustGoOn() && other !== undefined && other !== place
  }
  try {
    await waitFor(isRelayedBy, { withinMs: SHARED_WITHIN_MS, what: 'another process that ships' })
    await load.more(ORDERS_MEANWHILE)
  } finally {
    shop.resume()
    load.up(shop.url)
  }
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** From one process to six, and back to one, while buyers buy; then as many as before. */
export async function scaleWorkers({ fleet, load }: Scene): Promise<Strike> {
  const [first = 0, ...others] = fleet.places
  await stopInOrder(fleet.shops.filter((_, place) => place !== first))
  const isShared = (members: number) => async (): Promise<boolean> => {
    return load.mustGoOn() && isSharedByAny(await sharesOf((text) => fleet.sql(text)), members)
  }
  await waitFor(isShared(1), { withinMs: SHARED_WITHIN_MS, what: 'one process that has all' })
  const workers = Array.from({ length: WORKERS - 1 }, () => fleet.spawnWorker())
  await Promise.all(workers.map(({ serving }) => serving))
  await waitFor(isShared(WORKERS), { withinMs: SHARED_WITHIN_MS, what: 'a share for each of six' })
  await load.more(ORDERS_MEANWHILE)
  await stopInOrder(workers)
  await waitFor(isShared(1), { withinMs: SHARED_WITHIN_MS, what: 'one process that has all again' })
  await load.more(ORDERS_LATER)
  const endedAtMs = await fleet.start(others)
  return { endedAtMs, kills: 0, stops: WORKERS, openCommits: 0 }
}

async function stopInOrder(shops: readonly { stop(): Promise<NodeJS.Signals | number> }[]): Promise<void> {
  const codes = await Promise.all(shops.map((shop) => shop.stop()))
  assert.ok(
    codes.every((code) => code === 0),
    `a stop in order ended with ${codes.join(', ')}`,
  )
}
