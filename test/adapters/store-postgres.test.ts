// The store's contract on PostgreSQL, and what only a server can do: cut sessions, restart, go back in time.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import { BadData, CommitUnknown, Conflict, StoreRefused, StoreUnavailable } from '../../src/platform/ports.ts'
import type { Plan, Store } from '../../src/platform/ports.ts'
import { asStoreError, commitError } from '../../src/platform/store/postgres-errors.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import type { PostgresOptions } from '../../src/platform/store/postgres.ts'
import { sharedPostgres, startPostgres } from '../../src/testing/postgres.ts'
import { storeContract } from './store-contract.ts'
import { append, commit, cursors, declaration, documents, load, log, next, write } from './store-fixture.ts'
import type { Database } from './store-fixture.ts'
import { sideConnections } from '../../src/platform/store/side-connections.ts'
import { startProxy } from './store-proxy.ts'
import type { Cut, Proxy } from './store-proxy.ts'

async function makeDatabase(): Promise<Database> {
  const url = await sharedPostgres()
  const stores: Store[] = []
  return {
    open: async () => {
      const store = await openPostgres({ url })
      stores.push(store)
      return store
    },
    remove: async () => {
      for (const store of stores) await store.close()
    },
  }
}

storeContract('store on PostgreSQL', { refusesNul: true }, makeDatabase)

interface Use {
  readonly store: Store
  /** A session beside the store's, with the server's default settings. */
  readonly client: Client
  readonly url: string
}

function using(work: (use: Use) => Promise<void>, options: Partial<PostgresOptions> = {}): () => Promise<void> {
  return async () => {
    const url = await sharedPostgres()
    const client = new Client({ connectionString: url })
    const store = await openPostgres({ url, ...options })
    try {
      await client.connect()
      await store.migrate([declaration])
      await work({ store, client, url })
    } finally {
      await store.close()
      await client.end()
    }
  }
}

function usingProxy(work: (store: Store, proxy: Proxy) => Promise<void>): () => Promise<void> {
  return async () => {
    const proxy = await startProxy(await sharedPostgres())
    const store = await openPostgres({ url: proxy.url, answerWithinMs: 500 })
    try {
      await store.migrate([declaration])
      await work(store, proxy)
    } finally {
      await store.close()
      await proxy.close()
    }
  }
}

/** What can't get better by waiting must not wait. */
const HOUR_MS = 3_600_000

const plan: Partial<Plan> = { writes: [write(documents, 'versioned', ['a', 1, 'one'])], appends: [append(0)] }

/** Ends all other sessions of the store from the outside, as a restart or an operator does. */
async function endSessions(client: Client): Promise<void> {
  const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'lonja'`
  const { rowCount } = await client.query(sql)
  assert.ok(rowCount !== null && rowCount > 0)
}

suite('store on PostgreSQL: lost answers', () => {
  const outcomes: readonly (readonly [Cut, boolean])[] = [
    ['before commit', false],
    ['after commit', true],
  ]
  for (const [cut, happened] of outcomes) {
    test(
      `a session cut ${cut} is an unknown outcome, and the next call connects again`,
      usingProxy(async (store, proxy) => {
        await load(store, documents, ['a'])
        proxy.cut(cut)
        await assert.rejects(commit(store, plan), CommitUnknown)
        assert.equal(proxy.cuts(), 1)
        proxy.cut('never')
        assert.deepEqual(await load(store, documents, ['a']), happened ? [['a', 1, 'one']] : [])
        assert.equal(await next(store, 0), happened ? 1 : 0)
        // Running the same batch again by its keys settles what the lost answer left open.
        if (happened) await assert.rejects(commit(store, plan), Conflict)
        else assert.deepEqual(await commit(store, plan), [0])
      }),
    )
  }

  test(
    'an answer that never comes ends in an unknown outcome, not in waiting for ever',
    usingProxy(async (store, proxy) => {
      await load(store, documents, ['a'])
      proxy.cut('silent')
      await assert.rejects(commit(store, plan), CommitUnknown)
      proxy.cut('never')
      assert.equal(await next(store, 0), 1)
    }),
  )

  test(
    'sessions that ended while they lay idle, which nobody noticed, are replaced by those who only read',
    usingProxy(async (store, proxy) => {
      await commit(store, plan)
      await Promise.all([store.heads('shop'), store.heads('shop'), store.query('SELECT 1 AS one')])
      proxy.cut('once used')
      assert.equal((await store.heads('shop')).length, 6)
      assert.deepEqual(await store.query('SELECT 2 AS two'), [{ two: 2 }])
      await assert.rejects(load(store, documents, ['a']), StoreUnavailable)
      assert.equal((await load(store, documents, ['a'])).length, 1)
      assert.ok(proxy.cuts() >= 4)
    }),
  )

  test('a network that goes away while a session is set up holds nobody for good', { timeout: 10_000 }, async () => {
    const proxy = await startProxy(await sharedPostgres())
    proxy.cut('silent once greeted')
    const connections = sideConnections(proxy.url, { answerWithinMs: 200 })
    try {
      await assert.rejects(connections.acquire(), StoreUnavailable)
      proxy.cut('never')
      const connection = await connections.acquire()
      assert.deepEqual((await connection.send({ text: 'SELECT 1' })).rows, [[1]])
      connection.release()
    } finally {
      await connections.close()
      await proxy.close()
    }
  })

  test(
    'a load whose answer is lost says that the store is unavailable',
    usingProxy(async (store, proxy) => {
      proxy.cut('silent')
      await assert.rejects(load(store, documents, ['a']), StoreUnavailable)
      proxy.cut('never')
      assert.deepEqual(await load(store, documents, ['a']), [])
    }),
  )
})

suite('store on PostgreSQL: sessions', () => {
  test(
    'sessions that were ended are replaced',
    using(async ({ store, client }) => {
      await commit(store, plan)
      for (const version of [2, 3, 4]) {
        await endSessions(client)
        const writes = [write(documents, 'versioned', ['a', version, 'next'])]
        // Whether the end was noticed yet or not, nothing happened where the store says so.
        const error: unknown = await commit(store, { writes }).catch((error: unknown) => error)
        if (error instanceof StoreUnavailable) await commit(store, { writes })
        else if (error instanceof CommitUnknown) await commit(store, { writes }).catch(ignoreConflict)
        else assert.deepEqual(error, [])
      }
      assert.equal((await load(store, documents, ['a']))[0]?.[1], 4)
      await endSessions(client)
      assert.equal((await store.heads('shop')).length, 6)
    }),
  )

  test(
    'a session has its limits, on every connection',
    using(async ({ client, store }) => {
      await Promise.all(Array.from({ length: 4 }, () => store.query('SELECT 1 AS one')))
      const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout']
      const settings = [
        ...names,
        'client_connection_check_interval',
        'synchronous_commit',
        'default_transaction_read_only',
      ]
      const [row] = await store.query<Record<string, string>>(
        `SELECT ${settings.map((name) => `current_setting('${name}') AS ${name}`).join(', ')}`,
      )
      assert.deepEqual(
        settings.map((name) => row?.[name]),
        ['2s', '1s', '2s', '4s', '1s', 'on', 'on'],
      )
      const { rows } = await client.query<{ sessions: string }>(
        `SELECT count(*) AS sessions FROM pg_stat_activity
          WHERE application_name = 'lonja' AND datname = current_database()`,
      )
      assert.ok(Number(rows[0]?.sessions) <= 8)
    }),
  )

  test(
    'text compares by bytes in every column, so that pages and locks sort like JavaScript',
    using(async ({ client }) => {
      const { rows } = await client.query(`SELECT attrelid::regclass || '.' || attname AS name FROM pg_attribute
        JOIN pg_class ON attrelid = pg_class.oid JOIN pg_collation ON attcollation = pg_collation.oid
        WHERE relkind = 'r' AND relnamespace IN ('shop'::regnamespace, 'lonja'::regnamespace)
          AND collname <> 'C' AND attname NOT IN ('body', 'log_id', 'system_identifier')`)
      assert.deepEqual(rows, [])
    }),
  )

  test(
    'nothing is written outside a batch: a BEGIN that fails must not let its statements commit one by one',
    using(async ({ store }) => {
      const insert = `INSERT INTO ${store.tableName('shop', 'tags')} VALUES ('o1', 'red') RETURNING tag`
      await assert.rejects(store.query(insert), StoreUnavailable)
    }),
  )

  test(
    'locked rows are held to the end of their batch, and another batch that needs them waits or conflicts',
    using(async ({ store }) => {
      await commit(store, { writes: [write(documents, 'versioned', ['a', 1, 'one'], ['b', 1, 'one'])] })
      const locked = await store.begin([{ table: documents, keys: [['a'], ['missing']] }])
      const saveA = { writes: [write(documents, 'versioned', ['a', 2, 'theirs'])] }
      await assert.rejects(commit(store, saveA), /lock timeout/)
      await commit(store, { writes: [write(documents, 'versioned', ['b', 2, 'theirs'])] })
      assert.deepEqual(await locked.load(documents, [['a']]), [['a', 1, 'one']])
      const mine = { writes: [write(documents, 'versioned', ['a', 2, 'mine'])], appends: [append(0)] }
      assert.deepEqual(await locked.commit({ ...mine, appendedAt: 1, transaction: 1 }), [0])
      await locked.release()
      await assert.rejects(commit(store, saveA), Conflict)
      const given = await store.begin([{ table: documents, keys: [['a']] }])
      await given.release()
      await commit(store, { writes: [write(documents, 'versioned', ['a', 3, 'theirs'])] })
    }),
  )

  test(
    'a plan that is refused before it is sent gives its locks back',
    using(async ({ store }) => {
      await commit(store, plan)
      const locked = await store.begin([{ table: documents, keys: [['a']] }])
      const refused = { ...plan, writes: [write(documents, 'versioned', ['a', 0.5, 'half'])], appends: [] }
      await assert.rejects(locked.commit({ ...refused, appendedAt: 1, transaction: 1 }), BadData)
      await commit(store, { writes: [write(documents, 'versioned', ['a', 2, 'two'])] })
    }),
  )

  test(
    'a batch that fails before its last statements were ever prepared does not fail the batch behind it',
    using(async ({ store }) => {
      const failing = { writes: [write(documents, 'delete', ['missing'])], appends: [append(0)] }
      const fine = { writes: [write(documents, 'versioned', ['a', 1, 'one'])], appends: [append(0)] }
      const [first, second] = await Promise.allSettled([commit(store, failing), commit(store, fine)])
      assert.ok(first.status === 'rejected' && first.reason instanceof Conflict)
      assert.deepEqual(second, { status: 'fulfilled', value: [0] })
    }),
  )

  test(
    'a row locked up front is saved like any other, and a deleted one does not come back',
    using(async ({ store }) => {
      await commit(store, { writes: [write(cursors, 'versioned', ['g', 0, 1, 0], ['g', 1, 1, 0])] })
      const locks = [{ table: cursors, keys: [['g', 0] as const, ['g', 2] as const] }]
      const plan = { appends: [], appendedAt: 1, transaction: 1 }
      const fine = await store.begin(locks)
      await fine.commit({ ...plan, writes: [write(cursors, 'versioned', ['g', 0, 2, 5], ['g', 2, 1, 0])] })
      await fine.release()
      const wrong = await store.begin(locks)
      await assert.rejects(wrong.commit({ ...plan, writes: [write(cursors, 'versioned', ['g', 3, 2, 5])] }), Conflict)
      await wrong.release()
      assert.equal((await load(store, cursors, ['g', 0], ['g', 1], ['g', 2], ['g', 3])).length, 3)
    }),
  )
})

suite('store on PostgreSQL: addresses', () => {
  test('a database that is not there is named in a sentence, without the password', async () => {
    const url = await sharedPostgres()
    const wrong = [
      { url: url.replace(/:[^:@]+@/, ':secret@'), connectWithinMs: HOUR_MS, says: /password authentication failed/ },
      {
        url: 'postgres://lonja:secret@127.0.0.1:1/shop',
        says: /127\.0\.0\.1:1\/shop can't be reached: .*ECONNREFUSED/,
      },
      { url: 'postgres:lonja:secret', connectWithinMs: HOUR_MS, says: /write postgres:/ },
      { url: 'lonja secret', connectWithinMs: HOUR_MS, says: /write postgres:/ },
    ]
    for (const { url, connectWithinMs = 50, says } of wrong) {
      const error = await openPostgres({ url, connectWithinMs }).catch((error: unknown) => error)
      assert.ok(error instanceof StoreUnavailable, String(error))
      assert.match(error.message, says)
      // Only what may come back is waited for.
      assert.equal(error instanceof StoreRefused, !error.message.includes('ECONNREFUSED'), error.message)
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`, /secret/)
    }
  })

  test('a server that restarts is waited for', async () => {
    const server = await startPostgres()
    const store = await openPostgres({ url: server.url, connectWithinMs: 3000 })
    try {
      await store.migrate([declaration])
      await commit(store, plan)
      await server.kill()
      await assert.rejects(
        commit(store, { appends: [append(1)] }),
        (error) => error instanceof StoreUnavailable || error instanceof CommitUnknown,
      )
      const restarting = server.restart()
      const heads = await store.heads('shop')
      await restarting
      assert.equal(heads.length, 6)
    } finally {
      await store.close()
      await server.stop()
    }
  })
})

suite('store on PostgreSQL: identity', () => {
  test(
    'a database with another identity goes on under the next incarnation, and who missed it conflicts',
    using(async ({ store, client, url }) => {
      await commit(store, { appends: [append(0, { count: 5 })] })
      await client.query(`UPDATE lonja.schemas SET system_identifier = '1'`)
      const changes: unknown[] = []
      const reopened = await openPostgres({ url, onIncarnation: (change) => changes.push(change) })
      try {
        assert.deepEqual(changes, [{ schema: 'shop', incarnation: 2 }])
        assert.equal((await reopened.identity('shop')).incarnation, 2)
        assert.equal((await reopened.identity('shop')).logId, (await store.identity('shop')).logId)
        await assert.rejects(commit(store, { appends: [append(0)] }), Conflict)
        assert.deepEqual(await commit(reopened, { appends: [append(0, { incarnation: 2 })] }), [5])
        assert.deepEqual(
          (await log(store, 0)).map(({ incarnation }) => incarnation),
          [1, 2],
        )
        const { rows } = await client.query(
          `SELECT first::integer FROM lonja.incarnations WHERE topic = 'shop.events' ORDER BY partition`,
        )
        assert.deepEqual(
          rows.map(({ first }: { first: number }) => first),
          [5, 0, 0, 0],
        )
      } finally {
        await reopened.close()
      }
      const again = await openPostgres({ url, onIncarnation: (change) => changes.push(change) })
      await again.close()
      assert.equal(changes.length, 1)
    }),
  )

  test('a recovery that ends on a new timeline is noticed by a store that was open all the time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-timeline-'))
    // What a promotion does: the server starts in recovery, finds no more log, and goes on under the next timeline.
    const server = await startPostgres({ folder, settings: { restore_command: 'false' } })
    const changes: unknown[] = []
    const store = await openPostgres({ url: server.url, onIncarnation: (change) => changes.push(change) })
    try {
      await store.migrate([declaration])
      await commit(store, { appends: [append(0)] })
      await server.kill()
      writeFileSync(join(folder, 'data', 'recovery.signal'), '')
      await server.restart()
      await assert.rejects(async () => {
        for (let time = 0; time < 3; time += 1) await commit(store, { appends: [append(0)] }).catch(rethrowConflict)
      }, Conflict)
      assert.deepEqual(changes, [{ schema: 'shop', incarnation: 2 }])
      assert.deepEqual(await commit(store, { appends: [append(0, { incarnation: 2 })] }), [1])
    } finally {
      await store.close()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

function ignoreConflict(error: unknown): void {
  if (!(error instanceof Conflict)) throw error
}

function rethrowConflict(error: unknown): void {
  if (error instanceof Conflict) throw error
}

suite('store on PostgreSQL: errors', () => {
  const error = (code: string, severity = 'ERROR'): Error => Object.assign(new Error('as said'), { code, severity })

  test('each kind of error means one thing for the batch', () => {
    const meanings: readonly (readonly [string, new () => Error])[] = [
      ['40001', Conflict],
      ['40P01', Conflict],
      ['55P03', Conflict],
      ['23505', Conflict],
      ['25P03', Conflict],
      ['23502', BadData],
      ['22021', BadData],
      ['54000', BadData],
      ['53100', StoreUnavailable],
      ['53300', StoreUnavailable],
      ['57014', StoreUnavailable],
      ['57P01', StoreUnavailable],
      ['57P03', StoreUnavailable],
      ['08006', StoreUnavailable],
      ['25006', StoreUnavailable],
      ['ECONNRESET', StoreUnavailable],
    ]
    for (const [code, kind] of meanings) assert.ok(asStoreError(error(code)) instanceof kind, code)
    assert.equal(asStoreError(error('42P01')).name, 'Error')
    assert.match(asStoreError(error('53100')).message, /disk of PostgreSQL is full/)
  })

  test('only what ends the session at COMMIT, or breaks the connection, leaves the outcome open', () => {
    assert.ok(commitError(error('57P01', 'FATAL'), true) instanceof CommitUnknown)
    assert.ok(commitError(error('57P01', 'FATAL'), false) instanceof StoreUnavailable)
    assert.ok(commitError(error('53100'), true) instanceof StoreUnavailable)
    assert.ok(commitError(error('ECONNRESET'), false) instanceof CommitUnknown)
    assert.ok(commitError(new Error('Connection terminated unexpectedly'), false) instanceof CommitUnknown)
  })
})
