// Rows of a live table together with exactly the cursors that they were folded up to, while the loop goes on.
import type { Row, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Side } from './compare-tables.ts'
import { loadRows } from './compare-tables.ts'
import type { StoredPlaces } from './stored-places.ts'
import { readPlaces, samePlaces } from './stored-places.ts'

/** Three statements fit between two commits of the busiest group nearly always. */
const MAX_TRIES = 100

export interface SettledRows {
  readonly rows: readonly Row[]
  readonly places: StoredPlaces
}

/**
 * Reads the cursors before and after the rows; where nothing moved in between, they belong together. No lock is taken,
 * so this works on a database that may only be read.
 *
 * @throws {Conflict} when the group moved each time.
 */
export async function readSettledRows(
  { store, service, group }: { readonly store: Store; readonly service: string; readonly group: string },
  side: Side,
  keys: readonly Row[],
): Promise<SettledRows> {
  let places = await readPlaces(store, service, group)
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const rows = await loadRows(side, keys)
    const after = await readPlaces(store, service, group)
    if (samePlaces(places, after)) return { rows, places }
    places = after
  }
  throw new Conflict(`${group} moves faster than its rows can be read`)
}
