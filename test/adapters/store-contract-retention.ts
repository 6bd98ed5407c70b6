// The store's contract: how the oldest rows of a log go, and what stays whatever is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Conflict } from '../../src/platform/ports.ts'
import type { LogTrim, Store } from '../../src/platform/ports.ts'
import { append, commit, log, tableOf, write } from './store-fixture.ts'
import type { Use } from './store-fixture.ts'

const TIMES = [100, 200, 300, 400]

/** Rows of 3 records each, appended at 100, 200, 300 and 400, and as many in the partition beside it. */
async function fill(store: Store): Promise<void> {
  for (const appendedAt of TIMES) {
    await commit(store, { appendedAt, transaction: appendedAt, appends: [append(1, { count: 3 }), append(2)] })
  }
}

/** The log as a table, for a test that damages it. */
const logRows = tableOf('log', 3, [
  { name: 'topic', type: 'text' },
  { name: 'partition', type: 'integer' },
  { name: 'last', type: 'integer' },
])

function trim(changes: Partial<LogTrim> = {}): LogTrim {
  const all = { below: 1000, before: 1000, limitRows: 1000 }
  return { topic: 'shop.events', partition: 1, incarnation: 1, ...all, ...changes }
}

const bounds = async (store: Store, partition: number): Promise<readonly unknown[]> => {
  const heads = await store.heads('shop')
  const head = heads.find((each) => each.topic === 'shop.events' && each.partition === partition)
  return [head?.first, head?.next]
}

const kept = async (store: Store): Promise<readonly number[]> => (await log(store, 1)).map(({ first }) => first)

export function retentionTests(use: Use): void {
  test(
    'the oldest rows go, and their head says from where on the log is kept',
    use(async (store, other) => {
      await fill(store)
      assert.deepEqual(await bounds(store, 1), [0, 12])
      assert.deepEqual(await store.trimLog('shop', trim({ before: 300 })), { rows: 2, records: 6 })
      assert.deepEqual(
        [await kept(other), await bounds(other, 1)],
        [
          [6, 9],
          [6, 12],
        ],
      )
      assert.deepEqual([(await log(store, 2)).length, await bounds(store, 2)], [4, [0, 4]])
      const transactions = (await store.readTransactions('shop', TIMES)).filter(({ partition }) => partition === 1)
      assert.deepEqual(
        transactions.map(({ transaction }) => transaction),
        [300, 400],
      )
    }),
  )

  test(
    'a row stays when a record in it is needed, when it is too young, and when there are too many',
    use(async (store) => {
      await fill(store)
      const cases: readonly [Partial<LogTrim>, readonly number[]][] = [
        [{ below: 0 }, [0, 3, 6, 9]],
        [{ below: 2 }, [0, 3, 6, 9]],
        [{ before: 100 }, [0, 3, 6, 9]],
        [{ below: 5 }, [3, 6, 9]],
        [{ limitRows: 1 }, [6, 9]],
        [{ before: 301, limitRows: 2 }, [9]],
      ]
      for (const [changes, expected] of cases) {
        await store.trimLog('shop', trim(changes))
        assert.deepEqual(await kept(store), expected, JSON.stringify(changes))
      }
      assert.deepEqual(await bounds(store, 1), [9, 12])
    }),
  )

  test(
    'a log of which nothing is left goes on with its numbers',
    use(async (store) => {
      await fill(store)
      assert.deepEqual(await store.trimLog('shop', trim()), { rows: 4, records: 12 })
      assert.deepEqual([await kept(store), await bounds(store, 1)], [[], [12, 12]])
      assert.deepEqual(await store.trimLog('shop', trim()), { rows: 0, records: 0 })
      assert.deepEqual(await commit(store, { appends: [append(1, { count: 2 })] }), [12])
      assert.deepEqual([await kept(store), await bounds(store, 1)], [[12], [12, 14]])
    }),
  )

  test(
    'under another incarnation nothing goes',
    use(async (store) => {
      await fill(store)
      await assert.rejects(store.trimLog('shop', trim({ incarnation: 2 })), Conflict)
      assert.deepEqual(
        [await kept(store), await bounds(store, 1)],
        [
          [0, 3, 6, 9],
          [0, 12],
        ],
      )
    }),
  )

  test(
    'where the oldest record is missing nothing goes: a gap stays one',
    use(async (store) => {
      await fill(store)
      await commit(store, { writes: [write(logRows, 'delete', ['shop.events', 1, 2])] })
      await assert.rejects(store.trimLog('shop', trim()), Conflict)
      assert.deepEqual(
        [await kept(store), await bounds(store, 1)],
        [
          [3, 6, 9],
          [0, 12],
        ],
      )
    }),
  )

  test(
    'of two that delete at once each row goes once, and appends go on beside them',
    use(async (store, other) => {
      await fill(store)
      const trims = [store, other, store, other].map((each) => each.trimLog('shop', trim({ limitRows: 2 })))
      const appends = [store, other].map((each) => commit(each, { appendedAt: 2000, appends: [append(1)] }))
      const results = await Promise.allSettled(trims)
      await Promise.all(appends)
      for (const result of results) if (result.status === 'rejected') assert.ok(result.reason instanceof Conflict)
      const records = results.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value.records : 0), 0)
      const [first, next] = await bounds(store, 1)
      assert.deepEqual([first, next], [records, 14])
      assert.ok(records === 6 || records === 12, `${records} records went`)
      assert.equal((await kept(store))[0], first)
    }),
  )
}
