// Several sessions on PostgreSQL that are stepped by hand, with the statements that the store ships.
import { Client } from 'pg'
import type { Store, Table } from '../../src/platform/ports.ts'
import { asStoreError } from '../../src/platform/store/postgres-errors.ts'
import { appendStatement, lockStatement, writeStatement } from '../../src/platform/store/postgres-statements.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { commit, declaration, documents, write } from './store-fixture.ts'

/** One session, with the store's statements by what they do. */
export interface Session {
  readonly append: (...partitions: readonly number[]) => Promise<string>
  readonly save: (table: Table, ...rows: readonly (readonly (string | number)[])[]) => Promise<unknown>
  readonly remove: (...keys: readonly string[]) => Promise<unknown>
  readonly lock: (...keys: readonly string[]) => Promise<unknown>
  readonly run: (sql: string) => Promise<string>
  readonly rows: (sql: string) => Promise<number>
  /** Resolves when the server says that the session waits for a lock of another. */
  readonly waits: () => Promise<unknown>
}

export interface Stage {
  readonly store: Store
  readonly url: string
  readonly a: Session
  readonly b: Session
  readonly c: Session
}

async function openSession(client: Client, watcher: Client): Promise<Session> {
  await client.connect()
  await client.query(`SET deadlock_timeout = '20ms'`)
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const pid = rows[0]?.pid
  const columns = (table: readonly (readonly unknown[])[]): unknown[][] =>
    (table[0] ?? []).map((_, at) => table.map((row) => row[at]))
  const ask = async (sql: string, values: readonly unknown[] = []) => {
    try {
      return await client.query({ text: sql, values: [...values], rowMode: 'array' })
    } catch (error) {
      throw asStoreError(error)
    }
  }
  const repeat = <Value>(count: number, value: Value): Value[] => Array<Value>(count).fill(value)
  return {
    append: async (...partitions) => {
      const ones = repeat(partitions.length, 1)
      const [topics, bodies] = [repeat(partitions.length, 'shop.events'), repeat(partitions.length, '[]')]
      const unexpected = repeat(partitions.length, null)
      const values = [topics, partitions, ones, ones, unexpected, ones, bodies, 1, 1]
      return String((await ask(appendStatement('shop'), values)).rows[0]?.[0])
    },
    save: (table, ...rows) => ask(writeStatement(table, 'versioned'), columns(rows)),
    remove: (...keys) => ask(writeStatement(documents, 'delete'), [keys]),
    lock: (...keys) => ask(lockStatement(documents), [keys]),
    run: async (sql) => (await ask(sql)).command,
    rows: async (sql) => (await ask(sql)).rows.length,
    waits: () => {
      const sql = `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'`
      return waitFor(async () => (await watcher.query(sql)).rowCount === 1, { withinMs: 5000, what: 'a session waits' })
    },
  }
}

/** Three sessions in open transactions, on rows 'a', 'b' and 'c' of version 1 and heads at 0. */
export function stage(play: (stage: Stage) => Promise<void>): () => Promise<void> {
  return async () => {
    const url = await sharedPostgres()
    const store = await openPostgres({ url })
    const clients = [1, 2, 3, 4].map(() => new Client({ connectionString: url }))
    const [first, second, third, watcher] = clients as [Client, Client, Client, Client]
    try {
      await store.migrate([declaration])
      await commit(store, { writes: [write(documents, 'versioned', ['a', 1, ''], ['b', 1, ''], ['c', 1, ''])] })
      await watcher.connect()
      const a = await openSession(first, watcher)
      const b = await openSession(second, watcher)
      const c = await openSession(third, watcher)
      for (const session of [a, b, c]) await session.run('BEGIN')
      await play({ store, url, a, b, c })
    } finally {
      await Promise.all(clients.map((client) => client.end()))
      await store.close()
    }
  }
}

/** The outcome of work that is waited for later, so that its failure meanwhile is nobody's surprise. */
export function started<Result>(work: Promise<Result>): Promise<Result> {
  work.catch(() => undefined)
  return work
}
