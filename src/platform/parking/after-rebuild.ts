// A projection's table that was made anew holds what its old one could not take: nothing of its group waits any more.
import type { Row, Store, Table, Write } from '../ports.ts'
import { parkingLotsTable } from '../store/tables.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import { sorted } from '../runtime/working-set.ts'
import { deadLetterIn } from './dead-letter.ts'
import type { StoredKey } from './parked-key.ts'
import { nameOf, parkedKeyOf } from './parked-key.ts'
import type { StoredRow } from './parked-message.ts'
import { parkedMessageOf } from './parked-message.ts'
import { ParkingChanges } from './parking-changes.ts'

interface Place {
  readonly store: Store
  readonly registry: Registry
  readonly group: Group
}

/**
 * What the swap of a rebuilt table writes beside it: else parked records would be folded into it a second time. Whoever
 * retries one of them at the same moment meets a conflict, since his key is gone.
 */
export async function releaseParked({ store, registry, group }: Place): Promise<readonly Write[]> {
  const { name, service } = group
  const of = async <Row>(table: string): Promise<readonly Row[]> =>
    store.query<Row>(`SELECT * FROM ${store.tableName(service, table)} WHERE consumer_group = ?`, [name])
  const keys = (await of<StoredKey>('parked_keys')).map((row) => parkedKeyOf(service, row))
  const letters = (await of<StoredRow>('dead_letters')).map(deadLetterIn)
  // Also what a person discarded: the new table is what the log says, and a check replays what is not left out.
  const open = letters.filter(({ status }) => status !== 'redriven')
  const archived = archivedAsHandled(registry.tables.get(service)?.archivedLetters, await of('archived_letters'))
  if (keys.length === 0 && open.length === 0) return archived
  const messages = (await of<StoredRow>('parked')).map(parkedMessageOf)
  const lots = await readLots(store)
  const known = new Map(keys.map((key) => [nameOf(key), key]))
  const changes = new ParkingChanges({
    find: (name) => known.get(nameOf(name)),
    load: () => ({ keys: 0, messages: 0 }),
    lotVersion: (lot) => lots.get(lot) ?? 0,
    apply: () => undefined,
  })
  for (const key of keys) changes.release(key)
  for (const message of messages) changes.leave(service, message)
  for (const letter of open) {
    changes.letter(service, { ...letter, version: letter.version + 1, status: 'redriven', reason: 'rebuilt' })
  }
  return [...changes.writes(registry), ...archived]
}

/** What the old table had passed over for good is in the new one. */
function archivedAsHandled(table: Table | undefined, rows: readonly StoredRow[]): Write[] {
  const skipped = rows.filter(({ status }) => status !== 'redriven')
  if (table === undefined || skipped.length === 0) return []
  const at = table.columns.map(({ name }) => name)
  const cells = skipped.map((row): Row => at.map((name) => (name === 'status' ? 'redriven' : (row[name] ?? null))))
  return [{ table, mode: 'upsert', rows: sorted(cells, table.keyWidth) }]
}

async function readLots(store: Store): Promise<ReadonlyMap<string, number>> {
  const { schema, name } = parkingLotsTable
  const rows = await store.query<{ readonly lot: string; readonly version: number }>(
    `SELECT lot, version FROM ${store.tableName(schema, name)}`,
  )
  return new Map(rows.map(({ lot, version }) => [lot, version]))
}
