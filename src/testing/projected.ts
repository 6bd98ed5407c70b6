// A projection's rows in a real store, for tests of the statements that read them: the same words on both databases.
import type { Projection } from '../kernel/projection.ts'
import type { Reader } from '../kernel/route.ts'
import type { Cell, Store } from '../platform/ports.ts'
import { openPostgres } from '../platform/store/postgres.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import { projectionTable } from '../platform/store/tables.ts'
import type { Recorded } from './folding.ts'
import { rowsOf } from './folding.ts'
import { sharedPostgres } from './postgres.ts'

type Rows = Reader['rows']

async function withStore(
  store: Store,
  service: string,
  projections: ReadonlyMap<Projection, readonly Recorded[]>,
): Promise<Rows> {
  const tables = [...projections].map(([projection, records]) => {
    const table = projectionTable(service, projection, 1)
    const rows = rowsOf(projection, records).map((row) => table.columns.map(({ name }): Cell => row[name] ?? null))
    return { table, rows }
  })
  await store.migrate([{ schema: service, version: 1, tables: tables.map(({ table }) => table), topics: [] }])
  const transaction = await store.begin()
  try {
    const writes = tables.map(({ table, rows }) => ({ table, mode: 'upsert' as const, rows }))
    await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 1 })
  } finally {
    await transaction.release()
  }
  const named = (sql: string) => sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => store.tableName(service, name))
  return (sql, values = []) => store.query(named(sql), values)
}

/** Folds records into projections of a service and hands their rows to a test, on SQLite and then on PostgreSQL. */
export async function onBothStores(
  service: string,
  projections: ReadonlyMap<Projection, readonly Recorded[]>,
  test: (rows: Rows) => Promise<void>,
): Promise<void> {
  for (const open of [
    () => openSqlite({ path: ':memory:' }),
    async () => openPostgres({ url: await sharedPostgres() }),
  ]) {
    const store = await open()
    try {
      await test(await withStore(store, service, projections))
    } finally {
      await store.close()
    }
  }
}
