// Reads a table that each service has in its own schema, of all services at once: eight round trips were eight waits.
import type { Store } from '../ports.ts'

export interface AlikeTables {
  readonly table: string
  readonly columns: readonly string[]
}

/** The rows of these services' tables, each with the service that it is of: one statement, and so one snapshot. */
export async function readAlike<Row extends object>(
  store: Pick<Store, 'query' | 'tableName'>,
  services: readonly string[],
  { table, columns }: AlikeTables,
): Promise<readonly (Row & { readonly service: string })[]> {
  if (services.length === 0) return []
  const one = (service: string): string =>
    `SELECT '${service}' AS service, ${columns.join(', ')} FROM ${store.tableName(service, table)}`
  return store.query(services.map(one).join(' UNION ALL '))
}
