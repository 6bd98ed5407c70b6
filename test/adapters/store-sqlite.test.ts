// The store's contract on SQLite, in a file that two handles share.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/platform/ports.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { storeContract } from './store-contract.ts'
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
