// An embedded shop moves to PostgreSQL: with all that it has, from any state, and to one home at every moment.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { Stage } from '../chaos/shop-process.ts'
import { moveIn, rowsOfFile, rowsOfPostgres, shopAt, transactionsApart } from './copied-rows.ts'

const timeout = 240_000
const withinMs = 60_000
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
/** Orders of a real shop, with their clients, products, returns and declined payments. */
const SAMPLE_ORDERS = '320'
const BUYERS = 60
const PASSWORD = /:([^:@/]+)@/

const stage = new Stage()
after(() => stage.end())

let played: Promise<string> | undefined
let copies = 0

/** A file of its own with what the demo has played into the shop. */
async function playedShop(): Promise<string> {
  played ??= stage.run('demo', '--orders', SAMPLE_ORDERS, '--exit').then(({ code, out, err }) => {
    assert.equal(code, 0, out + err)
    return join(stage.folder, 'var', 'demo', 'lonja.sqlite')
  })
  copies += 1
  const path = join(stage.folder, `shop-${copies}.sqlite`)
  cpSync(await played, path)
  return path
}

function copy(path: string, url: string, ...more: readonly string[]) {
  return stage.run('copy', '--from', `sqlite:${path}`, '--to', url, ...more)
}

async function assertSound(store: string): Promise<void> {
  const { code, out, err } = await stage.run('check', '--store', store)
  assert.equal(code, 0, out + err)
}

/** Orders go through a served shop from the door to the carrier. */
async function assertSells(store: string): Promise<void> {
  const served = await stage.start({ store })
  const shop = shopAt(served.url)
  const sku = `LAMP-${copies}-${Math.round(performance.now())}`
  await shop.client({ email: `${sku.toLowerCase()}@example.org` })
  await shop.product({ sku })
  const { orderId } = await shop.placeOrder({ sku })
  await waitFor(async () => (await shop.order(orderId)).status === 'CONFIRMED', { withinMs, what: 'it is confirmed' })
  assert.equal(await served.stop(), 0)
}

/** A copy in a process of its own, some pieces into its work. */
async function copyUnderWay(path: string, url: string) {
  const words = [MAIN, 'copy', '--from', `sqlite:${path}`, '--to', url]
  const child = spawn(process.execPath, words, { cwd: stage.folder, env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()))
  const ended = once(child, 'close')
  await waitFor(async () => ((await moveIn(url))?.version ?? 0) > 3, { withinMs, what: 'the copy is under way' })
  return { child, ended, said: () => said }
}

suite('moving to PostgreSQL', () => {
  test('a shop that was stopped goes along to the last byte, and goes on there alone', { timeout }, async () => {
    const [path, url] = [await playedShop(), await sharedPostgres()]
    const before = rowsOfFile(path)

    const { code, out, err } = await copy(path, url, '--json')
    assert.equal(code, 0, out + err)
    const report = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { readonly rows: number }
    assert.ok(report.rows > 5000, out)
    assert.deepEqual(await rowsOfPostgres(url, Object.keys(before)), before)
    assert.ok((await transactionsApart(url)).length === 0, 'rows of one transaction were written by several')
    await assertSound(`sqlite:${path}`)
    await assertSound(url)
    await assertSells(url)
    await assertSound(url)

    const password = PASSWORD.exec(url)?.[1] ?? assert.fail('no password to look for')
    for (const words of [
      ['serve', '--store', `sqlite:${path}`, '--port', '0'],
      ['restore', join(stage.folder, 'var', 'demo', 'lonja.sqlite'), '--force', '--store', `sqlite:${path}`],
      ['copy', '--from', `sqlite:${path}`, '--to', await sharedPostgres()],
    ]) {
      const refused = await stage.run(...words)
      assert.equal(refused.code, 1, words[0])
      assert.match(refused.err, /lives in postgres:\/\/127\.0\.0\.1:\d+\/test_\d+ /)
      assert.ok(!(refused.out + refused.err).includes(password))
    }
    const again = await copy(path, url)
    assert.deepEqual([again.code, again.out.includes('copied by an earlier run')], [0, true], again.err)
    assert.ok(![out, err, again.out, again.err].join('').includes(password))
  })

  test('sagas that were under way when the process was killed end in the new home', { timeout }, async () => {
    const [path, url] = [await playedShop(), await sharedPostgres()]
    await killUnderWay(path)
    const before = rowsOfFile(path)
    const { code, out, err } = await copy(path, url)
    assert.equal(code, 0, out + err)
    assert.deepEqual(await rowsOfPostgres(url, Object.keys(before)), before)

    const served = await stage.start({ store: url })
    const shop = shopAt(served.url)
    const open = async () => {
      const pages = await Promise.all(['PENDING', 'PAID'].map((status) => shop.orders(`?status=${status}&limit=1`)))
      return pages.flatMap(({ items }) => items).length
    }
    await waitFor(async () => (await open()) === 0, { withinMs, what: 'no order is open any more' })
    assert.equal(await served.stop(), 0)
    await assertSound(url)
    await assertSells(url)
  })

  test(
    'a copy that was killed serves nobody, the file still does, and the next one begins anew',
    { timeout },
    async () => {
      const [path, url] = [await playedShop(), await sharedPostgres()]
      const { child, ended } = await copyUnderWay(path, url)
      child.kill('SIGKILL')
      await ended
      assert.equal((await moveIn(url))?.state, 'copying')
      const refused = await stage.run('serve', '--store', url, '--port', '0')
      assert.deepEqual([refused.code, refused.err.includes('Only a part of sqlite:')], [1, true], refused.err)
      // What is sold in between belongs to the shop, and goes along.
      await assertSells(`sqlite:${path}`)
      const before = rowsOfFile(path)
      const { code, out, err } = await copy(path, url)
      assert.equal(code, 0, out + err)
      assert.deepEqual(await rowsOfPostgres(url, Object.keys(before)), before)
      await assertSells(url)
    },
  )

  test('Ctrl-C ends a copy with a sentence, and moves nothing', { timeout }, async () => {
    const [path, url] = [await playedShop(), await sharedPostgres()]
    const { child, ended, said } = await copyUnderWay(path, url)
    child.kill('SIGINT')
    const [code] = (await ended) as [number]
    assert.deepEqual([code, said().includes('nothing was moved')], [1, true], said())
    await assertSells(`sqlite:${path}`)
  })

  test('a file that is served, and a database that is in use, are refused', { timeout }, async () => {
    const [path, url] = [await playedShop(), await sharedPostgres()]
    const served = await stage.start({ store: `sqlite:${path}` })
    const running = await copy(path, url)
    assert.deepEqual([running.code, running.err.includes('Another Lonja works on')], [1, true], running.err)
    await served.stop()
    assert.equal(await moveIn(url), undefined)

    await (await stage.start({ store: url })).stop()
    const inUse = await copy(path, url)
    assert.deepEqual([inUse.code, inUse.err.includes('is not empty')], [1, true], inUse.err)
    await assertSells(`sqlite:${path}`)
    await assertSells(url)
  })
})

/** Buyers send orders until requests to the outside are open, and then the process is gone. */
async function killUnderWay(path: string): Promise<void> {
  for (;;) {
    const served = await stage.start({ store: `sqlite:${path}` })
    const shop = shopAt(served.url)
    const sku = `ROPE-${Math.round(performance.now())}`
    await shop.client({ email: `${sku.toLowerCase()}@example.org` })
    await shop.product({ sku, quantity: BUYERS })
    // Whoever is not answered any more is no matter here.
    for (let buyer = 0; buyer < BUYERS; buyer += 1) shop.place({ sku }).catch(() => undefined)
    await waitFor(() => openRequests(path) > 0, { withinMs, what: 'requests to the outside are open' })
    await served.kill()
    if (openRequests(path) > 0) return
  }
}

function openRequests(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('SELECT count(*) AS open FROM payments_effects').get()?.['open'])
  } finally {
    database.close()
  }
}
