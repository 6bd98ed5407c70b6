// The store's contract on PostgreSQL, and what only a server can do: restart, cut connections, change its identity.
import type { Store } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { storeContract } from './store-contract.ts'
import type { Database } from './store-contract.ts'

async function makeDatabase(): Promise<Database> {
  const url = await sharedPostgres()
  const stores: Store[] = []
  return {
    open: async () => {
      const store = await openPostgres({ url })
      stores.push(store)
      return store
    },
    remove: async () => {
      for (const store of stores) await store.close()
    },
  }
}

storeContract('store on PostgreSQL', { refusesNul: true }, makeDatabase)
