// Dead letters about which a person decides, read with all of their keys that the decisions depend on.
import type { Row, Store, Transaction } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { sorted } from '../runtime/working-set.ts'
import { parkingLotsTable } from '../store/tables.ts'
import type { DeadLetter } from './dead-letter.ts'
import { isBefore, readHolders } from './holders.ts'
import type { ParkedKey } from './parked-key.ts'
import { lotOf, nameOf, parkedKeyOf, retryPlaceOf } from './parked-key.ts'
import { storedRowOf } from './parked-message.ts'
import { ParkingChanges } from './parking-changes.ts'

/** Why a dead letter can not go now. busy: another one of its key is on its way. behind: an older one holds the key. */
export type Hindrance = 'busy' | 'behind'

/** One dead letter with its key as it is stored. */
export interface Case {
  readonly service: string
  readonly letter: DeadLetter
  readonly key: ParkedKey | undefined
  /** The position of the first message that waits in the queue. */
  readonly first: number | undefined
  readonly hindrance: Hindrance | undefined
  /** Whether another dead letter holds the key. */
  readonly isHeldByAnother: boolean
}

export interface Docket {
  readonly cases: readonly Case[]
  readonly changes: ParkingChanges
}

interface Desk {
  readonly store: Store
  readonly registry: Registry
  readonly transaction: Transaction
}

/** Opens the cases of some letters, each of another key: what is decided about two of one key depends on the order. */
export async function openDocket(
  desk: Desk,
  letters: readonly { readonly service: string; readonly letter: DeadLetter }[],
): Promise<Docket> {
  const keys = await readKeys(desk, letters)
  const lots = await readLots(desk, letters, keys)
  const changes = new ParkingChanges({
    find: (name) => keys.get(nameOf(name)),
    load: () => ({ keys: 0, messages: 0 }),
    lotVersion: (lot) => lots.get(lot) ?? 0,
    apply: () => undefined,
  })
  // After the keys: what changes in between has raised its key's version, and the commit is a conflict.
  const cases = await Promise.all(
    letters.map(async ({ service, letter }): Promise<Case> => {
      const { first, redriven } = await readQueue(desk.store, service, letter)
      const holders = await readHolders(desk, letter)
      const [oldest] = holders
      const isBehind = oldest !== undefined && isBefore(oldest, letter)
      const hindrance = redriven > 0 ? 'busy' : isBehind ? 'behind' : undefined
      const isHeldByAnother = holders.some(({ id }) => id !== letter.id)
      return { service, letter, key: keys.get(nameOf(letter)), first: first ?? undefined, hindrance, isHeldByAnother }
    }),
  )
  return { cases, changes }
}

type ServiceLetter = Parameters<typeof openDocket>[1][number]

async function readKeys({ registry, transaction }: Desk, letters: readonly ServiceLetter[]) {
  const keys = new Map<string, ParkedKey>()
  for (const [service, own] of Map.groupBy(letters, (one) => one.service)) {
    const table = registry.tables.get(service)?.parkedKeys
    if (table === undefined) continue
    const names = own.map(({ letter }): Row => [letter.group, letter.keyName, letter.key])
    for (const cells of await transaction.load(table, sorted(names, table.keyWidth))) {
      const key = parkedKeyOf(service, storedRowOf(table, cells))
      keys.set(nameOf(key), key)
    }
  }
  return keys
}

async function readLots(
  { transaction }: Desk,
  letters: readonly ServiceLetter[],
  keys: ReadonlyMap<string, ParkedKey>,
): Promise<ReadonlyMap<string, number>> {
  const names = new Set(letters.map((one) => lotOf(keys.get(nameOf(one.letter)) ?? placeOf(one))))
  const rows = await transaction.load(
    parkingLotsTable,
    [...names].toSorted().map((name) => [name]),
  )
  return new Map(rows.map(([lot, version]) => [String(lot), Number(version)]))
}

/** Where a letter's key is retried, as long as nothing else of it is parked. */
export function placeOf({ service, letter }: ServiceLetter) {
  return { service, ...retryPlaceOf(letter) }
}

async function readQueue(store: Store, service: string, { group, keyName, key }: DeadLetter) {
  const [row] = await store.query<{ readonly first: number | null; readonly redriven: number }>(
    `SELECT min(position) AS first, count(dead_letter) AS redriven FROM ${store.tableName(service, 'parked')}
     WHERE consumer_group = ? AND key_name = ? AND key = ?`,
    [group, keyName, key],
  )
  return { first: row?.first ?? null, redriven: row?.redriven ?? 0 }
}
