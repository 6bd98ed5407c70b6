// The cursor rows of one group as places of its log: read in one statement, written back over the version before.
import { beginningOf, beginningText } from '../log/beginning.ts'
import type { Row, Store } from '../ports.ts'
import { cursorsTable } from '../store/tables.ts'
import type { Bounds, Place } from './log-reader.ts'
import { placeName } from './log-reader.ts'

/** A place and its row's version; 0 where there is no row yet. */
export interface StoredPlace extends Place {
  readonly version: number
  /** Where the group began to read: 0, or what it declared. */
  readonly beganAt: string
}

interface StoredCursor extends Place {
  readonly version: number
  readonly began_at: string
}

/** Where a group stands, by the name of the place. */
export type StoredPlaces = ReadonlyMap<string, StoredPlace>

export async function readPlaces(store: Store, service: string, group: string): Promise<StoredPlaces> {
  const rows = await store.query<StoredCursor>(
    `SELECT source, topic, partition, version, next, generation, incarnation, began_at
     FROM ${store.tableName(service, 'cursors')} WHERE consumer_group = ?`,
    [group],
  )
  return new Map(rows.map((row) => [placeName(row), storedPlace(row)]))
}

function storedPlace({ began_at: beganAt, ...place }: StoredCursor): StoredPlace {
  return { ...place, beganAt }
}

/** What is not read at all is read up to its beginning. */
export function boundsOf(places: StoredPlaces): Bounds {
  return new Map([...places].map(([name, { next }]) => [name, next]))
}

/** The places with which the group began to read: what came before, it never had. */
export function begun(declared: readonly Place[], stored: StoredPlaces): Place[] {
  return declared.map((place) => {
    const { beganAt } = stored.get(placeName(place)) ?? {}
    return beganAt === undefined ? place : { ...place, next: beginningOf(beganAt) }
  })
}

/** The places as far as they are stored; the others stand where they begin. */
export function placed(beginnings: readonly Place[], stored: StoredPlaces): StoredPlace[] {
  return beginnings.map((place) => {
    return stored.get(placeName(place)) ?? { ...place, version: 0, beganAt: beginningText(place.next) }
  })
}

/** The key of a place's row. */
export function placeKey(group: string, { topic, partition, source }: Place): Row {
  return [group, topic, partition, source]
}

/** The row of a place that is saved over its version. */
export function placeRow(group: string, place: StoredPlace): Row {
  const { version, next, generation, incarnation, beganAt } = place
  return [...placeKey(group, place), version + 1, next, generation, incarnation, beganAt]
}

/** The places of loaded rows, in the order of the table's columns. */
export function placesOfRows(rows: readonly Row[]): Map<string, StoredPlaces> {
  const names = cursorsTable('').columns.map(({ name }) => name)
  const byGroup = new Map<string, Map<string, StoredPlace>>()
  for (const cells of rows) {
    const row = Object.fromEntries(names.map((name, index) => [name, cells[index]])) as unknown as StoredCursor
    const group = String(cells[0])
    const places = byGroup.get(group) ?? new Map<string, StoredPlace>()
    byGroup.set(group, places.set(placeName(row), storedPlace(row)))
  }
  return byGroup
}

/** Whether nothing was committed in between. */
export function samePlaces(one: StoredPlaces, other: StoredPlaces): boolean {
  return one.size === other.size && [...one].every(([name, { version }]) => other.get(name)?.version === version)
}
