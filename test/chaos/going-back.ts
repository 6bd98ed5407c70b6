// PostgreSQL is set back to an earlier copy of its files: what came after it never was, and Kafka has it nevertheless.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/testing/wait-for.ts'
import { copyFolder } from './kafka-faults.ts'
import { untilShipped } from './kafka-verdict.ts'
import type { Scene, Strike } from './scene.ts'
import { untilAtRest } from './verdict.ts'

const ORDERS_LOST = 40
const AT_REST_WITHIN_MS = 60_000
const NOTICED_WITHIN_MS = 60_000

/** Nothing is under way at the copy and at the end, so that what is lost by definition is known exactly. */
export async function restoreOldCopy(scene: Scene): Promise<Strike> {
  const { fleet, load } = scene
  const { server, serverFolder, mails } = fleet
  assert.ok(server !== undefined && serverFolder !== undefined)
  const [data, copy] = [join(serverFolder, 'data'), join(serverFolder, 'copy')]
  await comesToRest(scene)
  await server.kill()
  copyFolder(data, copy)
  const known = load.keys
  const mailed = mails.arrived.length
  await server.restart()
  load.begin()
  await load.more(ORDERS_LOST)
  await comesToRest(scene)
  await untilShipped(fleet.store)
  await server.kill()
  copyFolder(copy, data)
  rmSync(copy, { recursive: true })
  load.forgetAllBut(known)
  mails.arrived.splice(mailed)
  await server.restart()
  const endedAtMs = performance.now()
  load.begin()
  const isTold = () => fleet.shops.some((shop) => shop.log().includes('is an earlier one than Kafka knows'))
  await waitFor(() => load.mustGoOn() && isTold(), {
    withinMs: NOTICED_WITHIN_MS,
    what: 'an alarm that the database went back',
  })
  return { endedAtMs, kills: 0, openCommits: 0 }
}

async function comesToRest({ fleet, load }: Scene): Promise<void> {
  await load.finish()
  await untilAtRest(fleet.store, AT_REST_WITHIN_MS)
}
