// The tables that the store's tests write, and batches in one call.
import type { Append, LogRow, Plan, Row, SchemaDeclaration, Store, Table, Write } from '../../src/platform/ports.ts'

/** A database of a test's own. */
export interface Database {
  /** Another handle on it, as another process would have. */
  open(): Promise<Store>
  /** Closes all handles and removes the database. */
  remove(): Promise<void>
}

export interface Features {
  /** Text with U+0000 is refused; an adapter without it keeps such text, and the door must refuse it. */
  readonly refusesNul: boolean
}

interface Field {
  readonly name: string
  readonly type: 'text' | 'integer'
  readonly nullable?: boolean
}

export function tableOf(name: string, keyWidth: number, fields: readonly Field[]): Table {
  const columns = fields.map(({ nullable = false, ...field }) => ({ ...field, nullable }))
  return { schema: 'shop', name, columns, keyWidth, indexes: [], rowsGo: true }
}

export const documents: Table = tableOf('documents', 1, [
  { name: 'key', type: 'text' },
  { name: 'version', type: 'integer' },
  { name: 'state', type: 'text' },
])
export const cursors: Table = tableOf('cursors', 2, [
  { name: 'consumer_group', type: 'text' },
  { name: 'partition', type: 'integer' },
  { name: 'version', type: 'integer' },
  { name: 'next', type: 'integer' },
])
export const lines: Table = {
  ...tableOf('lines', 2, [
    { name: 'order_id', type: 'text' },
    { name: 'line', type: 'integer' },
    { name: 'quantity', type: 'integer', nullable: true },
    { name: 'note', type: 'text', nullable: true },
  ]),
  indexes: [['note', 'quantity']],
}
export const tags: Table = {
  ...tableOf('tags', 2, [
    { name: 'order_id', type: 'text' },
    { name: 'tag', type: 'text' },
  ]),
  clustered: true,
}

export const declaration: SchemaDeclaration = {
  schema: 'shop',
  version: 3,
  tables: [documents, cursors, lines, tags],
  topics: [
    { name: 'shop.events', partitions: 4 },
    { name: 'shop.commands', partitions: 2 },
  ],
}

export function append(partition: number, changes: Partial<Append> = {}): Append {
  const head = { source: 'shop', topic: 'shop.events', partition, generation: 1, incarnation: 1 }
  return { ...head, expected: undefined, count: 1, body: '["a record"]', ...changes }
}

export function write(table: Table, mode: Write['mode'], ...rows: readonly Row[]): Write {
  return { table, mode, rows }
}

export async function commit(store: Store, plan: Partial<Plan>): Promise<readonly number[]> {
  const transaction = await store.begin()
  try {
    return await transaction.commit({ writes: [], appends: [], appendedAt: 1000, transaction: 1, ...plan })
  } finally {
    await transaction.release()
  }
}

export async function load(store: Store, table: Table, ...keys: readonly Row[]): Promise<readonly Row[]> {
  const transaction = await store.begin()
  try {
    const rows = await transaction.load(table, keys)
    return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  } finally {
    await transaction.release()
  }
}

export async function log(store: Store, partition: number, from = 0): Promise<readonly LogRow[]> {
  return store.readLog('shop', [{ topic: 'shop.events', partition, from }], 10_000)
}

export async function next(store: Store, partition: number): Promise<number | undefined> {
  const heads = await store.heads('shop')
  return heads.find((head) => head.topic === 'shop.events' && head.partition === partition)?.next
}

/** Gives the test a migrated database with two handles, and removes it whatever happens. */
export type Use = (work: (store: Store, other: Store) => Promise<void>) => () => Promise<void>
