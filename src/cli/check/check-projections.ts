// Projections: each live table is what a replay of the log up to its cursors gives, row by row.
import { positionOf } from '../../platform/log/record.ts'
import { readUnhandled } from '../../platform/parking/stored-parking.ts'
import type { Row, Store, Table } from '../../platform/ports.ts'
import { Conflict } from '../../platform/ports.ts'
import type { Difference, Side } from '../../platform/rebuild/compare-tables.ts'
import { comparePages, differencesOf, loadRows } from '../../platform/rebuild/compare-tables.ts'
import type { ProjectionGroup } from '../../platform/rebuild/fold-chunk.ts'
import { asProjectionGroup, foldChunk } from '../../platform/rebuild/fold-chunk.ts'
import { readBuild } from '../../platform/rebuild/live-tables.ts'
import type { Bounds, Place } from '../../platform/rebuild/log-reader.ts'
import { LogReader, placesOf } from '../../platform/rebuild/log-reader.ts'
import { readSettledRows } from '../../platform/rebuild/settled-rows.ts'
import { begun, boundsOf, readPlaces } from '../../platform/rebuild/stored-places.ts'
import { projectionTable } from '../../platform/store/tables.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings, turn } from './problem.ts'

const RECORDS_A_CHUNK = 5000
/** Keys that are confirmed together: few, so that the live table does not move while they are read. */
const CONFIRMED_TOGETHER = 100
/** A rebuild may swap the live table while it is compared; more than this in a row is no coincidence. */
const MAX_SWAPS = 3

export async function checkProjections(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const group of context.registry.groups.map(asProjectionGroup)) {
    if (group === undefined) continue
    const replay = await Replay.of(context, group)
    findings.checked += await checkOne(replay, findings)
  }
  return findings.finding()
}

/** @returns how many rows were compared. */
async function checkOne(replay: Replay, findings: Findings): Promise<number> {
  for (let swaps = 0; ; swaps += 1) {
    const live = await replay.liveTable()
    const found: Difference[] = []
    try {
      const rows = await replay.compare(live, (difference) => found.push(difference))
      if (found.length > 0 && (await replay.hasMoved())) {
        findings.unsettled += found.length
        return rows
      }
      for (const { key, columns } of found) {
        const message = `Its ${columns.join(', ')} are not what the log says. Rebuild it: lonja rebuild ${replay.name}.`
        findings.error('projection', `${replay.name} ${key.join(' ')}`, message)
      }
      return rows
    } catch (error) {
      // The table of before a swap is dropped a minute later.
      const isSwapped = (await replay.liveTable()).name !== live.name
      if (!isSwapped || swaps >= MAX_SWAPS) throw error
    }
  }
}

/** A replay beside the live table, in the check's own database. */
class Replay {
  readonly name: string
  readonly #context: CheckContext
  readonly #group: ProjectionGroup
  readonly #store: Store
  readonly #table: Table
  readonly #reader: LogReader
  /** Addresses of records that the live table can not hold: parked, dead or discarded. */
  #unhandled: ReadonlySet<string> = new Set()
  #places: readonly Place[] = []
  #folded = 0

  private constructor(context: CheckContext, group: ProjectionGroup) {
    const { storeOf } = context
    this.#context = context
    this.#group = group
    this.name = group.name
    this.#store = storeOf(group.service)
    this.#table = { ...projectionTable(group.service, group.projection, 1), indexes: [] }
    this.#reader = new LogReader({ storeOf, wants: (type) => group.folds.has(type), recordsAChunk: RECORDS_A_CHUNK })
  }

  static async of(context: CheckContext, group: ProjectionGroup): Promise<Replay> {
    const replay = new Replay(context, group)
    const { scratch } = context
    await scratch.migrate([{ schema: group.service, version: 1, tables: [replay.#table], topics: [] }])
    replay.#unhandled = await replay.#readUnhandled()
    const live = await readPlaces(replay.#store, group.service, group.name)
    replay.#places = begun(await placesOf(context.registry, group, context.storeOf), live)
    await replay.#foldTo(boundsOf(live))
    return replay
  }

  /** Whether a message of the group was parked or unparked since: then nothing can be said of what differs. */
  async hasMoved(): Promise<boolean> {
    const now = await this.#readUnhandled()
    return now.size !== this.#unhandled.size || [...now].some((position) => !this.#unhandled.has(position))
  }

  async #readUnhandled(): Promise<ReadonlySet<string>> {
    const all = await readUnhandled(this.#store, this.#group.service)
    return new Set(all.filter(({ group }) => group === this.name).map(positionOf))
  }

  async liveTable(): Promise<Table> {
    const { service, projection } = this.#group
    const { live } = await readBuild(this.#store, service, projection.name)
    return projectionTable(service, projection, live)
  }

  /** Rows that differ are looked at again with both tables at exactly the same place: only then it is a difference. */
  async compare(table: Table, found: (difference: Difference) => void): Promise<number> {
    const live = { store: this.#store, table }
    const replayed = { store: this.#context.scratch, table: this.#table }
    let compared = 0
    for await (const { differences, rows } of comparePages(live, replayed)) {
      compared = rows
      this.#context.progress(`${this.name}: ${rows} rows compared`)
      await turn()
      for (let from = 0; from < differences.length; from += CONFIRMED_TOGETHER) {
        const keys = differences.slice(from, from + CONFIRMED_TOGETHER).map(({ key }) => key)
        for (const difference of await this.#lasting({ live, replayed }, keys)) found(difference)
      }
    }
    return compared
  }

  async #lasting(
    { live, replayed }: { readonly live: Side; readonly replayed: Side },
    keys: readonly Row[],
  ): Promise<readonly Difference[]> {
    const { service, name } = this.#group
    try {
      const { rows, places } = await readSettledRows({ store: this.#store, service, group: name }, live, keys)
      await this.#foldTo(boundsOf(places))
      return differencesOf(live.table, rows, await loadRows(replayed, keys))
    } catch (error) {
      if (!(error instanceof Conflict) || keys.length === 1) throw error
      // A busy table rests for a few rows where it does not for many.
      const half = Math.ceil(keys.length / 2)
      const parts = [keys.slice(0, half), keys.slice(half)]
      const found: Difference[] = []
      for (const part of parts) found.push(...(await this.#lasting({ live, replayed }, part)))
      return found
    }
  }

  async #foldTo(bounds: Bounds): Promise<void> {
    const { scratch, progress } = this.#context
    for (;;) {
      const chunk = await this.#reader.read(this.#places, bounds)
      if (chunk.passed === 0) return
      const transaction = await scratch.begin()
      const handled = chunk.records.filter((record) => !this.#unhandled.has(positionOf(record)))
      const writes = await foldChunk(transaction, { group: this.#group, table: this.#table }, handled)
      await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 0 })
      this.#places = chunk.places
      this.#folded += chunk.passed
      progress(`${this.name}: ${this.#folded} records replayed`)
      await turn()
    }
  }
}
