// The store that writes to SQLite later keeps the contract of every store, and what it wrote is what SQLite then has.
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { storeContract } from '../adapters/store-contract.ts'
import { writeBehindStore } from './write-behind.ts'

storeContract('store that writes behind', { refusesNul: false }, async () => {
  const sqlite = openSqlite({ path: ':memory:' })
  const store = writeBehindStore(sqlite)
  // All processes of a simulated database share one handle.
  return { open: async () => store, remove: () => store.close() }
})
