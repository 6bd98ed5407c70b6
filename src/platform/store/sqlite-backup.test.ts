// A backup is taken beside a shop that goes on, and put back as a database whose logs say that they went back.
import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startToyShop } from '../../testing/toy-shop.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { BackupError, backupSqlite, restoreSqlite } from './sqlite-backup.ts'
import { StoreInUse, lockSqlite } from './sqlite-lock.ts'
import { openSqlite } from './sqlite.ts'

const quiet = (): void => undefined
const PAST = Date.UTC(2025, 0, 1)

function inFolder(work: (path: (name: string) => string) => Promise<void>) {
  return async (): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-backup-'))
    try {
      await work((name) => join(folder, name))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}

/** A shop that confirmed an order, stopped again. */
async function makeShop(path: string, ...orders: string[]): Promise<void> {
  const shop = await startToyShop({ store: openSqlite({ path }) })
  for (const order of orders) await shop.place(order, 1)
  await shop.lonja.settled()
  await shop.stop()
}

async function inShop<Result>(
  path: string,
  work: (shop: Awaited<ReturnType<typeof startToyShop>>) => Promise<Result>,
): Promise<Result> {
  const alarms: string[] = []
  const observer = { alarm: (_: unknown, message: string) => void alarms.push(message) }
  const shop = await startToyShop({ store: openSqlite({ path }), observer })
  try {
    return await work(shop)
  } finally {
    await shop.stop()
    assert.deepEqual(alarms, [])
  }
}

test(
  'a backup is of one moment, ends beside a shop that never rests, and leaves one file',
  inFolder(async (path) => {
    const shop = await startToyShop({ store: openSqlite({ path: path('shop.db') }) })
    const state = { isOver: false, placed: 0 }
    const placing = (async () => {
      while (!state.isOver) await shop.place(`order-${(state.placed += 1)}`, 1)
    })()
    await shop.store.query('CREATE TABLE shop_ballast (number INTEGER PRIMARY KEY, text TEXT)')
    // Of more than one step, so that writes come in between.
    await shop.store.query(
      `WITH RECURSIVE n(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < 12000)
       INSERT INTO shop_ballast SELECT number, hex(randomblob(1000)) FROM n`,
    )
    const seen: [number, number][] = []
    const before = state.placed
    await backupSqlite(path('shop.db'), path('sub/copy.db'), (copied, total) => {
      seen.push([copied, total])
    })
    await waitFor(() => state.placed > before + 1, { withinMs: 10_000 })
    state.isOver = true
    await placing
    await shop.lonja.settled()
    await shop.stop()

    assert.ok(seen.length >= 2, `only ${seen.length} steps`)
    assert.ok(
      seen.every(([copied], at) => at === 0 || copied > (seen[at - 1]?.[0] ?? 0)),
      'the copy started over',
    )
    assert.deepEqual(readdirSync(path('sub')), ['copy.db'])
    const copy = new DatabaseSync(path('sub/copy.db'), { readOnly: true })
    const count = (sql: string) => Number(copy.prepare(sql).get()?.['count'])
    assert.ok(count('SELECT count(*) AS count FROM shop_order') >= before - 1)
    // Of one moment: every event of a stream is counted by its document.
    const sum = `SELECT sum(json_extract(state, '$.events')) AS count FROM shop_order`
    assert.equal(count('SELECT count(*) AS count FROM shop_streams'), count(sum))
    copy.close()
  }),
)

test(
  'a restore goes on quietly under a new incarnation, and keeps what it replaced',
  inFolder(async (path) => {
    await makeShop(path('shop.db'), 'a')
    await backupSqlite(path('shop.db'), path('copy.db'), quiet)
    await makeShop(path('shop.db'), 'b')
    await assert.rejects(restoreSqlite(path('copy.db'), path('shop.db'), { force: false }), /--force/)
    const { incarnation, replaced } = await restoreSqlite(path('copy.db'), path('shop.db'), { force: true, now: PAST })
    assert.equal(incarnation, 2)
    assert.equal(replaced, path('shop.db.replaced'))
    await inShop(path('shop.db'), async (shop) => {
      assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
      assert.equal((await shop.store.identity('shop')).incarnation, 2)
      assert.ok((await shop.store.heads('shop')).every((head) => head.incarnation === 2))
      await shop.place('c', 1)
      await shop.lonja.settled()
      assert.deepEqual(await shop.statuses(), { a: 'confirmed', c: 'confirmed' })
      await shop.lonja.rebuilds.start('shop.order_list')
      const rebuilt = () => shop.lonja.rebuilds.status('shop.order_list')
      await waitFor(async () => (await rebuilt()).phase === 'done', { withinMs: 10_000 })
      assert.equal((await rebuilt()).report?.differences, 0)
    })
    await inShop(path('shop.db.replaced'), async (shop) => {
      assert.deepEqual(await shop.statuses(), { a: 'confirmed', b: 'confirmed' })
    })
  }),
)

test(
  'no two restores share an incarnation, though nothing is left of the first',
  inFolder(async (path) => {
    await makeShop(path('shop.db'), 'a')
    await backupSqlite(path('shop.db'), path('copy.db'), quiet)
    const incarnations: number[] = []
    for (const day of [1, 2, 3]) {
      rmSync(path('shop.db'), { force: true })
      const now = Date.UTC(2026, 10, day)
      incarnations.push((await restoreSqlite(path('copy.db'), path('shop.db'), { force: false, now })).incarnation)
    }
    // Within one minute the database that is replaced tells.
    const now = Date.UTC(2026, 10, 3)
    incarnations.push((await restoreSqlite(path('copy.db'), path('shop.db'), { force: true, now })).incarnation)
    assert.deepEqual(
      incarnations,
      [...new Set(incarnations)].toSorted((one, other) => one - other),
    )
    assert.ok(incarnations.every((incarnation) => incarnation < 2 ** 31))
    const again = await restoreSqlite(path('copy.db'), path('shop.db'), { force: true, now })
    assert.equal(again.replaced, path('shop.db.replaced-2'))
  }),
)

test(
  'a damaged database is replaced too, and a damaged backup is not put back',
  inFolder(async (path) => {
    await makeShop(path('shop.db'), 'a')
    await backupSqlite(path('shop.db'), path('copy.db'), quiet)
    writeFileSync(path('shop.db'), 'The disk ate this database, and only words are left of it.')
    await restoreSqlite(path('copy.db'), path('shop.db'), { force: true })
    await inShop(path('shop.db'), async (shop) => assert.deepEqual(await shop.statuses(), { a: 'confirmed' }))

    const damaged = openSync(path('copy.db'), 'r+')
    writeSync(damaged, Buffer.alloc(4096, 'x'), 0, 4096, fstatSync(damaged).size - 4096)
    closeSync(damaged)
    await assert.rejects(restoreSqlite(path('copy.db'), path('shop.db'), { force: true }), /damaged|malformed/)
    await inShop(path('shop.db'), async (shop) => assert.deepEqual(await shop.statuses(), { a: 'confirmed' }))
    assert.deepEqual(
      readdirSync(path('.')).filter((name) => name.includes('partial')),
      [],
    )
  }),
)

test(
  'what is in use, no database, or not there, is refused with a sentence, and nothing is left behind',
  inFolder(async (path) => {
    writeFileSync(path('letter.txt'), 'Dear operator, this is no database at all, only some words in a file.')
    await makeShop(path('shop.db'), 'a')
    await backupSqlite(path('shop.db'), path('copy.db'), quiet)
    const restored = (file: string) => restoreSqlite(path(file), path('new.db'), { force: false })
    await assert.rejects(restored('letter.txt'), /no database of Lonja/)
    await assert.rejects(restored('nothing'), /no backup/)
    await assert.rejects(backupSqlite(path('nothing'), path('x.db'), quiet), /no database at/)
    await assert.rejects(backupSqlite(path('letter.txt'), path('x.db'), quiet), /no database of Lonja/)
    await assert.rejects(backupSqlite(path('shop.db'), path('copy.db'), quiet), /exists already/)
    await assert.rejects(backupSqlite(path('shop.db'), path('letter.txt/x.db'), quiet), (error) => {
      return error instanceof BackupError && error.message.includes('Nothing was changed')
    })
    const unlock = lockSqlite(path('new.db'))
    await assert.rejects(restored('copy.db'), StoreInUse)
    unlock()
    for (const name of ['new.db', 'new.db.partial', 'x.db', 'x.db.partial']) {
      assert.equal(existsSync(path(name)), false, `${name} is left behind`)
    }
  }),
)
