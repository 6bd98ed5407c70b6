// The store's contract: how the log grows, alone and with several writers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadData, Conflict } from '../../src/platform/ports.ts'
import type { Store, Write } from '../../src/platform/ports.ts'
import { append, commit, cursors, documents, lines, load, log, next, tags, write } from './store-fixture.ts'
import type { Use } from './store-fixture.ts'

export function logTests(use: Use): void {
  test(
    'appends get the next numbers of their partitions, in the order of the plan',
    use(async (store) => {
      const commands = { topic: 'shop.commands', count: 7 }
      assert.deepEqual(await commit(store, { appends: [append(3, { count: 3 }), append(1, { count: 2 })] }), [0, 0])
      assert.deepEqual(await commit(store, { appends: [append(1), append(0, commands), append(3)] }), [2, 0, 3])
      const ranges = [
        { topic: 'shop.events', partition: 1, from: 0 },
        { topic: 'shop.commands', partition: 0, from: 0 },
      ]
      const rows = await store.readLog('shop', ranges, 10)
      assert.deepEqual(
        rows.map(({ topic, partition, first, last }) => [topic, partition, first, last]),
        [
          ['shop.events', 1, 0, 1],
          ['shop.events', 1, 2, 2],
          ['shop.commands', 0, 0, 6],
        ],
      )
    }),
  )

  test(
    'a row that straddles the cursor is returned whole',
    use(async (store) => {
      for (const count of [3, 5, 2]) await commit(store, { appends: [append(0, { count, body: `[${count}]` })] })
      assert.deepEqual(
        (await log(store, 0, 5)).map(({ first, last, body }) => [first, last, body]),
        [
          [3, 7, '[5]'],
          [8, 9, '[2]'],
        ],
      )
      assert.equal((await log(store, 0, 7)).length, 2)
      assert.equal((await log(store, 0, 8)).length, 1)
      assert.deepEqual(await log(store, 0, 10), [])
      const limited = await store.readLog('shop', [{ topic: 'shop.events', partition: 0, from: 1 }], 2)
      assert.deepEqual(
        limited.map(({ first }) => first),
        [0, 3],
      )
    }),
  )

  test(
    'another expected number, generation or incarnation conflicts and leaves nothing at all',
    use(async (store) => {
      await commit(store, { appends: [append(1, { count: 4 })] })
      for (const wrong of [{ expected: 3 }, { expected: 5 }, { expected: 0 }, { generation: 2 }, { incarnation: 2 }]) {
        const appends = [append(0), append(1, wrong), append(2)]
        const writes = [write(documents, 'versioned', ['a', 1, 'lost'])]
        await assert.rejects(commit(store, { writes, appends }), Conflict, JSON.stringify(wrong))
      }
      assert.deepEqual(await load(store, documents, ['a']), [])
      assert.deepEqual([await next(store, 0), await next(store, 1), await next(store, 2)], [0, 4, 0])
      assert.deepEqual([await log(store, 0), await log(store, 2)], [[], []])
      assert.deepEqual(await commit(store, { appends: [append(1, { expected: 4 })] }), [4])
    }),
  )

  test(
    'a topic or partition that was never declared is a mistake, no conflict, and makes no head',
    use(async (store) => {
      for (const wrong of [append(4), append(0, { topic: 'shop.unknown' })]) {
        const writes = [write(documents, 'versioned', ['a', 1, 'lost'])]
        const error = await commit(store, { writes, appends: [append(0), wrong] }).catch((error: unknown) => error)
        assert.ok(error instanceof Error && error.name === 'Error', String(error))
        assert.match(error.message, /never declared/)
      }
      assert.equal((await store.heads('shop')).length, 6)
      assert.equal(await next(store, 0), 0)
    }),
  )

  test(
    'the time of a partition never falls',
    use(async (store) => {
      for (const appendedAt of [1000, 400, 1200, 1100]) await commit(store, { appendedAt, appends: [append(0)] })
      assert.deepEqual(
        (await log(store, 0)).map(({ appendedAt }) => appendedAt),
        [1000, 1000, 1200, 1200],
      )
      await commit(store, { appendedAt: 5, appends: [append(1)] })
      assert.equal((await log(store, 1))[0]?.appendedAt, 5)
    }),
  )

  test(
    'the rows of a transaction are found by its number',
    use(async (store) => {
      await commit(store, { transaction: 71, appends: [append(0), append(2)] })
      await commit(store, { transaction: 72, appends: [append(0)] })
      await commit(store, { transaction: 2 ** 52, appends: [append(0), append(0, { topic: 'shop.commands' })] })
      const rows = await store.readTransactions('shop', [71, 2 ** 52, 99])
      const found = rows.map(({ topic, partition, first, transaction }) => [
        `${topic}/${partition}/${first}`,
        transaction,
      ])
      assert.deepEqual(Object.fromEntries(found), {
        'shop.commands/0/0': 2 ** 52,
        'shop.events/0/0': 71,
        'shop.events/0/2': 2 ** 52,
        'shop.events/2/0': 71,
      })
      assert.deepEqual(await store.readTransactions('shop', []), [])
    }),
  )

  test(
    'whatever fails, nothing of the batch stays',
    use(async (store) => {
      await commit(store, { writes: [write(documents, 'versioned', ['here', 1, 'one'])] })
      const fails: readonly Write[] = [
        write(documents, 'versioned', ['here', 3, 'two']),
        write(documents, 'insert', ['here', 1, 'two']),
        write(documents, 'delete', ['gone']),
        write(documents, 'insert', ['new', 1, null]),
      ]
      for (const failing of fails) {
        const writes = [write(lines, 'insert', ['o1', 1, 1, 'lost']), write(tags, 'upsert', ['o1', 'lost']), failing]
        const error = await commit(store, { writes, appends: [append(0)] }).catch((error: unknown) => error)
        assert.ok(error instanceof Conflict || error instanceof BadData, String(error))
        assert.deepEqual([await load(store, lines, ['o1', 1]), await load(store, tags, ['o1', 'lost'])], [[], []])
        assert.deepEqual([await next(store, 0), await load(store, documents, ['here'])], [0, [['here', 1, 'one']]])
      }
    }),
  )
}

/** Runs the batch again as often as somebody else was first, as the runtime does. */
async function untilCommitted(batch: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    try {
      await batch()
      return
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
    }
  }
  throw new Error('500 conflicts in a row')
}

const fulfilled = (results: readonly PromiseSettledResult<unknown>[]): number =>
  results.filter(({ status }) => status === 'fulfilled').length

const conflicts = (results: readonly PromiseSettledResult<unknown>[]): number =>
  results.filter((result) => result.status === 'rejected' && result.reason instanceof Conflict).length

export function concurrencyTests(use: Use): void {
  test(
    'numbers have no gaps and follow the order of commits, whoever appends',
    use(async (store, other) => {
      const batches = Array.from({ length: 60 }, (_, at) => {
        const appends = [
          append(at % 4, { count: 1 + (at % 3) }),
          append((at + 1) % 4),
          append(at % 2, { topic: 'shop.commands' }),
        ]
        return { appends, transaction: at }
      })
      await Promise.all(batches.map((plan, at) => untilCommitted(() => commit(at % 2 === 0 ? store : other, plan))))
      for (const partition of [0, 1, 2, 3]) {
        const rows = await log(store, partition)
        assert.equal(rows.length, 30)
        for (const [at, row] of rows.entries()) assert.equal(row.first, at === 0 ? 0 : (rows[at - 1]?.last ?? 0) + 1)
        assert.equal(await next(store, partition), (rows.at(-1)?.last ?? 0) + 1)
      }
    }),
  )

  test(
    'the log tells the changes of a key in the order in which they happened',
    use(async (store, other) => {
      const change = async (handle: Store): Promise<void> => {
        const [row] = await load(handle, documents, ['hot'])
        const version = Number(row?.[1] ?? 0) + 1
        const writes = [write(documents, 'versioned', ['hot', version, 'state'])]
        await commit(handle, { writes, appends: [append(2, { body: `[${version}]` })] })
      }
      const handles = [store, other, store, other]
      await Promise.all(
        handles.map(async (handle) => {
          for (let time = 0; time < 10; time += 1) await untilCommitted(() => change(handle))
        }),
      )
      const bodies = (await log(store, 2)).map(({ body }) => body)
      assert.deepEqual(
        bodies,
        Array.from({ length: 40 }, (_, at) => `[${at + 1}]`),
      )
    }),
  )

  test(
    'a cursor is a fence: of two owners that handle the same records one loses, with all its effects',
    use(async (store, other) => {
      await commit(store, { writes: [write(cursors, 'insert', ['billing', 0, 1, 0])] })
      const handle = (handle: Store, key: string): Promise<unknown> => {
        const effect = write(documents, 'versioned', [key, 1, 'charged'])
        return commit(handle, {
          writes: [write(cursors, 'versioned', ['billing', 0, 2, 10]), effect],
          appends: [append(0)],
        })
      }
      const results = await Promise.allSettled([handle(store, 'mine'), handle(other, 'yours')])
      assert.deepEqual([fulfilled(results), conflicts(results)], [1, 1])
      assert.equal((await load(store, documents, ['mine'], ['yours'])).length, 1)
      assert.equal(await next(store, 0), 1)
    }),
  )

  test(
    'of two that create the same row one loses',
    use(async (store, other) => {
      for (const round of [1, 2, 3, 4, 5]) {
        const create = (handle: Store, state: string): Promise<unknown> =>
          commit(handle, { writes: [write(documents, 'versioned', [`new ${round}`, 1, state])], appends: [append(0)] })
        const results = await Promise.allSettled([create(store, 'five'), create(other, 'seven')])
        assert.deepEqual([fulfilled(results), conflicts(results)], [1, 1])
      }
      assert.equal(await next(store, 0), 5)
    }),
  )
}
