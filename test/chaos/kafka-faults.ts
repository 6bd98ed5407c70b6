// Faults of Kafka: brokers killed, stopped, emptied or set back while orders go on, and what was lost sent again.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFiles } from '../../src/testing/kafka/node-process.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { untilShipped } from './kafka-verdict.ts'
import type { Scene, Strike } from './scene.ts'
import type { ShopProcess } from './shop-process.ts'
import { untilEnded } from './verdict.ts'

const ORDERS_LATER = 30
/** Orders that are taken while nobody takes their records: enough that a backlog lies there. */
const ORDERS_WITHOUT = 60
/** A relay begins anew within seconds of its broker's return, and compares then; each thirty seconds at the latest. */
const NOTICED_WITHIN_MS = 90_000
const NODES = 3

interface Place {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly stopped: string | null
}

/** Orders of one database settle without Kafka; what was appended meanwhile comes when it is back. */
export async function loseBroker({ fleet: { kafka }, load, roll }: Scene): Promise<Strike> {
  const isKilled = roll() < 0.5
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  if (isKilled) await kafka?.kill()
  else await kafka?.freeze()
  await load.more(ORDERS_WITHOUT)
  if (isKilled) await kafka?.restart()
  else await kafka?.thaw()
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** One of three is killed: orders settle and arrive on Kafka while it is away. */
export async function loseOneOfThree({ fleet: { kafka, store }, load, roll }: Scene): Promise<Strike> {
  const node = 1 + Math.floor(roll() * NODES)
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  await kafka?.kill(node)
  const before = new Set(load.acknowledged.keys())
  await load.more(ORDERS_WITHOUT)
  const since = [...load.acknowledged].filter(([key]) => !before.has(key)).map(([, { orderId }]) => orderId)
  await untilEnded(store, since, () => load.mustGoOn())
  await untilNoneWaitsLong(store, () => load.mustGoOn())
  await kafka?.restart(node)
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** All that was appended by now is shipped: under load there is always something that waits. */
async function untilNoneWaitsLong(store: string, mustGoOn: () => true): Promise<void> {
  await untilShipped(store, mustGoOn, Date.now())
}

/** The broker comes back empty: its partitions stand still with the command that sends everything again. */
export async function emptyBroker(scene: Scene): Promise<Strike> {
  const { fleet, load, roll } = scene
  const { kafka, store } = fleet
  assert.ok(kafka !== undefined)
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  await untilShipped(store, () => load.mustGoOn(), Date.now())
  await kafka.wipe()
  fleet.listener?.readAgain()
  await makeTopics({ brokers: kafka.brokers, clientId: 'chaos' }, fleet.plan.nodes ?? 1)
  await isTold(scene)
  await sendAgain(scene, ['relay', 'resend', '--all', '--from', 'first'])
  await untilShipped(store, () => load.mustGoOn(), Date.now())
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** The broker's disk is set back to a copy: what it had acknowledged since is lost. */
export async function loseTail(scene: Scene): Promise<Strike> {
  const { fleet, load, roll } = scene
  const { kafka, store } = fleet
  assert.ok(kafka !== undefined)
  const { own, data } = nodeFiles(kafka.folder, 1)
  const copy = join(own, 'copy')
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  await kafka.shutDown()
  copyFolder(data, copy)
  await kafka.restart()
  await load.more(ORDERS_WITHOUT)
  await untilShipped(store, () => load.mustGoOn(), Date.now())
  await kafka.kill()
  copyFolder(copy, data)
  rmSync(copy, { recursive: true })
  fleet.listener?.readAgain()
  await kafka.restart()
  await isTold(scene)
  await sendAgain(scene)
  await untilShipped(store, () => load.mustGoOn(), Date.now())
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** With owners and modes: PostgreSQL runs as another user. */
export function copyFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  execFileSync('cp', ['-a', from, to])
}

function anyShop({ fleet }: Scene): ShopProcess {
  const shop = fleet.shops.find((one) => !one.hasEnded())
  assert.ok(shop !== undefined, 'a process that runs')
  return shop
}

/** `/health` says it, so that whoever is on duty hears of it. */
async function isTold(scene: Scene): Promise<void> {
  const look = async (): Promise<boolean> => {
    scene.load.mustGoOn()
    const response = await fetch(`${anyShop(scene).url}/health`)
    return (await response.text()).includes('Kafka has lost')
  }
  const isSaid = () => look().catch(() => scene.load.mustGoOn() && false)
  await waitFor(isSaid, { withinMs: NOTICED_WITHIN_MS, what: 'a loss in /health' })
}

interface Told {
  readonly items: readonly { readonly places: readonly Place[] }[]
}

/** Partitions that stand still for what they lost. */
async function lostPlaces(scene: Scene): Promise<readonly Place[]> {
  const ask = async (): Promise<Told | undefined> => {
    scene.load.mustGoOn()
    const answer = await fetch(`${anyShop(scene).url}/v1/ops/relay`)
    if (answer.ok) return (await answer.json()) as Told
    // One that has just lost its database says so.
    assert.equal(answer.status, 503, await answer.text())
    return undefined
  }
  const { items } = await waitFor(ask, { withinMs: NOTICED_WITHIN_MS, what: 'an answer about the relays' })
  return items.flatMap(({ places }) => places).filter(({ stopped }) => stopped?.includes('Kafka has lost'))
}

/** What the first partition says is done by the command line; for what is found later, by the request that it sends. */
async function sendAgain(scene: Scene, words: readonly string[] = []): Promise<void> {
  const { fleet, load } = scene
  const [first] = await lostPlaces(scene)
  const [, ...told] = (first?.stopped ?? '').replace(/.* with | --reason .*/g, '').split(' ')
  const said = words.length > 0 ? words : told
  const done = await fleet.stage.run(...said, '--reason', 'Kafka lost it', '--url', anyShop(scene).url)
  assert.equal(done.code, 0, `${done.out}${done.err}`)
  const isMended = async (): Promise<boolean> => {
    load.mustGoOn()
    const lost = await lostPlaces(scene)
    for (const place of lost) await askAgain(anyShop(scene).url, place)
    return lost.length === 0
  }
  await waitFor(isMended, { withinMs: NOTICED_WITHIN_MS, what: 'no partition that stands still' })
}

async function askAgain(url: string, { source, topic, partition, stopped }: Place): Promise<void> {
  const from = Number(/--from (\d+)/.exec(stopped ?? '')?.[1])
  const body = JSON.stringify({ source, topic, partition, from, reason: 'Kafka lost it' })
  const headers = { 'content-type': 'application/json' }
  const resent = await fetch(`${url}/v1/ops/relay/resend`, { method: 'POST', headers, body })
  assert.ok([200, 409, 503].includes(resent.status), await resent.text())
}
