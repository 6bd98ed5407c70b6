// Which rows the relay takes together: whole transactions, in order, as many as fit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WaitingRow } from './whole-transactions.ts'
import { wholeTransactions } from './whole-transactions.ts'

interface Transaction {
  readonly name: string
  readonly partitions: readonly number[]
  readonly records: number
}

/** What a database holds after these transactions, in the order in which they committed. */
function logOf(transactions: readonly Transaction[]): WaitingRow[] {
  const next = new Map<number, number>()
  return transactions.flatMap(({ name, partitions, records }) =>
    partitions.map((partition) => {
      const first = next.get(partition) ?? 0
      next.set(partition, first + records)
      const [source, topic] = ['orders', 'orders.events']
      const last = first + records - 1
      return { source, topic, partition, first, last, transaction: name, rows: partitions.length }
    }),
  )
}

const namesOf = (taken: readonly (readonly WaitingRow[])[]): string[] => taken.map(([row]) => row?.transaction ?? '')

test('takes transactions in their order up to the cap', () => {
  const log = logOf([
    { name: 'a', partitions: [0, 1], records: 2 },
    { name: 'b', partitions: [1], records: 3 },
    { name: 'c', partitions: [1], records: 3 },
  ])
  assert.deepEqual(namesOf(wholeTransactions(log, 7)), ['a', 'b'])
})

test('one that is larger than the cap goes alone', () => {
  const log = logOf([
    { name: 'large', partitions: [0, 1], records: 50 },
    { name: 'small', partitions: [2], records: 1 },
  ])
  assert.deepEqual(
    wholeTransactions(log, 10).map((rows) => rows.length),
    [2],
  )
})

test('one of which a row lies beyond what was read is left for the next time, with all behind it', () => {
  const log = logOf([
    { name: 'first', partitions: [1], records: 1 },
    { name: 'torn', partitions: [0, 1], records: 1 },
    { name: 'after', partitions: [0], records: 1 },
  ])
  const read = log.filter(({ transaction, partition }) => transaction !== 'torn' || partition === 0)
  assert.deepEqual(namesOf(wholeTransactions(read, 100)), ['first'])
})

const transactions = fc.array(
  fc.record({
    partitions: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
    records: fc.integer({ min: 1, max: 5 }),
  }),
  { minLength: 1, maxLength: 30 },
)

test('whatever is read of any log: never torn, never out of order, and never stuck', () => {
  fc.assert(
    fc.property(transactions, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 6 }), (made, cap, limit) => {
      let left = logOf(made.map((transaction, index) => ({ ...transaction, name: String(index) })))
      const shipped: WaitingRow[] = []
      while (left.length > 0) {
        const read = [0, 1, 2, 3, 4, 5].flatMap((wanted) =>
          left.filter(({ partition }) => partition === wanted).slice(0, limit),
        )
        const taken = wholeTransactions(read, cap)
        assert.ok(taken.length > 0, 'nothing could be taken')
        for (const rows of taken) assert.equal(rows.length, rows[0]?.rows)
        const gone = new Set(taken.flat())
        shipped.push(...taken.flat())
        left = left.filter((row) => !gone.has(row))
      }
      for (const rows of Map.groupBy(shipped, ({ partition }) => partition).values()) {
        let next = 0
        for (const { first, last } of rows) {
          assert.equal(first, next)
          next = last + 1
        }
      }
    }),
  )
})
