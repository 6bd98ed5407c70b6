// The store's contract: how rows are written, and that values come back as they were.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadData, Conflict } from '../../src/platform/ports.ts'
import type { Row, Write } from '../../src/platform/ports.ts'
import { append, commit, documents, lines, load, log, next, tags, write } from './store-fixture.ts'
import type { Features, Use } from './store-fixture.ts'

export function rowTests(use: Use): void {
  test(
    'a versioned row is saved over the version before it, and over no other',
    use(async (store) => {
      await commit(store, { writes: [write(documents, 'versioned', ['a', 1, 'one'], ['b', 1, 'one'])] })
      await commit(store, { writes: [write(documents, 'versioned', ['a', 2, 'two'], ['c', 1, 'one'])] })
      for (const version of [1, 2, 4]) {
        const stale = write(documents, 'versioned', ['a', version, 'lost'], ['b', 2, 'lost'])
        await assert.rejects(commit(store, { writes: [stale] }), Conflict)
      }
      assert.deepEqual(await load(store, documents, ['a'], ['b'], ['c'], ['d']), [
        ['a', 2, 'two'],
        ['b', 1, 'one'],
        ['c', 1, 'one'],
      ])
    }),
  )

  test(
    'a row that somebody deleted does not come back by a save',
    use(async (store, other) => {
      await commit(store, { writes: [write(documents, 'versioned', ['a', 1, 'one'])] })
      await commit(other, { writes: [write(documents, 'delete', ['a'])] })
      await assert.rejects(commit(store, { writes: [write(documents, 'versioned', ['a', 2, 'two'])] }), Conflict)
      assert.deepEqual(await load(store, documents, ['a']), [])
    }),
  )

  test(
    'one plan may save, save again, and delete',
    use(async (store) => {
      const writes = [1, 2, 3].map((version) => write(documents, 'versioned', ['a', version, 'a'], ['b', version, 'b']))
      await commit(store, { writes: [...writes, write(documents, 'delete', ['a'])] })
      assert.deepEqual(await load(store, documents, ['a'], ['b']), [['b', 3, 'b']])
    }),
  )

  test(
    'an insert of a known key conflicts and changes nothing',
    use(async (store) => {
      await commit(store, { writes: [write(lines, 'insert', ['o1', 1, 5, 'first'])] })
      const again = write(lines, 'insert', ['o1', 0, 1, 'new'], ['o1', 1, 9, 'again'])
      await assert.rejects(commit(store, { writes: [again] }), Conflict)
      assert.deepEqual(await load(store, lines, ['o1', 0], ['o1', 1]), [['o1', 1, 5, 'first']])
    }),
  )

  test(
    'a delete of a missing key conflicts and deletes nothing',
    use(async (store) => {
      await commit(store, { writes: [write(lines, 'insert', ['o1', 1, 5, 'a'], ['o1', 2, 5, 'b'], ['o2', 1, 5, 'c'])] })
      await assert.rejects(commit(store, { writes: [write(lines, 'delete', ['o1', 1], ['o1', 3])] }), Conflict)
      await commit(store, { writes: [write(lines, 'delete', ['o1', 2], ['o2', 1])] })
      assert.deepEqual(await load(store, lines, ['o1', 1], ['o1', 2], ['o2', 1]), [['o1', 1, 5, 'a']])
    }),
  )

  test(
    'an upsert makes or replaces, also in a table of keys alone',
    use(async (store) => {
      await commit(store, { writes: [write(lines, 'upsert', ['o1', 1, 5, 'a']), write(tags, 'upsert', ['o1', 'red'])] })
      const replaced = write(lines, 'upsert', ['o1', 1, 6, null], ['o1', 2, 7, 'b'])
      await commit(store, { writes: [replaced, write(tags, 'upsert', ['o1', 'blue'], ['o1', 'red'])] })
      assert.deepEqual(await load(store, lines, ['o1', 1], ['o1', 2]), [
        ['o1', 1, 6, null],
        ['o1', 2, 7, 'b'],
      ])
      assert.equal((await load(store, tags, ['o1', 'red'], ['o1', 'blue'], ['o1', 'green'])).length, 2)
    }),
  )

  test(
    'an upsert of some columns leaves the others of a row that exists as they are',
    use(async (store) => {
      const upsert = (...rows: readonly Row[]): Write => ({ ...write(lines, 'upsert', ...rows), sets: ['quantity'] })
      await commit(store, { writes: [write(lines, 'insert', ['o1', 1, 5, 'kept'])] })
      await commit(store, { writes: [upsert(['o1', 1, 6, 'lost'], ['o1', 2, 7, 'new'])] })
      assert.deepEqual(await load(store, lines, ['o1', 1], ['o1', 2]), [
        ['o1', 1, 6, 'kept'],
        ['o1', 2, 7, 'new'],
      ])
    }),
  )

  test(
    'composite keys are loaded by all their parts',
    use(async (store) => {
      const rows = ['o1', 'o2'].flatMap((order) => [1, 2, 3].map((line) => [order, line, line, order]))
      await commit(store, { writes: [write(lines, 'insert', ...rows)] })
      assert.deepEqual(await load(store, lines, ['o2', 1], ['o1', 3], ['o3', 1], ['o2', 4]), [
        ['o1', 3, 3, 'o1'],
        ['o2', 1, 1, 'o2'],
      ])
      assert.deepEqual(await load(store, lines), [])
    }),
  )

  test(
    'what is given up leaves nothing, and may be given up twice',
    use(async (store) => {
      const transaction = await store.begin()
      await transaction.load(documents, [['a']])
      await transaction.release()
      await transaction.release()
      const failing = await store.begin()
      const plan = { writes: [write(documents, 'delete', ['a'])], appends: [], appendedAt: 1, transaction: 1 }
      await assert.rejects(failing.commit(plan), Conflict)
      await failing.release()
      assert.deepEqual(await commit(store, {}), [])
    }),
  )
}

const TRICKY = [
  '',
  ' ',
  'NULL',
  'null',
  '{}',
  '{"a":"\\\\"}',
  "it's",
  'a,b',
  '\\',
  '"',
  'ä€😀',
  '\n\t\r',
  '\u007f',
  '$1 ? %s',
]

export function valueTests(use: Use, { refusesNul }: Features): void {
  test(
    'texts come back byte by byte, as keys, cells and bodies',
    use(async (store) => {
      const rows = TRICKY.map((text, at): Row => [text, at, at, text]).toSorted((a, b) =>
        String(a[0]) < String(b[0]) ? -1 : 1,
      )
      const appends = [append(0, { body: TRICKY.join('') })]
      await commit(store, { writes: [write(lines, 'insert', ...rows)], appends })
      const keys = rows.map(([order, line]): Row => [order ?? null, line ?? null])
      const loaded = await load(store, lines, ...keys)
      assert.deepEqual(
        loaded.toSorted((a, b) => Number(a[1]) - Number(b[1])),
        TRICKY.map((text, at) => [text, at, at, text]),
      )
      assert.equal((await log(store, 0))[0]?.body, TRICKY.join(''))
    }),
  )

  test(
    'integers up to the last exact one, and nothing, come back as they were',
    use(async (store) => {
      const integers = [0, -1, 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), null]
      const rows = integers.map((quantity, at) => ['o', at, quantity, null])
      await commit(store, { writes: [write(lines, 'insert', ...rows)] })
      assert.deepEqual(
        await load(store, lines, ...rows.map(([order, line]): Row => [order ?? null, line ?? null])),
        rows,
      )
      const huge = write(documents, 'versioned', ['a', 1, 'one'])
      await commit(store, { writes: [huge], appends: [append(0, { count: 2 ** 31 })], appendedAt: 2 ** 52 })
      assert.equal(await next(store, 0), 2 ** 31)
    }),
  )

  test(
    'a cell that must not be empty refuses nothing',
    use(async (store) => {
      const plan = { writes: [write(documents, 'versioned', ['a', 1, null])] }
      await assert.rejects(commit(store, plan), BadData)
    }),
  )

  test(
    'U+0000 is refused where the database can not hold it',
    use(async (store) => {
      const plan = { writes: [write(documents, 'versioned', ['a', 1, 'before\0after'])], appends: [append(0)] }
      if (refusesNul) {
        await assert.rejects(commit(store, plan), BadData)
        assert.equal(await next(store, 0), 0)
        return
      }
      await commit(store, plan)
      assert.deepEqual(await load(store, documents, ['a']), [['a', 1, 'before\0after']])
    }),
  )

  test(
    'a thousand rows and half a megabyte go in one batch',
    use(async (store) => {
      const rows = Array.from({ length: 1000 }, (_, at): Row => [
        `key ${String(at).padStart(4, '0')}`,
        1,
        `state ${at}`,
      ])
      const body = JSON.stringify(Array.from({ length: 4000 }, (_, at) => ({ at, text: 'half a megabyte '.repeat(7) })))
      assert.ok(body.length > 512 * 1024)
      await commit(store, {
        writes: [write(documents, 'versioned', ...rows)],
        appends: [append(0, { count: 4000, body })],
      })
      const loaded = await load(store, documents, ...rows.map(([key]): Row => [key ?? null]))
      assert.deepEqual(loaded, rows)
      assert.equal((await log(store, 0, 3999))[0]?.body, body)
      const keys = rows.map(([key]): Row => [key ?? null])
      await commit(store, { writes: [write(documents, 'delete', ...keys)] })
      assert.deepEqual(await load(store, documents, ...keys), [])
    }),
  )
}
