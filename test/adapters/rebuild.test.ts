// Rebuilds beside the live table, on each store: while orders come in, through stops, crashes and lost answers.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Clock, Store } from '../../src/platform/ports.ts'
import { OLD_TABLE_LIFE_MS } from '../../src/platform/rebuild/old-tables.ts'
import { ProjectionUnknown } from '../../src/platform/rebuild/rebuilds.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { systemClock } from '../../src/platform/system.ts'
import type { FaultyStore } from '../../src/testing/faulty-store.ts'
import { faultyStore } from '../../src/testing/faulty-store.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyShop } from '../../src/testing/toy-shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Shop } from './rebuild-shop.ts'
import { MANY, ORDER_LIST, WITHIN, advanceCursors, appendConfirmed, appendRecords, cursorsOf } from './rebuild-shop.ts'
import { isEnded, overwrite, phase, rebuilt, rowsOf, save, tableOf } from './rebuild-shop.ts'

interface Place {
  open(): Promise<Store>
  remove(): void
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  SQLite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-rebuild-'))
    return {
      open: async () => openSqlite({ path: join(folder, 'lonja.db') }),
      remove: () => rmSync(folder, { recursive: true, force: true }),
    }
  },
  PostgreSQL: async () => {
    const url = await sharedPostgres()
    return { open: () => openPostgres({ url }), remove: () => undefined }
  },
}

type Make = () => Promise<Place>

/** Starts a shop on a database of the test's own; what it restarts it stops itself. */
const usedWith =
  (make: Make) =>
  (work: (shop: Shop, store: FaultyStore, place: Place) => Promise<void>) =>
  async (): Promise<void> => {
    const place = await make()
    const store = faultyStore(await place.open())
    const shop = await startToyShop({ store })
    try {
      await work(shop, store, place)
    } finally {
      await shop.stop()
      place.remove()
    }
  }

function rebuildTests(make: Make): void {
  const use = usedWith(make)

  test(
    'the rebuilt table takes the place of the live one, and is the same',
    use(async (shop, store) => {
      for (const id of ['a', 'b', 'c']) await shop.place(id, 3)
      await shop.lonja.settled()
      const before = await shop.statuses()
      const ended = await rebuilt(shop.lonja)
      assert.deepEqual(ended.report, { comparedRows: 3, differences: 0, named: [] })
      assert.deepEqual([ended.live, ended.building, ended.percent], [2, null, 100])
      assert.deepEqual(await shop.statuses(), before)
      assert.equal((await rowsOf(store, 'order_list_2')).length, 3)
      await shop.place('d', 1)
      await shop.lonja.settled()
      assert.equal((await shop.statuses())['d'], 'confirmed')
      assert.equal((await rowsOf(store, 'order_list')).length, 3, 'the old table stands still')
    }),
  )

  test(
    'orders and reads go on while the table is rebuilt, none fails, and nothing is missing afterwards',
    use(async (shop) => {
      await appendConfirmed(shop, MANY)
      const reading = endless(async () => {
        assert.ok(Object.keys(await shop.statuses()).length >= MANY, 'a read missed rows')
      })
      let placed = 0
      const placing = endless(async () => {
        placed += 1
        await shop.place(`live-${placed}`, 1)
      })
      for (let round = 0; round < 3; round += 1) {
        const { report } = await rebuilt(shop.lonja)
        assert.equal(report?.differences, 0)
      }
      await Promise.all([reading.end(), placing.end()])
      await shop.lonja.settled()
      await rebuilt(shop.lonja)
      const statuses = await shop.statuses()
      assert.ok(placed > 3, `only ${placed} orders came in meanwhile`)
      assert.equal(Object.keys(statuses).length, MANY + placed)
    }),
  )

  test(
    'a row that was falsified by hand is found, named and mended',
    use(async (shop, store) => {
      for (const id of ['a', 'b', 'c', 'd']) await shop.place(id, 2)
      await shop.lonja.settled()
      await overwrite(store, 1, [
        ['a', 'lost', 2],
        ['x', 'placed', 1],
      ])
      await save(store, [{ table: tableOf(1), mode: 'delete', rows: [['b']] }])
      const { report } = await rebuilt(shop.lonja)
      assert.equal(report?.differences, 3)
      assert.deepEqual(report?.named, [
        { key: ['a'], columns: ['status'] },
        { key: ['x'], columns: ['status', 'events'] },
        { key: ['b'], columns: ['status', 'events'] },
      ])
      assert.deepEqual(Object.keys(await shop.statuses()), ['a', 'b', 'c', 'd'])
    }),
  )
}

function failureTests(make: Make): void {
  const use = usedWith(make)

  test(
    'a rebuild that is stopped is gone on with by the next process from where it stood',
    use(async (shop, store, place) => {
      await appendConfirmed(shop, MANY)
      await shop.lonja.rebuilds.start(ORDER_LIST)
      await phase(shop.lonja, ({ done }) => done > 0)
      await shop.lonja.stop()
      const other = await startToyShop({ store: await place.open() })
      const first = await other.lonja.rebuilds.status(ORDER_LIST)
      assert.equal(first.phase, 'filling')
      const ended = await phase(other.lonja, isEnded)
      assert.equal(ended.phase, 'done')
      assert.equal(ended.report?.comparedRows, MANY)
      assert.ok((await cursorsOf(store, 'shop.order_list#2')).length === 0, 'cursors of the build are left behind')
      await other.stop()
    }),
  )

  test(
    'conflicts, outages and lost answers are waited for, and no record is folded twice',
    use(async (shop, store) => {
      await appendConfirmed(shop, MANY)
      await shop.lonja.settled()
      await shop.lonja.rebuilds.start(ORDER_LIST)
      store.failNext('conflict', 'lost after', 'lost before', 'unavailable')
      const { phase: end, report } = await phase(shop.lonja, isEnded)
      assert.equal(end, 'done')
      assert.deepEqual([report?.comparedRows, report?.differences], [MANY, 0])
      const rows = await rowsOf(store, 'order_list_2')
      assert.ok(rows.every(({ events }) => events === 1))
    }),
  )

  test(
    'a swap whose answer is lost is found to have happened',
    use(async (shop, store) => {
      await shop.place('a', 1)
      await shop.lonja.settled()
      await shop.lonja.rebuilds.start(ORDER_LIST)
      // The first commit after the pointer's is the one chunk, the second the swap.
      store.failNext('lost after', 'lost after')
      const { phase: end, live } = await phase(shop.lonja, isEnded)
      assert.deepEqual([end, live], ['done', 2])
      await shop.place('b', 1)
      await shop.lonja.settled()
      assert.deepEqual(await shop.statuses(), { a: 'confirmed', b: 'confirmed' })
    }),
  )

  test(
    'an aborted rebuild leaves nothing behind, and the next one has a number of its own',
    use(async (shop, store) => {
      await appendConfirmed(shop, MANY)
      await shop.lonja.rebuilds.start(ORDER_LIST)
      await phase(shop.lonja, ({ done }) => done > 0)
      assert.equal(await shop.lonja.rebuilds.abort(ORDER_LIST), true)
      assert.equal(await shop.lonja.rebuilds.abort(ORDER_LIST), false)
      const { phase: end, live, building } = await shop.lonja.rebuilds.status(ORDER_LIST)
      assert.deepEqual([end, live, building], ['aborted', 1, null])
      await assert.rejects(rowsOf(store, 'order_list_2'))
      assert.deepEqual(await cursorsOf(store, 'shop.order_list#2'), [])
      const ended = await rebuilt(shop.lonja)
      assert.equal(ended.live, 4)
      assert.equal(ended.report?.differences, 0)
    }),
  )

  test(
    'a fold that throws ends the rebuild with a sentence, and the live table stays',
    use(async (shop, store) => {
      await shop.place('a', 1)
      await shop.lonja.settled()
      // The log as no contract would write it: the fold asks the row of an order that has no id.
      await appendRecords(store, [{ type: 'Confirmed', key: 'z', data: null, cause: 'test' }])
      await advanceCursors(store)
      const { phase: end, problem } = await rebuilt(shop.lonja, 'failed')
      assert.equal(end, 'failed')
      assert.match(String(problem), /Confirmed|null/)
      assert.deepEqual(await shop.statuses(), { a: 'confirmed' })
    }),
  )

  test(
    'an unknown projection is refused by name',
    use(async (shop) => {
      await assert.rejects(shop.lonja.rebuilds.start('shop.nothing'), (error) => {
        return error instanceof ProjectionUnknown && error.message.includes(ORDER_LIST)
      })
      assert.deepEqual(shop.lonja.rebuilds.names, [ORDER_LIST])
      assert.equal((await shop.lonja.rebuilds.status('order_list')).phase, 'none')
    }),
  )

  test('the old table lives another minute, and is found again after a restart', async () => {
    const place = await make()
    const store = await place.open()
    const clock = minutes()
    const shop = await startToyShop({ store, clock })
    await shop.place('a', 1)
    await shop.lonja.settled()
    await rebuilt(shop.lonja)
    await waitFor(() => clock.waiting() > 0, WITHIN)
    assert.equal((await rowsOf(store, 'order_list')).length, 1)
    await shop.lonja.stop()

    const next = await startToyShop({ store: await place.open(), clock })
    await waitFor(() => clock.waiting() > 0, WITHIN)
    assert.equal((await rowsOf(store, 'order_list')).length, 1)
    clock.pass()
    await waitFor(
      () =>
        rowsOf(store, 'order_list').then(
          () => false,
          () => true,
        ),
      WITHIN,
    )
    assert.deepEqual(await next.statuses(), { a: 'confirmed' })
    await next.stop()
    await store.close()
    place.remove()
  })
}

/** Runs the work again and again until it is ended; fails when the work fails. */
function endless(work: () => Promise<void>): { end(): Promise<void> } {
  const state = { isEnding: false }
  const running = (async () => {
    while (!state.isEnding) {
      await work()
      await new Promise((resolve) => void setImmediate(resolve))
    }
  })()
  running.catch(() => undefined)
  return {
    end: () => {
      state.isEnding = true
      return running
    },
  }
}

/** The machine's clock, but for waits of a minute: those are over when the test says so. */
function minutes(): Clock & { waiting(): number; pass(): void } {
  const calls = new Set<() => void>()
  return {
    now: () => systemClock.now(),
    after: (delayMs, call) => {
      if (delayMs !== OLD_TABLE_LIFE_MS) return systemClock.after(delayMs, call)
      calls.add(call)
      return () => calls.delete(call)
    },
    waiting: () => calls.size,
    pass: () => {
      for (const call of calls) call()
      calls.clear()
    },
  }
}

for (const [name, make] of Object.entries(places)) {
  suite(`rebuild on ${name}`, () => rebuildTests(make))
  suite(`rebuild through failures on ${name}`, () => failureTests(make))
}
