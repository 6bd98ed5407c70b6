// One service's database is set back to an earlier copy while another's is not: what it says from then on is heard.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { backupSqlite, restoreSqlite } from '../../src/platform/store/sqlite-backup.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { DAY_MS, retained } from '../../src/testing/retaining.ts'
import type { Shop } from '../../src/testing/shop.ts'
import { startShop } from '../../src/testing/shop.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'

const PARTITIONS = 6
/** Enough that every partition has some. */
const ORDERS = 48

interface Files {
  readonly main: string
  /** Inventory's. */
  readonly own: string
  readonly copy: string
}

/** Lives of a shop over two files, one after the other. */
async function inTwoDatabases(work: (files: Files, inLife: InLife) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-set-back-'))
  const file = (name: string) => join(folder, `${name}.sqlite`)
  const files: Files = { main: file('main'), own: file('inventory'), copy: file('copy') }
  try {
    await work(files, async (life, clock = createVirtualClock()) => {
      const [store, inventory] = [openSqlite({ path: files.main }), openSqlite({ path: files.own })]
      const shop = await startShop({ store, stores: { inventory }, clock })
      await life(shop)
      await shop.idle()
      await shop.stop()
      await store.close()
      await inventory.close()
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type InLife = (life: (shop: Shop) => Promise<void>, clock?: VirtualClock) => Promise<void>

async function placeAll(shop: Shop): Promise<readonly string[]> {
  const placed: string[] = []
  for (let order = 0; order < ORDERS; order += 1) placed.push((await shop.placeOrder()).orderId)
  await shop.advance(1000)
  return placed
}

async function firstOrders(shop: Shop): Promise<void> {
  await shop.product({ quantity: 1000 })
  await shop.client()
  await placeAll(shop)
}

test('the commands of a database that was set back reach a service that had read further', () => setBack())

test('they do so too where all that came before has been deleted after its time', () =>
  setBack(async (shop) => {
    await shop.advance(8 * DAY_MS)
    await retained(shop).look()
    const { first, next } = await retained(shop).boundsOf('inventory.commands')
    assert.ok(first > 0 && first === next)
  }))

/** @param beforeBackup what else happens in the first life. */
function setBack(beforeBackup: (shop: Shop) => Promise<void> = async () => undefined): Promise<void> {
  return inTwoDatabases(async ({ main, copy }, inLife) => {
    await inLife(async (shop) => {
      await firstOrders(shop)
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
  })
}

test('a database that was set back and says nothing since is not looked at again and again', () =>
  inTwoDatabases(async ({ main, copy }, inLife) => {
    await inLife(firstOrders)
    await backupSqlite(main, copy, () => undefined)
    await inLife(async (shop) => void (await placeAll(shop)))
    await restoreSqlite(copy, main, { force: true })
    let looks = 0
    const virtual = createVirtualClock()
    const clock: VirtualClock = {
      ...virtual,
      after: (delayMs, call) => {
        looks += 1
        return virtual.after(delayMs, call)
      },
    }
    await inLife(async (shop) => {
      await shop.advance(5000)
      assert.ok(shop.complaints.splice(0).some((line) => line.includes('its source went back')))
      looks = 0
      await shop.advance(10_000)
      assert.ok(looks < 100, `${looks} looks in ten seconds`)
      const stopped = (await shop.lonja.lags()).filter((lag) => lag.stopped !== undefined)
      assert.deepEqual(stopped, [])
    }, clock)
  }))

test('whoever has read nothing yet hears what was said before a database was set back, and since', () =>
  inTwoDatabases(async ({ main, own, copy }, inLife) => {
    await inLife(firstOrders)
    await backupSqlite(main, copy, () => undefined)
    await restoreSqlite(copy, main, { force: true })
    await inLife(async (shop) => {
      await placeAll(shop)
      shop.complaints.splice(0)
    })
    for (const ending of ['', '-wal', '-shm']) rmSync(`${own}${ending}`, { force: true })
    await inLife(async (shop) => {
      await shop.advance(5000)
      const behind = (await shop.lonja.lags()).filter(({ group, next, head }) => group === 'inventory' && next < head)
      assert.deepEqual(behind, [])
      shop.complaints.splice(0)
    })
  }))

test('what a group still had to read of before a set-back, and what follows at once, counts once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-set-back-'))
  const [file, copy] = [join(folder, 'shop.sqlite'), join(folder, 'copy.sqlite')]
  const clock = createVirtualClock()
  const inLife = async (life: (shop: Shop) => Promise<void>, membership = membershipAlone()) => {
    const store = openSqlite({ path: file })
    const shop = await startShop({ store, clock, membership, strict: false })
    await life(shop)
    await shop.idle()
    await shop.stop()
    await store.close()
  }
  const waiting: string[] = []
  let clientId = ''
  try {
    await inLife(async (shop) => {
      await shop.product({ quantity: 1000 })
      clientId = await shop.client()
      await placeAll(shop)
    })
    // Whoever holds nothing takes orders, and handles nothing of them.
    const idle = { ...membershipAlone(), holds: () => false }
    await inLife(async (shop) => {
      for (let order = 0; order < PARTITIONS; order += 1)
        waiting.push((await shop.placeOrder({ clientId, quantity: 5000 })).orderId)
    }, idle)
    await backupSqlite(file, copy, () => undefined)
    await restoreSqlite(copy, file, { force: true })
    await inLife(async (shop) => {
      await shop.advance(5000)
      // Out of stock, which is known in the batch that reads them: what it says follows in the same.
      for (const orderId of waiting) assert.equal((await shop.order(orderId)).status, 'CANCELLED')
      assert.equal(shop.mails().length, waiting.length)
      const again = shop.complaints.splice(0).filter((line) => line.includes('it had read to'))
      assert.deepEqual(again, [])
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
