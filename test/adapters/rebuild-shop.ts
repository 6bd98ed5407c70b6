// What the tests of rebuilds share: a toy shop whose list of orders is rebuilt, falsified and looked at from below.
import assert from 'node:assert/strict'
import { partitionFor } from '../../src/platform/log/murmur2.ts'
import type { RecordBody } from '../../src/platform/log/record.ts'
import type { Append, Row, Store, Table, Write } from '../../src/platform/ports.ts'
import type { RebuildPhase, RebuildStatus } from '../../src/platform/rebuild/rebuild.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import { cursorsTable, projectionTable } from '../../src/platform/store/tables.ts'
import { shopService, startToyShop } from '../../src/testing/toy-shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

export const ORDER_LIST = 'shop.order_list'
export const WITHIN = { withinMs: 30_000 }
/** Chunks of a rebuild hold 6,000 records, so this takes several. */
export const MANY = 20_000

export type Shop = Awaited<ReturnType<typeof startToyShop>>

export const isEnded = ({ phase }: RebuildStatus): boolean => ['done', 'failed', 'aborted'].includes(phase)

export function phase(lonja: Lonja, wanted: (status: RebuildStatus) => boolean): Promise<RebuildStatus> {
  return waitFor(async () => {
    const status = await lonja.rebuilds.status(ORDER_LIST)
    return wanted(status) ? status : undefined
  }, WITHIN)
}

export async function rebuilt(lonja: Lonja, end: RebuildPhase = 'done'): Promise<RebuildStatus> {
  await lonja.rebuilds.start(ORDER_LIST)
  const status = await phase(lonja, isEnded)
  assert.equal(status.phase, end, String(status.problem))
  return status
}

interface ListRow {
  readonly order_id: string
  readonly events: number
}

export function rowsOf(store: Store, table: string): Promise<readonly ListRow[]> {
  return store.query<ListRow>(`SELECT * FROM ${store.tableName('shop', table)}`)
}

export function cursorsOf(store: Store, group: string): Promise<readonly unknown[]> {
  return store.query(`SELECT * FROM ${store.tableName('shop', 'cursors')} WHERE consumer_group = ?`, [group])
}

export async function save(store: Store, writes: readonly Write[], appends: readonly Append[] = []): Promise<void> {
  const transaction = await store.begin()
  await transaction.commit({ writes, appends, appendedAt: Date.now(), transaction: 1 })
  await transaction.release()
}

export function tableOf(build: number): Table {
  const [list] = shopService.projections
  assert.ok(list !== undefined)
  return projectionTable('shop', list, build)
}

/** Writes rows of a build of the list as no fold would. */
export function overwrite(store: Store, build: number, rows: readonly Row[]): Promise<void> {
  return save(store, [{ table: tableOf(build), mode: 'upsert', rows }])
}

export const PARTITIONS = 6
const RECORDS_A_ROW = 500

/** Appends records that only the list hears, as another process would. */
export async function appendRecords(store: Store, records: readonly RecordBody[]): Promise<void> {
  const byPartition = Map.groupBy(records, ({ key }) => partitionFor(key, PARTITIONS))
  for (const [partition, all] of byPartition) {
    for (let from = 0; from < all.length; from += RECORDS_A_ROW) {
      const some = all.slice(from, from + RECORDS_A_ROW)
      const head = { source: 'shop', topic: 'shop.events', partition, generation: 1, incarnation: 1 }
      await save(store, [], [{ ...head, expected: undefined, count: some.length, body: JSON.stringify(some) }])
    }
  }
}

export async function appendConfirmed(shop: Shop, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => {
    const orderId = `order-${String(index).padStart(6, '0')}`
    return { type: 'Confirmed', key: orderId, data: { orderId }, cause: 'test' }
  })
  await appendRecords(shop.store, records)
  for (const runtime of shop.lonja.runtimes) {
    runtime.noticed('all')
    runtime.options.membership.announce(['shop'])
  }
  await waitFor(async () => Object.keys(await shop.statuses()).length === count, WITHIN)
}

/** Sets the list's cursors to the heads, as if the loop had taken a record that it can not take. */
export async function advanceCursors(store: Store): Promise<void> {
  const heads = (await store.heads('shop')).filter(({ topic }) => topic === 'shop.events')
  const rows = heads.map(({ topic, partition, next }): Row => {
    return [ORDER_LIST, topic, partition, 'shop', 99, next, 1, 1, '0']
  })
  await save(store, [{ table: cursorsTable('shop'), mode: 'upsert', rows }])
}
