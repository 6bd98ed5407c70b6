// The disk of the database is full until callers have felt it, and then there is room again.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Scene, Strike } from './scene.ts'
import type { Fleet } from './fleet.ts'

/** Enough for the start and some orders. */
const SPARE_PAGES = 40
const MORE_PAGES = 120
const SPARE_BYTES = 256 * 1024
const MORE_BYTES = 4 * 2 ** 20
/** Answers 503 after which the disk has been full for long enough. */
const FELT = 20
const FULL_WITHIN_MS = 90_000
const ANSWERS_WITHIN_MS = 3000

export async function fillDisk(scene: Scene): Promise<Strike> {
  return scene.fleet.plan.dialect === 'sqlite' ? fillFile(scene) : fillServer(scene)
}

async function isFelt({ load }: Scene): Promise<void> {
  const enough = load.unavailable + FELT
  const isFull = () => load.mustGoOn() && load.unavailable >= enough
  await waitFor(isFull, { withinMs: FULL_WITHIN_MS, what: 'a full disk' })
}

/** SQLite's own limit of pages stands for the disk: it is refused alike. */
async function fillFile(scene: Scene): Promise<Strike> {
  const { fleet, load, roll } = scene
  const [place = 0] = fleet.places
  load.down(fleet.shopAt(place).url)
  assert.equal(await fleet.shopAt(place).stop(), 0, 'a stop in order')
  const pages = pagesOf(fleet.path) + SPARE_PAGES + Math.floor(roll() * MORE_PAGES)
  await fleet.start([place], { flags: ['--sqlite-max-pages', String(pages)] })
  await isFelt(scene)
  const isKilled = roll() < 0.5
  if (isKilled) await fleet.kill([place])
  else assert.equal(await fleet.shopAt(place).stop(), 0, 'a stop in order with a full disk')
  return { endedAtMs: await fleet.start([place]), kills: isKilled ? 1 : 0, stops: isKilled ? 1 : 2, openCommits: 0 }
}

function pagesOf(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('PRAGMA page_count').get()?.['page_count'])
  } finally {
    database.close()
  }
}

/** Tables, indexes and the log lie on one disk: the server refuses some writes, or gives up altogether. */
async function fillServer(scene: Scene): Promise<Strike> {
  const { fleet, load, roll } = scene
  const { disk } = fleet
  assert.ok(disk !== undefined, 'PostgreSQL lies on a disk that can be filled')
  await load.more(1)
  disk.leave(SPARE_BYTES + Math.floor(roll() * MORE_BYTES))
  try {
    await isFelt(scene)
  } finally {
    disk.makeRoom()
  }
  if (!(await answers(fleet))) await fleet.server?.restart()
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** Without room for its log the server may have ended itself; it may also be recovering just now. */
async function answers(fleet: Fleet): Promise<boolean> {
  const asks = () =>
    fleet.sql('CREATE TEMPORARY TABLE room AS SELECT 1').then(
      () => true,
      () => false,
    )
  return waitFor(asks, { withinMs: ANSWERS_WITHIN_MS }).catch(() => false)
}
