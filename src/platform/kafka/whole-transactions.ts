// Chooses what goes into one transaction of Kafka: whole transactions of the database, in their order, up to a cap.
import { placeName } from '../rebuild/log-reader.ts'

/** A row of a log, of one transaction and partition, that was not shipped yet. */
export interface WaitingRow {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly first: number
  readonly last: number
  /** Which transaction of the database wrote it. */
  readonly transaction: string
  /** How many rows of that transaction wait in all, also such as lie beyond what was read. */
  readonly rows: number
}

interface Pending<Row> {
  readonly rows: Row[]
  readonly needed: number
}

/**
 * Takes transactions whose rows are all at the front of their partitions, until the next would pass the cap; a first
 * one that is larger goes alone. There always is one: transactions that share partitions lie there in one order, as
 * they lock heads together.
 *
 * @param waiting rows of each partition in their order, from one snapshot.
 */
export function wholeTransactions<Row extends WaitingRow>(
  waiting: readonly Row[],
  capRecords: number,
): readonly (readonly Row[])[] {
  const partitions = Map.groupBy(waiting, placeName)
  const queues = new Map([...partitions].map(([place, rows]) => [place, rows.toReversed()]))
  const pending = new Map<string, Pending<Row>>()
  const ready: Pending<Row>[] = []
  const bringForward = (queue: Row[]): void => {
    const row = queue.at(-1)
    if (row === undefined) return
    const transaction = pending.get(row.transaction) ?? { rows: [], needed: row.rows }
    pending.set(row.transaction, transaction)
    transaction.rows.push(row)
    if (transaction.rows.length === transaction.needed) ready.push(transaction)
  }
  for (const queue of queues.values()) bringForward(queue)
  const taken: (readonly Row[])[] = []
  let records = 0
  for (const { rows } of ready) {
    const count = rows.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    if (taken.length > 0 && records + count > capRecords) break
    taken.push(rows)
    records += count
    for (const row of rows) {
      const queue = queues.get(placeName(row)) ?? []
      queue.pop()
      bringForward(queue)
    }
  }
  return taken
}
