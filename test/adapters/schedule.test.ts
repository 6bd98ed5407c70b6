// What only several sessions can show, stepped by hand with the statements that the store ships.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Conflict } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Session } from './schedule-stage.ts'
import { stage, started } from './schedule-stage.ts'
import { append, commit, cursors, declaration, documents, load, log, next, write } from './store-fixture.ts'

suite('schedules: heads', () => {
  test(
    'who locked the head first commits first: the second waits and gets the next number',
    stage(async ({ store, a, b }) => {
      assert.equal(await a.append(0), '0')
      const second = started(b.append(0))
      await b.waits()
      assert.equal(await next(store, 0), 0)
      assert.equal(await a.run('COMMIT'), 'COMMIT')
      assert.equal(await second, '1')
      assert.equal((await log(store, 0)).length, 1)
      await b.run('COMMIT')
      assert.deepEqual(
        (await log(store, 0)).map(({ first }) => first),
        [0, 1],
      )
    }),
  )

  test(
    'who rolls back leaves no gap: the second gets the same number',
    stage(async ({ store, a, b }) => {
      assert.equal(await a.append(0, 1), '0,0')
      const second = started(b.append(0, 1))
      await b.waits()
      await a.run('ROLLBACK')
      assert.equal(await second, '0,0')
      await b.run('COMMIT')
      assert.deepEqual([await next(store, 0), await next(store, 1)], [1, 1])
    }),
  )
})

/** Statements that lock three things, one after the other, in the order in which they are named. */
const lockers: Readonly<Record<string, (session: Session, ...order: readonly (0 | 1 | 2)[]) => Promise<unknown>>> = {
  append: (session, ...order) => session.append(...order),
  save: (session, ...order) => session.save(documents, ...order.map((at) => [letter(at), 2, 'saved'])),
  delete: (session, ...order) => session.remove(...order.map(letter)),
  lock: (session, ...order) => session.lock(...order.map(letter)),
}

function letter(at: 0 | 1 | 2): string {
  return ['a', 'b', 'c'][at] ?? ''
}

suite('schedules: lock order', () => {
  for (const [name, take] of Object.entries(lockers)) {
    test(
      `${name} locks in the order of its rows, whatever plan the database prefers`,
      stage(async ({ a, b, c }) => {
        await take(c, 1)
        const waiting = started(take(a, 0, 1, 2))
        await a.waits()
        // The first is held already, the last is not yet.
        await take(b, 2)
        await b.run('ROLLBACK')
        await b.run('BEGIN')
        const second = started(take(b, 0))
        await b.waits()
        await c.run('ROLLBACK')
        await waiting
        await a.run('ROLLBACK')
        await second
      }),
    )

    test(
      `${name} in sorted order never deadlocks where the other order does`,
      stage(async ({ a, b, c }) => {
        const takeAndGiveBack = async (session: Session, ...order: readonly (0 | 1 | 2)[]): Promise<void> => {
          try {
            await take(session, ...order)
          } finally {
            await session.run('ROLLBACK')
          }
        }
        const meet = async (...order: readonly (0 | 1 | 2)[]): Promise<readonly PromiseSettledResult<unknown>[]> => {
          await take(c, 1)
          const first = started(takeAndGiveBack(a, 0, 1, 2))
          await a.waits()
          const second = started(takeAndGiveBack(b, ...order))
          await b.waits()
          await c.run('ROLLBACK')
          return Promise.allSettled([first, second])
        }
        const sorted = await meet(0, 1, 2)
        assert.deepEqual(
          sorted.map(({ status }) => status),
          ['fulfilled', 'fulfilled'],
        )
        for (const session of [a, b, c]) await session.run('BEGIN')
        const unsorted = await meet(2, 1, 0)
        const failed = unsorted.find((result) => result.status === 'rejected')
        assert.ok(failed?.reason instanceof Conflict)
        assert.match(failed.reason.message, /deadlock detected/)
        assert.equal(unsorted.filter(({ status }) => status === 'fulfilled').length, 1)
      }),
    )
  }
})

suite('schedules: the store', () => {
  test(
    'locks heads in sorted order, whatever the order of the plan',
    stage(async ({ store, a, b }) => {
      await a.append(1)
      const order = [append(2), append(0, { topic: 'shop.commands' }), append(1), append(0)]
      const waiting = started(commit(store, { appends: order.map((one, at) => ({ ...one, body: `[${at}]` })) }))
      const free = async (topic: string, partition: number): Promise<boolean> => {
        const lock = `SELECT 1 FROM shop.heads WHERE topic = '${topic}' AND partition = ${partition} FOR UPDATE NOWAIT`
        await b.run('SAVEPOINT look')
        const found = await b.run(lock).then(() => true, isConflict)
        await b.run('ROLLBACK TO look')
        return found
      }
      await waitFor(async () => !(await free('shop.events', 0)), { withinMs: 500, what: 'it holds the first two' })
      assert.equal(await free('shop.commands', 0), false)
      assert.equal(await free('shop.events', 2), true)
      await a.run('COMMIT')
      assert.deepEqual(await waiting, [0, 0, 1, 0])
      assert.deepEqual((await log(store, 1)).at(-1)?.body, '[2]')
    }),
  )

  test(
    'waits for another and goes on with what that one left, whatever level the database sets',
    stage(async ({ url, a, b }) => {
      await b.run(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable',
        current_database()); END $$`)
      await b.run('COMMIT')
      await a.append(0)
      const reopened = await openPostgres({ url })
      try {
        const second = started(commit(reopened, { appends: [append(0)] }))
        await waitFor(async () => (await b.rows(`SELECT 1 FROM pg_locks WHERE NOT granted`)) === 1, { withinMs: 500 })
        await a.run('COMMIT')
        assert.deepEqual(await second, [1])
      } finally {
        await reopened.close()
      }
    }),
  )
})

suite('schedules: fences', () => {
  test(
    'of two owners of a cursor the second waits, conflicts, and can not commit what it wrote besides',
    stage(async ({ store, a, b }) => {
      await commit(store, { writes: [write(cursors, 'versioned', ['g', 0, 1, 0])] })
      await a.save(cursors, ['g', 0, 2, 5])
      await b.save(documents, ['a', 2, 'the effect of the second'])
      const second = started(b.save(cursors, ['g', 0, 2, 5]))
      await b.waits()
      await a.run('COMMIT')
      await assert.rejects(second, Conflict)
      assert.equal(await b.run('COMMIT'), 'ROLLBACK')
      assert.deepEqual(await load(store, documents, ['a']), [['a', 1, '']])
    }),
  )

  test(
    'a row that does not exist yet is made once: the lock does not hold what is not there, the version does',
    stage(async ({ store, a, b }) => {
      await a.lock('new')
      await b.lock('new')
      await a.save(documents, ['new', 1, 'five'])
      const second = started(b.save(documents, ['new', 1, 'seven']))
      await b.waits()
      await a.run('COMMIT')
      await assert.rejects(second, Conflict)
      assert.equal(await b.run('COMMIT'), 'ROLLBACK')
      assert.deepEqual(await load(store, documents, ['new']), [['new', 1, 'five']])
    }),
  )

  test(
    'where the first gives up, the second makes the row',
    stage(async ({ store, a, b }) => {
      await a.save(documents, ['new', 1, 'five'])
      const second = started(b.save(documents, ['new', 1, 'seven']))
      await b.waits()
      await a.run('ROLLBACK')
      await second
      assert.equal(await b.run('COMMIT'), 'COMMIT')
      assert.deepEqual(await load(store, documents, ['new']), [['new', 1, 'seven']])
    }),
  )

  test(
    'a save that waits for a delete does not bring the row back',
    stage(async ({ store, a, b }) => {
      await a.remove('a')
      const second = started(b.save(documents, ['a', 2, 'back']))
      await b.waits()
      await a.run('COMMIT')
      await assert.rejects(second, Conflict)
      await b.run('COMMIT')
      assert.deepEqual(await load(store, documents, ['a']), [])
    }),
  )

  test(
    'a delete that waits for a save conflicts, and deletes nothing',
    stage(async ({ store, a, b }) => {
      await a.save(documents, ['b', 2, 'saved'])
      const second = started(b.remove('a', 'b', 'c'))
      await b.waits()
      await a.run('COMMIT')
      await assert.rejects(second, Conflict)
      await b.run('COMMIT')
      assert.equal((await load(store, documents, ['a'], ['b'], ['c'])).length, 3)
    }),
  )
})

suite('schedules: stopped processes', () => {
  test('a process that stands still in a batch loses its session, and others go on', async () => {
    const url = await sharedPostgres()
    const [still, going] = [await openPostgres({ url }), await openPostgres({ url })]
    try {
      await still.migrate([declaration])
      await commit(still, { writes: [write(documents, 'versioned', ['a', 1, 'one'])] })
      const holder = await still.begin([{ table: documents, keys: [['a']] }])
      const save = { writes: [write(documents, 'versioned', ['a', 2, 'two'])], appends: [append(0)] }
      await assert.rejects(commit(going, save), Conflict)
      await waitFor(() => commit(going, save).then(() => true, isConflict), { withinMs: 4000, what: 'the row is free' })
      const late = holder.commit({ ...save, appendedAt: 1, transaction: 1 })
      await assert.rejects(late, Conflict)
      await holder.release()
      assert.equal(await next(going, 0), 1)
      // The session that was lost is replaced.
      assert.equal((await load(still, documents, ['a']))[0]?.[1], 2)
    } finally {
      await still.close()
      await going.close()
    }
  })
})

function isConflict(error: unknown): false {
  assert.ok(error instanceof Conflict)
  return false
}
