// The store's contract on SQLite, in a file that two handles share.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { StoreUnavailable } from '../../src/platform/ports.ts'
import type { Row, Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { storeContract } from './store-contract.ts'
import { append, commit, declaration, documents, load, log, next, write } from './store-fixture.ts'
import type { Database } from './store-fixture.ts'

async function makeDatabase(): Promise<Database> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-store-'))
  const stores: Store[] = []
  return {
    open: async () => {
      const store = openSqlite({ path: join(folder, 'lonja.db') })
      stores.push(store)
      return store
    },
    remove: async () => {
      for (const store of stores) await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

storeContract('store on SQLite', { refusesNul: false }, makeDatabase)

suite('store on SQLite: files', () => {
  const inFolder = async (work: (path: string) => Promise<void>): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-store-'))
    try {
      await work(join(folder, 'lonja.db'))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test('a handle that only reads finds the log, also of topics that are declared later', async () => {
    await inFolder(async (path) => {
      const store = openSqlite({ path })
      await store.migrate([{ ...declaration, topics: [] }])
      const reader = openSqlite({ path, readOnly: true })
      await store.migrate([declaration])
      await commit(store, { appends: [append(1)] })
      assert.equal((await log(reader, 1)).length, 1)
      await reader.close()
      await store.close()
    })
  })

  test('keeps a tree for the keys beside the rows, but not where a row is little more than its key', async () => {
    await inFolder(async (path) => {
      const store = openSqlite({ path })
      const clustered = { ...documents, name: 'clustered', clustered: true as const }
      await store.migrate([{ ...declaration, tables: [documents, clustered] }])
      const trees = await store.query<{ readonly tbl_name: string }>(
        "SELECT tbl_name FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex_shop_%' ORDER BY 1",
      )
      assert.deepEqual(
        trees.map(({ tbl_name: name }) => name),
        ['shop_documents'],
      )
      await store.close()
    })
  })

  test('a full file takes nothing of a batch, and goes on once there is room', async () => {
    await inFolder(async (path) => {
      const roomy = openSqlite({ path })
      await roomy.migrate([declaration])
      await roomy.close()
      const store = openSqlite({ path, maxPages: 60 })
      const rows = Array.from({ length: 100 }, (_, at): Row => [String(at).padStart(3, '0'), 1, 'x'.repeat(10_000)])
      const full = { writes: [write(documents, 'versioned', ...rows)], appends: [append(0)] }
      await assert.rejects(commit(store, full), StoreUnavailable)
      assert.deepEqual([await next(store, 0), await load(store, documents, ['000'])], [0, []])
      await commit(store, { writes: [write(documents, 'versioned', ...rows.slice(0, 5))], appends: [append(0)] })
      await store.close()
    })
  })
})
