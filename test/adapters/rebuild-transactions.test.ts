// A rebuild holds nothing open for long: its transactions and its questions are short, also over many records.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Store } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { timedStore } from '../../src/testing/timed-store.ts'
import { startToyShop } from '../../src/testing/toy-shop.ts'
import { appendConfirmed, rebuilt } from './rebuild-shop.ts'

/** Enough for ten chunks. */
const RECORDS = 60_000
/** DESIGN.md, section 3: an open transaction slowed the heads twelvefold in 25 s. */
const LIMIT_MS = 2000

const OLDEST = `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 AS seconds
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`

/** Looks at PostgreSQL's own list of open transactions until it is told to stop. @returns the oldest age seen, in ms */
function watchOldest(store: Store): () => Promise<number> {
  const watch = new AbortController()
  const look = async (oldestMs: number): Promise<number> => {
    if (watch.signal.aborted) return oldestMs
    const [row] = await store.query<{ readonly seconds: number }>(OLDEST)
    return look(Math.max(oldestMs, (row?.seconds ?? 0) * 1000))
  }
  const work = look(0)
  return () => {
    watch.abort()
    return work
  }
}

async function measure(inner: Store, watch: (() => () => Promise<number>) | undefined): Promise<void> {
  const store = timedStore(inner)
  const shop = await startToyShop({ store })
  try {
    await appendConfirmed(shop, RECORDS)
    const before = store.batches().count
    const end = watch?.()
    const { report, total } = await rebuilt(shop.lonja)
    const oldestMs = (await end?.()) ?? 0
    assert.deepEqual([report?.differences, report?.comparedRows, total], [0, RECORDS, RECORDS])
    const [batches, questions] = [store.batches(), store.questions()]
    assert.ok(batches.count - before >= 10, `only ${batches.count - before} transactions: were they looked at?`)
    for (const [what, longestMs] of [
      ['transaction', batches.longestMs],
      ['question', questions.longestMs],
      ["transaction in PostgreSQL's list", oldestMs],
    ] as const) {
      assert.ok(longestMs < LIMIT_MS, `the longest ${what} took ${Math.round(longestMs)} ms`)
    }
    if (watch !== undefined) assert.ok(oldestMs > 0, 'the list showed no transaction at all')
  } finally {
    await shop.stop()
  }
}

suite(`no transaction of a rebuild over ${RECORDS} records lasts longer than ${LIMIT_MS} ms`, () => {
  test('on SQLite', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-rebuild-times-'))
    await measure(openSqlite({ path: join(folder, 'lonja.db') }), undefined)
    rmSync(folder, { recursive: true, force: true })
  })

  test("on PostgreSQL, also by PostgreSQL's own list of them", async () => {
    const url = await sharedPostgres()
    const observer = await openPostgres({ url })
    await measure(await openPostgres({ url }), () => watchOldest(observer))
    await observer.close()
  })
})
