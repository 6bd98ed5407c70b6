// What every store must do: the suite runs on each adapter, and an adapter admits in `features` what it can't do.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SchemaTooNew, SchemaTooOld } from '../../src/platform/ports.ts'
import { concurrencyTests, logTests } from './store-contract-log.ts'
import { retentionTests } from './store-contract-retention.ts'
import { scalingTests } from './store-contract-scaling.ts'
import { rowTests, valueTests } from './store-contract-rows.ts'
import { append, commit, declaration, documents, lines, load, next, tableOf, write } from './store-fixture.ts'
import type { Database, Features, Use } from './store-fixture.ts'

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
  suite(`${name}: retention`, () => retentionTests(use))
  suite(`${name}: more partitions`, () => scalingTests(use))
  suite(`${name}: several writers`, () => concurrencyTests(use))
  suite(`${name}: values`, () => valueTests(use, features))
  suite(`${name}: schemas`, () => schemaTests(use, make))
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
    'rows of a version that nobody reads any more are not touched',
    use(async (store) => {
      await store.migrate([declaration])
      const sentence =
        'The database holds version 3 of shop, this program reads none before 4: start with an empty database.'
      await assert.rejects(store.migrate([{ ...declaration, version: 5, oldest: 4 }]), new SchemaTooOld(sentence))
      await store.migrate([declaration])
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
        const identity = await store.identity('shop')
        await store.migrate([{ ...declaration, version: 9 }])
        const reopened = await database.open()
        assert.deepEqual(await reopened.identity('shop'), identity)
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
