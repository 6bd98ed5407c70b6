// One service's database is set back to an earlier copy while another's is not: what it says from then on is heard.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { backupSqlite, restoreSqlite } from '../../src/platform/store/sqlite-backup.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { DAY_MS, retained } from '../../src/testing/retaining.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { startShop } from '../../src/testing/shop.ts'

const PARTITIONS = 6
/** Enough that every partition has some. */
const ORDERS = 48

test('the commands of a database that was set back reach a service that had read further', () => setBack())

test('they do so too where all that came before has been deleted after its time', () =>
  setBack(async (shop) => {
    await shop.advance(8 * DAY_MS)
    await retained(shop).look()
    const { first, next } = await retained(shop).boundsOf('inventory.commands')
    assert.ok(first > 0 && first === next)
  }))

/** @param beforeBackup what else happens in the first life. */
async function setBack(beforeBackup: (shop: Shop) => Promise<void> = async () => undefined): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-set-back-'))
  const [main, own, copy] = ['main', 'inventory', 'copy'].map((name) => join(folder, `${name}.sqlite`)) as [
    string,
    string,
    string,
  ]
  const inLife = async (life: (shop: Shop) => Promise<void>) => {
    const [store, inventory] = [openSqlite({ path: main }), openSqlite({ path: own })]
    const shop = await startShop({ store, stores: { inventory } })
    await life(shop)
    await shop.idle()
    await shop.stop()
    await store.close()
    await inventory.close()
  }
  const placeAll = async (shop: Shop): Promise<readonly string[]> => {
    const placed: string[] = []
    for (let order = 0; order < ORDERS; order += 1) placed.push((await shop.placeOrder()).orderId)
    await shop.advance(1000)
    return placed
  }
  try {
    await inLife(async (shop) => {
      await shop.product({ quantity: 1000 })
      await shop.client()
      await placeAll(shop)
      await beforeBackup(shop)
    })
    await backupSqlite(main, copy, () => undefined)
    await inLife(async (shop) => void (await placeAll(shop)))
    await restoreSqlite(copy, main, { force: true })
    await inLife(async (shop) => {
      for (const orderId of await placeAll(shop)) assert.equal((await shop.order(orderId)).status, 'CONFIRMED')
      const alarms = shop.complaints.splice(0)
      assert.ok(alarms.length >= PARTITIONS && alarms.every((line) => line.includes('its source went back')))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
