// What every store must do: the suite runs on each adapter, and an adapter admits in `features` what it can't do.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BadData, Conflict, SchemaTooNew } from '../../src/platform/ports.ts'
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

function tableOf(name: string, keyWidth: number, fields: readonly Field[]): Table {
  const columns = fields.map(({ nullable = false, ...field }) => ({ ...field, nullable }))
  return { schema: 'shop', name, columns, keyWidth, indexes: [] }
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
export const tags: Table = tableOf('tags', 2, [
  { name: 'order_id', type: 'text' },
  { name: 'tag', type: 'text' },
])

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

/** Gives the test a migrated database with two handles, and removes it whatever happens. */
type Use = (work: (store: Store, other: Store) => Promise<void>) => () => Promise<void>

export function storeContract(name: string, features: Features, make: () => Promise<Database>): void {
  const use: Use = (work) => async () => {
    const database = await make()
    try {
      const store = await database.open()
      await store.migrate([declaration])
      const other = await database.open()
      await other.migrate([declaration])
      await work(store, other)
    } finally {
      await database.remove()
    }
  }
  suite(`${name}: rows`, () => rowTests(use))
  suite(`${name}: log`, () => logTests(use))
  suite(`${name}: several writers`, () => concurrencyTests(use))
  suite(`${name}: values`, () => valueTests(use, features))
  suite(`${name}: schemas`, () => schemaTests(use, make))
}

function rowTests(use: Use): void {
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

function logTests(use: Use): void {
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
      const found = rows.map(({ topic, partition, first }) => `${topic}/${partition}/${first}`).toSorted()
      assert.deepEqual(found, ['shop.commands/0/0', 'shop.events/0/0', 'shop.events/0/2', 'shop.events/2/0'])
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

function concurrencyTests(use: Use): void {
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

function valueTests(use: Use, { refusesNul }: Features): void {
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

function schemaTests(use: Use, make: () => Promise<Database>): void {
  test(
    'a newer schema is not opened, and the sentence says what to do',
    use(async (store) => {
      await store.migrate([{ ...declaration, version: 4 }])
      const sentence = 'The database holds version 4 of shop, this program knows 3: start the newer program.'
      await assert.rejects(store.migrate([declaration]), new SchemaTooNew(sentence))
      await store.migrate([{ ...declaration, version: 5 }])
    }),
  )

  test(
    'a migration keeps what is there and adds what is missing',
    use(async (store) => {
      await commit(store, { writes: [write(documents, 'versioned', ['a', 1, 'one'])], appends: [append(0)] })
      const added = tableOf('added', 1, [{ name: 'key', type: 'text' }])
      const topics = [...declaration.topics, { name: 'shop.more', partitions: 3 }]
      await store.migrate([{ ...declaration, version: 4, tables: [...declaration.tables, added], topics }])
      await commit(store, { writes: [write(added, 'insert', ['x'])], appends: [append(2, { topic: 'shop.more' })] })
      assert.deepEqual(await load(store, documents, ['a']), [['a', 1, 'one']])
      assert.deepEqual([await next(store, 0), (await store.heads('shop')).length], [1, 9])
    }),
  )

  test('a log has an identity that lasts, its own in each schema and each database', async () => {
    const databases = [await make(), await make()] as const
    try {
      const ids = new Set<string>()
      for (const database of databases) {
        const store = await database.open()
        await store.migrate([declaration, { ...declaration, schema: 'depot', tables: [], topics: [] }])
        await store.migrate([declaration])
        const reopened = await database.open()
        assert.deepEqual(await reopened.identity('shop'), await store.identity('shop'))
        assert.equal((await store.identity('shop')).incarnation, 1)
        for (const schema of ['shop', 'depot']) ids.add((await store.identity(schema)).logId)
        await assert.rejects(store.identity('nowhere'), /no schema nowhere/)
      }
      assert.equal(ids.size, 4)
    } finally {
      for (const database of databases) await database.remove()
    }
  })

  test(
    'a query sees what was committed, by the names that the store gives its tables',
    use(async (store, other) => {
      const rows = [1, 2, 3].map((line) => ['o1', line, line * 10, `note ${line}`])
      await commit(other, { writes: [write(lines, 'insert', ...rows)] })
      const before = store.statements()
      const sql = `SELECT line, quantity, note FROM ${store.tableName('shop', 'lines')}
        WHERE order_id = ? AND quantity > ? ORDER BY line DESC LIMIT ?`
      const found = await store.query<{ line: number; quantity: number; note: string }>(sql, ['o1', 10, 5])
      assert.deepEqual(
        found.map((row) => ({ ...row })),
        [
          { line: 3, quantity: 30, note: 'note 3' },
          { line: 2, quantity: 20, note: 'note 2' },
        ],
      )
      assert.equal(store.statements() - before, 1)
      const [sum] = await store.query<{ total: number; lines: number }>(
        `SELECT sum(quantity) AS total, count(*) AS lines FROM ${store.tableName('shop', 'lines')}`,
      )
      assert.deepEqual({ ...sum }, { total: 60, lines: 3 })
    }),
  )
}
