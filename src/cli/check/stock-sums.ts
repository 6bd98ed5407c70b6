// What all reservations together hold and took of each SKU, kept in the check's own database and up to date.
import type { Row, Table } from '../../platform/ports.ts'
import type { Place } from '../../platform/rebuild/log-reader.ts'
import { LogReader, placesOf } from '../../platform/rebuild/log-reader.ts'
import { StockReserved, inventoryContract } from '../../services/inventory/contract.ts'
import type { Reservation } from '../../services/inventory/reservation.ts'
import { reservation } from '../../services/inventory/reservation.ts'
import type { Document } from './documents.ts'
import { documentsOf, pagesOf } from './documents.ts'
import type { CheckContext } from './problem.ts'
import { readHeads } from './unread.ts'

const RECORDS_A_CHUNK = 10_000

const table: Table = {
  schema: 'check',
  name: 'pieces',
  columns: [
    { name: 'sku', type: 'text', nullable: false },
    { name: 'order_id', type: 'text', nullable: false },
    { name: 'held', type: 'integer', nullable: false },
    { name: 'committed', type: 'integer', nullable: false },
  ],
  keyWidth: 2,
  indexes: [],
}

/** Pieces of one SKU over all reservations. */
export interface Pieces {
  readonly held: number
  /** Taken off the stock, whether or not they came back later. */
  readonly committed: number
}

export class StockSums {
  readonly #context: CheckContext
  readonly #reader: LogReader
  #places: readonly Place[]

  private constructor(context: CheckContext, places: readonly Place[]) {
    const { storeOf } = context
    this.#context = context
    this.#reader = new LogReader({ storeOf, wants: () => true, recordsAChunk: RECORDS_A_CHUNK })
    this.#places = places
  }

  /** Sums up every reservation. What changes meanwhile is told by inventory's events, from before the first page. */
  static async of(context: CheckContext): Promise<StockSums> {
    const heads = await readHeads(context)
    const own = await placesOf(context.registry, { topics: [StockReserved.topic] }, context.storeOf)
    const places = own.filter(({ source }) => source === inventoryContract.service)
    await context.scratch.migrate([{ schema: table.schema, version: 1, tables: [table], topics: [] }])
    const sums = new StockSums(
      context,
      places.map((place) => ({ ...place, next: heads.get(`${place.source}/${place.topic}/${place.partition}`) ?? 0 })),
    )
    for await (const page of pagesOf(context, reservation)) await sums.#save(page)
    return sums
  }

  /** Every change of a reservation says an event under its key in the same transaction. */
  async catchUp(): Promise<void> {
    const bounds = await readHeads(this.#context)
    for (;;) {
      const chunk = await this.#reader.read(this.#places, bounds)
      if (chunk.passed === 0) return
      const keys = [...new Set(chunk.records.map(({ key }) => key))]
      await this.#save([...(await documentsOf(this.#context, reservation, keys)).values()])
      this.#places = chunk.places
    }
  }

  /** The sums of the SKUs after one and up to another, both in the order of keys; undefined: without an end. */
  async between(after: string, to: string | undefined): Promise<ReadonlyMap<string, Pieces>> {
    const { scratch } = this.#context
    const upTo = to === undefined ? '' : 'AND sku <= ?'
    const rows = await scratch.query<Pieces & { readonly sku: string }>(
      `SELECT sku, sum(held) AS held, sum(committed) AS committed
       FROM ${scratch.tableName(table.schema, table.name)} WHERE sku > ? ${upTo} GROUP BY sku`,
      to === undefined ? [after] : [after, to],
    )
    return new Map(rows.map(({ sku, ...pieces }) => [sku, pieces]))
  }

  async of(sku: string): Promise<Pieces> {
    const { scratch } = this.#context
    const [row] = await scratch.query<{ readonly held: number | null; readonly committed: number | null }>(
      `SELECT sum(held) AS held, sum(committed) AS committed
       FROM ${scratch.tableName(table.schema, table.name)} WHERE sku = ?`,
      [sku],
    )
    return { held: row?.held ?? 0, committed: row?.committed ?? 0 }
  }

  /** What was allocated once stays so, which makes each line of a reservation a row that is written over. */
  async #save(reservations: readonly Document<Reservation>[]): Promise<void> {
    const rows = reservations.flatMap(({ key, state }) => rowsOf(key, state))
    if (rows.length === 0) return
    const transaction = await this.#context.scratch.begin()
    const writes = [{ table, mode: 'upsert' as const, rows }]
    await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 0 })
  }
}

function rowsOf(orderId: string, { status, allocations }: Reservation): Row[] {
  const bySku = new Map<string, number>()
  for (const { sku, quantity } of allocations) bySku.set(sku, (bySku.get(sku) ?? 0) + quantity)
  const isTaken = status === 'committed' || status === 'restocked'
  return [...bySku].map(([sku, quantity]) => [sku, orderId, status === 'held' ? quantity : 0, isTaken ? quantity : 0])
}
