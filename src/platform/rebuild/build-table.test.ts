// The cursors of a build are its fence: no two processes fold side by side, nobody folds into one that was ended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startToyShop } from '../../testing/toy-shop.ts'
import { Conflict } from '../ports.ts'
import { systemClock } from '../system.ts'
import { BuildTable } from './build-table.ts'
import { asProjectionGroup } from './fold-chunk.ts'
import { LiveTables, buildWrite, readBuild } from './live-tables.ts'
import { boundsOf, readPlaces } from './stored-places.ts'

async function startBuilding() {
  const shop = await startToyShop()
  for (const id of ['a', 'b', 'c']) await shop.place(id, 1)
  await shop.lonja.settled()
  const { store, lonja } = shop
  const { registry, services } = lonja
  const group = registry.groups.map(asProjectionGroup).find((one) => one?.name === 'shop.order_list')
  assert.ok(group !== undefined)
  const tables = new LiveTables(services)
  const target = { registry, store, storeOf: () => store, clock: systemClock, tables, group, build: 2 }
  const point = async (building: number | null) => {
    const transaction = await store.begin()
    const write = buildWrite({ ...(await readBuild(store, 'shop', 'order_list')), building })
    await transaction.commit({ writes: [write], appends: [], appendedAt: 1, transaction: 1 })
  }
  const version = registry.schemas.find(({ schema }) => schema === 'shop')?.version ?? 1
  await store.migrate([{ schema: 'shop', version, tables: [tables.build('shop', 'order_list', 2)], topics: [] }])
  const bounds = boundsOf(await readPlaces(store, 'shop', group.name))
  return {
    shop,
    point,
    bounds,
    own: () => readPlaces(store, 'shop', 'shop.order_list#2'),
    open: () => new BuildTable(target),
  }
}

test('of two processes that fold the same build one is told of the other', async () => {
  const { shop, point, bounds, own, open } = await startBuilding()
  await point(2)
  const [one, other] = [open(), open()]
  await one.recall()
  await other.recall()
  await one.foldNext(bounds)
  assert.equal(one.remaining(bounds), 0)
  assert.equal(one.stands(await own()), true)
  assert.equal(other.stands(await own()), false)
  await assert.rejects(other.foldNext(bounds), Conflict)
  await other.recall()
  assert.equal(other.stands(await own()), true)
  assert.equal(other.remaining(bounds), 0)
  await shop.stop()
})

test('nothing is folded into a build that was ended', async () => {
  const { shop, point, bounds, own, open } = await startBuilding()
  await point(2)
  const table = open()
  await table.recall()
  await point(null)
  await assert.rejects(table.foldNext(bounds), Conflict)
  assert.equal((await own()).size, 0)
  await shop.stop()
})
