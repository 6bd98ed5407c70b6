// Ends of a copy between its last steps, and what stands in its way: one home at every moment, nothing lost unsaid.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import { Client } from 'pg'
import { services } from '../../src/services.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startShop } from '../../src/testing/shop.ts'
import type { Clock } from '../../src/platform/ports.ts'
import { buildRegistry } from '../../src/platform/runtime/registry.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { systemClock } from '../../src/platform/system.ts'
import { copyDatabase } from '../../src/platform/copy/copy-database.ts'
import { NotHome, requireHome } from '../../src/platform/copy/moves.ts'

const registry = buildRegistry(services)
const folder = mkdtempSync(join(tmpdir(), 'lonja-copy-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let shops = 0

/** A file with one confirmed order. */
async function smallShop(): Promise<string> {
  shops += 1
  const path = join(folder, `shop-${shops}.sqlite`)
  const store = openSqlite({ path })
  const shop = await startShop({ store })
  await shop.client()
  await shop.product()
  await shop.placeOrder()
  await shop.idle()
  await shop.stop()
  await store.close()
  return path
}

function copy(from: string, to: string, { clock = systemClock, progress = (): void => undefined } = {}) {
  return copyDatabase({ from, to, registry, clock, progress })
}

/** Breaks at the n-th time that it is asked: the copy asks once before each of its steps. */
function breakingAt(step: number): Clock {
  let asked = 0
  const now = (): number => {
    asked += 1
    if (asked === step) throw new Error('the power is cut')
    return systemClock.now()
  }
  return { ...systemClock, now }
}

/** Whether a server would start on it. */
async function isHome(address: string): Promise<boolean> {
  const isFile = !address.startsWith('postgres:')
  const store = isFile ? openSqlite({ path: address }) : await openPostgres({ url: address })
  try {
    await store.migrate(registry.schemas.filter(({ schema }) => schema === 'lonja'))
    await requireHome(store, systemClock.now())
    return true
  } catch (error) {
    assert.ok(error instanceof NotHome, String(error))
    return false
  } finally {
    await store.close()
  }
}

async function inPostgres(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

const STEPS = { 'before it is whole': 2, 'before the seal': 3, 'after the seal': 4 }

suite('the last steps of a copy', () => {
  for (const [name, step] of Object.entries(STEPS)) {
    const isSealed = step > STEPS['before the seal']
    test(`ended ${name}, one of the two starts, and the same command brings it to its end`, async () => {
      const [path, url] = [await smallShop(), await sharedPostgres()]
      await assert.rejects(copy(path, url, { clock: breakingAt(step) }), /power is cut/)
      assert.deepEqual([await isHome(path), await isHome(url)], [!isSealed, isSealed])
      const { copied } = await copy(path, url)
      assert.equal(copied, !isSealed)
      assert.deepEqual([await isHome(path), await isHome(url)], [false, true])
    })
  }

  test('a whole copy whose file is on another machine says what is missing, and that ends it', async () => {
    const [path, url] = [await smallShop(), await sharedPostgres()]
    await assert.rejects(copy(path, url, { clock: breakingAt(STEPS['after the seal']) }), /power is cut/)
    await inPostgres(url, `UPDATE lonja.moves SET host = 'elsewhere'`)
    const store = await openPostgres({ url })
    await assert.rejects(requireHome(store, 0), /from the machine elsewhere.*run the same `lonja copy` there once more/)
    await store.close()
    assert.deepEqual([await isHome(path), await isHome(url)], [false, false])
    assert.equal((await copy(path, url)).copied, false)
    assert.deepEqual([await isHome(path), await isHome(url)], [false, true])
  })
})

suite('what stands in the way of a copy', () => {
  test('a row that comes out otherwise ends it, and the file stays the home', async () => {
    const [path, url] = [await smallShop(), await sharedPostgres()]
    // The trail is copied first of all, and compared when all else is copied.
    let spoiling: Promise<void> | undefined
    const progress = (): void => {
      spoiling ??= inPostgres(url, "UPDATE lonja.trail SET note = coalesce(note, '') || ' '")
    }
    await assert.rejects(copy(path, url, { progress }), /of lonja.trail has another note in the copy/)
    await spoiling
    assert.deepEqual([await isHome(path), await isHome(url)], [true, false])
    assert.equal((await copy(path, url)).copied, true)
  })

  test('a table or column that the program does not know is not left behind without a word', async () => {
    const [path, url] = [await smallShop(), await sharedPostgres()]
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE loyalty_points (client TEXT)')
    database.exec('CREATE TABLE orders_order_list_2 (client TEXT)')
    database.exec("INSERT INTO orders_order_list_2 VALUES ('of a build that nobody reads any more')")
    assert.equal((await copyToNowhere(path)).includes('loyalty_points'), false)
    database.exec("INSERT INTO loyalty_points VALUES ('ana')")
    await assert.rejects(copy(path, url), /table loyalty_points holds something/)
    database.exec('DROP TABLE loyalty_points')
    database.exec('ALTER TABLE orders_order_list ADD COLUMN praise TEXT')
    assert.equal((await copyToNowhere(path)).includes('praise'), false)
    database.exec("UPDATE orders_order_list SET praise = 'quick'")
    database.close()
    await assert.rejects(copy(path, url), /column praise of orders_order_list holds something/)
    assert.deepEqual([await isHome(path), await isHome(url)], [true, true])
  })

  test('another copy that begins in the same database ends the first', async () => {
    const [path, other, url] = [await smallShop(), await smallShop(), await sharedPostgres()]
    let second: Promise<unknown> | undefined
    const progress = (): void => {
      second ??= inPostgres(url, 'DELETE FROM lonja.moves')
    }
    await assert.rejects(copy(path, url, { progress }), /Another copy into .* has begun/)
    await second
    await assert.rejects(copy(other, url), /is not empty/)
    assert.equal(await isHome(path), true)
  })

  test('half a copy of another shop is left alone', async () => {
    const [path, other, url] = [await smallShop(), await smallShop(), await sharedPostgres()]
    await assert.rejects(copy(path, url, { clock: breakingAt(STEPS['after the seal']) }), /power is cut/)
    await assert.rejects(copy(other, url), /is being copied into from sqlite:.*run that copy again/)
    assert.deepEqual([await isHome(path), await isHome(other), await isHome(url)], [false, true, true])
  })

  test('a path without a database, and a file of another kind, are told', async () => {
    const url = await sharedPostgres()
    await assert.rejects(copy(join(folder, 'none.sqlite'), url), /There is no database at /)
    const path = join(folder, 'other.sqlite')
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE notes (text TEXT)')
    database.close()
    await assert.rejects(copy(path, url), /is no database of Lonja/)
  })
})

/** What a copy says whose target can't be reached: all that its source has to say comes before. */
function copyToNowhere(path: string): Promise<string> {
  return copy(path, 'postgres://nobody@127.0.0.1:1/none').then(
    () => '',
    (error: Error) => error.message,
  )
}
