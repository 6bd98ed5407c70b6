// A newer program adds columns and tables while an older one works on the same database: neither minds the other.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import type { Column, Row, Store, Table } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'

const id: Column = { name: 'id', type: 'text', nullable: false }
const version: Column = { name: 'version', type: 'integer', nullable: false }
const note: Column = { name: 'note', type: 'text', nullable: true }
const things = (...more: readonly Column[]): Table => {
  return { schema: 'depot', name: 'things', columns: [id, version, ...more], keyWidth: 1, indexes: [] }
}
const [before, after] = [things(), things(note)]

async function declare(store: Store, table: Table): Promise<void> {
  await store.migrate([{ schema: 'depot', version: 1, tables: [table], topics: [] }])
}

async function save(store: Store, table: Table, row: Row): Promise<void> {
  const transaction = await store.begin()
  const writes = [{ table, mode: 'versioned', rows: [row] } as const]
  await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 0 })
  await transaction.release()
}

const all = (store: Store) =>
  store.query<Readonly<Record<string, unknown>>>(`SELECT * FROM ${store.tableName('depot', 'things')} ORDER BY id`)

const places: Readonly<Record<string, () => Promise<readonly [open: () => Promise<Store>, remove: () => void]>>> = {
  SQLite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-additions-'))
    const path = join(folder, 'depot.sqlite')
    return [async () => openSqlite({ path }), () => rmSync(folder, { recursive: true, force: true })]
  },
  PostgreSQL: async () => {
    const url = await sharedPostgres()
    return [() => openPostgres({ url }), () => undefined]
  },
}

suite('additions to a schema', () => {
  for (const [name, place] of Object.entries(places)) {
    test(`on ${name} a column is added beside a program that does not know it`, async () => {
      const [open, remove] = await place()
      const [old, next] = [await open(), await open()]
      try {
        await declare(old, before)
        await save(old, before, ['a', 1])
        assert.deepEqual(
          (await all(old)).map((row) => Object.values(row)),
          [['a', 1]],
        )

        await declare(next, after)
        await save(next, after, ['a', 2, 'seen'])
        await save(next, after, ['b', 1, 'new'])
        // What the old one has prepared over all columns is of other columns now; what it saves leaves them alone.
        assert.equal((await all(old)).length, 2)
        await save(old, before, ['a', 3])
        await save(old, before, ['c', 1])
        const rows = (await all(next)).map((row) => Object.values(row))
        assert.deepEqual(rows, [
          ['a', 3, 'seen'],
          ['b', 1, 'new'],
          ['c', 1, null],
        ])
        // It may start again, too.
        await declare(old, before)
        await declare(next, after)
        const needed = things(note, { name: 'weight', type: 'integer', nullable: false })
        await assert.rejects(declare(next, needed), /depot.things is there without weight/)
      } finally {
        await old.close()
        await next.close()
        remove()
      }
    })
  }

  test('on PostgreSQL a column waits for whoever reads the table for long, and holds up nobody meanwhile', async () => {
    const url = await sharedPostgres()
    const [old, next, dump] = [
      await openPostgres({ url }),
      await openPostgres({ url }),
      new Client({ connectionString: url }),
    ]
    await dump.connect()
    try {
      await declare(old, before)
      await dump.query('BEGIN')
      await dump.query('SELECT * FROM depot.things')
      const state = { isDeclared: false }
      const declared = declare(next, after).then(() => (state.isDeclared = true))
      // Some saves wait behind the one who waits, for a moment; the others pass.
      for (let saves = 1; saves <= 50; saves += 1) {
        await save(old, before, ['a', saves]).catch((error: Error) => {
          assert.equal(error.name, 'Conflict')
          saves -= 1
        })
      }
      assert.equal(state.isDeclared, false)
      await dump.query('COMMIT')
      await declared
      assert.equal((await all(next)).length, 1)
    } finally {
      await dump.end()
      await old.close()
      await next.close()
    }
  })
})
