// A table that is being made beside the live one, and how far its own cursors have come.
import type { Clock, Locks, Plan, Row, Store, Table, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { LogRecord } from '../log/record.ts'
import type { Registry } from '../runtime/registry.ts'
import { buildsTable, cursorsTable } from '../store/tables.ts'
import { compareKeys } from './compare-tables.ts'
import type { ProjectionGroup } from './fold-chunk.ts'
import { foldChunk } from './fold-chunk.ts'
import { buildOf } from './live-tables.ts'
import type { LiveTables } from './live-tables.ts'
import type { Bounds, Place } from './log-reader.ts'
import { LogReader, placeName, placesOf, remaining } from './log-reader.ts'
import type { StoredPlace, StoredPlaces } from './stored-places.ts'
import { begun, placed, placeKey, placeRow, readPlaces } from './stored-places.ts'

/** 60 ms on SQLite, whose one thread the live loop shares; a third fewer made 15 % fewer events a second. */
const RECORDS_A_CHUNK = 6000

export interface BuildTarget {
  readonly registry: Registry
  /** Where the projection's tables are. */
  readonly store: Store
  readonly storeOf: (source: string) => Store
  readonly clock: Clock
  readonly tables: LiveTables
  readonly group: ProjectionGroup
  readonly build: number
}

/** The consumer group of a build's own cursors. */
export function buildGroup(group: string, build: number): string {
  return `${group}#${build}`
}

export class BuildTable {
  readonly table: Table
  /** The consumer group of its cursors. */
  readonly name: string
  /** Every place that the projection reads, where its live table began to. */
  beginnings: readonly Place[] = []
  /** Records that were folded here. */
  passed = 0
  readonly #target: BuildTarget
  readonly #reader: LogReader
  #places: readonly StoredPlace[] = []

  constructor(target: BuildTarget) {
    const { storeOf, group, tables, build } = target
    this.#target = target
    this.#reader = new LogReader({ storeOf, wants: (type) => group.folds.has(type), recordsAChunk: RECORDS_A_CHUNK })
    this.table = tables.build(group.service, group.projection.name, build)
    this.name = buildGroup(group.name, build)
  }

  /** Reads afresh how far it has come. */
  async recall(): Promise<void> {
    const { registry, store, storeOf, group } = this.#target
    const live = await readPlaces(store, group.service, group.name)
    this.beginnings = begun(await placesOf(registry, group, storeOf), live)
    this.#places = placed(this.beginnings, await readPlaces(store, group.service, this.name))
  }

  /** Whether a topic was scaled since: the live table then reads partitions that are not built from here. */
  async hasGrown(): Promise<boolean> {
    const { registry, storeOf, group } = this.#target
    return (await placesOf(registry, group, storeOf)).length !== this.beginnings.length
  }

  remaining(bounds: Bounds): number {
    return remaining(this.#places, bounds)
  }

  /** Whether the cursors stored are those in memory: no other process has gone on with it. */
  stands(stored: StoredPlaces): boolean {
    return this.#places.every((place) => (stored.get(placeName(place))?.version ?? 0) === place.version)
  }

  /**
   * Folds the next chunk below the bounds. All cursors are written with it, so that two processes can never fold side
   * by side.
   *
   * @throws {Conflict} another process goes on with it, or ended it.
   */
  async foldNext(bounds: Bounds): Promise<void> {
    const { store, group } = this.#target
    const chunk = await this.#reader.read(this.#places, bounds)
    const places = chunk.places.map((place, index): StoredPlace => {
      const { version = 0, beganAt = '0' } = this.#places[index] ?? {}
      return { ...place, version, beganAt }
    })
    const pointer = { table: buildsTable(group.service), keys: [[group.projection.name]] }
    const transaction = await store.begin([this.locks([this.name]), pointer])
    try {
      const build = buildOf(group.service, await transaction.load(pointer.table, pointer.keys))
      if (build?.building !== this.#target.build) throw new Conflict(`${this.name} was ended by another process`)
      const rows = await foldChunk(transaction, { group, table: this.table }, chunk.records)
      await transaction.commit(this.plan([this.cursorsWrite(this.name, places), ...rows]))
    } finally {
      await transaction.release()
    }
    this.#places = places.map((place) => ({ ...place, version: place.version + 1 }))
    this.passed += chunk.passed
  }

  /** All records that are left below the bounds; only for a few. */
  async rest(bounds: Bounds): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = []
    let places: readonly Place[] = this.#places
    while (remaining(places, bounds) > 0) {
      const chunk = await this.#reader.read(places, bounds)
      records.push(...chunk.records)
      places = chunk.places
    }
    return records
  }

  /** The cursor rows of these groups, in the order in which rows are locked. */
  locks(groups: readonly string[]): Locks & { readonly keys: readonly Row[] } {
    const keys = groups.flatMap((group) => this.beginnings.map((place) => placeKey(group, place)))
    return { table: cursorsTable(this.#target.group.service), keys: keys.toSorted(compareKeys) }
  }

  cursorsWrite(group: string, places: readonly StoredPlace[]): Write {
    const rows = places.map((place) => placeRow(group, place)).toSorted(compareKeys)
    return { table: cursorsTable(this.#target.group.service), mode: 'versioned', rows }
  }

  /** Takes its own cursor rows away. */
  cursorsDelete(stored: StoredPlaces): Write {
    const rows = [...stored.values()].map((place) => placeKey(this.name, place)).toSorted(compareKeys)
    return { table: cursorsTable(this.#target.group.service), mode: 'delete', rows }
  }

  plan(writes: readonly Write[]): Plan {
    const used = writes.filter(({ rows }) => rows.length > 0)
    return { writes: used, appends: [], appendedAt: this.#target.clock.now(), transaction: 0 }
  }
}
