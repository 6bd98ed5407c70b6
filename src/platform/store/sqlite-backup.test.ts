// A backup is taken beside a shop that goes on, and put back as a database whose logs say that they went back.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startToyShop } from '../../testing/toy-shop.ts'
import { backupSqlite, restoreSqlite } from './sqlite-backup.ts'
import { openSqlite } from './sqlite.ts'

const quiet = (): void => undefined

async function inFolder(work: (path: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-backup-'))
  try {
    await work((name) => join(folder, name))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a backup beside a running shop holds what was there, and the shop goes on', () =>
  inFolder(async (path) => {
    const shop = await startToyShop({ store: openSqlite({ path: path('shop.sqlite') }) })
    await shop.place('a', 1)
    await shop.lonja.settled()
    const copied: number[] = []
    await backupSqlite(path('shop.sqlite'), path('copy.sqlite'), (pages) => copied.push(pages))
    await shop.place('b', 1)
    await shop.lonja.settled()
    assert.deepEqual(await shop.statuses(), { a: 'confirmed', b: 'confirmed' })
    await assert.rejects(backupSqlite(path('shop.sqlite'), path('copy.sqlite'), quiet), /exists already/)
    await shop.stop()

    await assert.rejects(restoreSqlite(path('copy.sqlite'), path('shop.sqlite'), { force: false }), /--force/)
    await restoreSqlite(path('copy.sqlite'), path('shop.sqlite'), { force: true })
    const store = openSqlite({ path: path('shop.sqlite') })
    const restored = await startToyShop({ store })
    assert.deepEqual(await restored.statuses(), { a: 'confirmed' })
    assert.equal((await store.identity('shop')).incarnation, 2)
    assert.ok((await store.heads('shop')).every(({ incarnation }) => incarnation === 2))
    await restored.place('c', 1)
    await restored.lonja.settled()
    assert.deepEqual(await restored.statuses(), { a: 'confirmed', c: 'confirmed' })
    await restored.stop()
  }))

test('what is no database, or not there, is refused with a sentence', () =>
  inFolder(async (path) => {
    writeFileSync(path('letter.txt'), 'Dear operator, this is no database at all, only some words in a file.')
    await assert.rejects(
      restoreSqlite(path('letter.txt'), path('shop.sqlite'), { force: false }),
      /no database of Lonja/,
    )
    await assert.rejects(restoreSqlite(path('nothing'), path('shop.sqlite'), { force: false }), /no backup/)
    await assert.rejects(backupSqlite(path('nothing'), path('copy'), quiet), /no database at/)
  }))
