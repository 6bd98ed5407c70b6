// The program as its user meets it, as processes: one server a file, the demo, imports, reading beside it, stopping.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { waitFor } from './testing/wait-for.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const START_WITHIN_MS = 30_000

const folder = mkdtempSync(join(tmpdir(), 'lonja-main-'))
const running = new Set<ChildProcess>()
after(async () => {
  for (const child of running) {
    child.kill('SIGKILL')
    if (child.exitCode === null) await once(child, 'exit')
  }
  rmSync(folder, { recursive: true })
})

interface Started {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  /** Resolves with the exit code when all that was written has come. */
  readonly ended: Promise<number | null>
}

/** Runs `lonja` in the test's folder, without the settings of whoever runs the tests. */
function lonja(...argv: readonly string[]): Started {
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd: folder, env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const written = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.err += text))
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  return { child, out: () => written.out, err: () => written.err, ended }
}

/** @returns the address that it tells. */
function addressOf({ out, err, child }: Started): Promise<string> {
  return waitFor(
    () => {
      assert.equal(child.exitCode, null, `It ended: ${err()}`)
      return /at (http:\/\/[\d.]+:\d+)/.exec(out() + err())?.[1]
    },
    { withinMs: START_WITHIN_MS, what: 'the server tells its address' },
  )
}

function lastObject(text: string): Record<string, unknown> {
  return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>
}

const sample = ['InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country']
  .concat(
    Array.from({ length: 30 }, (_, at) => `${600_000 + at},2275${at % 10},CUP ${at % 10},${1 + (at % 3)},`).map(
      (row, at) =>
        `${row}2011-01-${String(1 + (at % 28)).padStart(2, '0')} 10:00:00,1.25,${17_000 + (at % 9)}.0,France`,
    ),
    ['C600100,22750,CUP 0,-1,2011-02-01 10:00:00,1.25,17000.0,France', '600200,POST,Postage,1,x,1,17000.0,France'],
  )
  .join('\n')

suite('a server on SQLite', () => {
  const store = `sqlite:${join(folder, 'new', 'folder', 'shop.sqlite')}`

  test('serves, imports, tells, refuses a second one, and stops at once', { timeout: 120_000 }, async () => {
    const server = lonja('serve', '--port', '0', '--store', store)
    const url = await addressOf(server)
    await importTwice(url)
    await readBeside(store, url)
    await refuseSecond(store, url)
    server.child.kill('SIGTERM')
    server.child.kill('SIGTERM')
    server.child.kill('SIGINT')
    assert.equal(await server.ended, 0)
    assert.match(server.err(), /Stopped\./)
    // The lock went with the process.
    const next = lonja('serve', '--port', '0', '--store', store)
    await addressOf(next)
    next.child.kill('SIGINT')
    assert.equal(await next.ended, 0)
  })
})

async function importTwice(url: string): Promise<void> {
  const file = join(folder, 'shop.csv')
  writeFileSync(file, sample)
  const first = lonja('import', 'orders', file, '--url', url, '--json')
  assert.equal(await first.ended, 0, first.err())
  const { orders, skipped, returnsLeftOut } = lastObject(first.out())
  assert.deepEqual(orders, { read: 30, placed: 30, existing: 0, refused: 0 })
  assert.deepEqual([skipped, returnsLeftOut], [{ 'no goods code': 1 }, 1])
  const second = lonja('import', 'orders', file, '--url', url, '--json')
  assert.equal(await second.ended, 0, second.err())
  assert.deepEqual(lastObject(second.out())['orders'], { read: 30, placed: 0, existing: 30, refused: 0 })

  const lines = join(folder, 'orders.ndjson')
  writeFileSync(lines, '{"reference":"X-1","clientId":"none","items":[]}\nno json\n{"reference":"600000"}\n')
  const refused = lonja('import', 'orders', lines, '--url', url, '--json')
  assert.equal(await refused.ended, 1)
  assert.deepEqual(lastObject(refused.out())['orders'], { read: 3, placed: 0, existing: 0, refused: 2 })
}

async function readBeside(store: string, url: string): Promise<void> {
  const told = lonja('order', '600000', '--store', store)
  assert.equal(await told.ended, 0, told.err())
  assert.match(told.out(), /\(600000\): CONFIRMED[\s\S]* event +OrderPlaced\n[\s\S]* event +OrderConfirmed\n/)
  const asked = lonja('order', '600000', '--url', url)
  assert.equal(await asked.ended, 0, asked.err())
  assert.equal(asked.out(), told.out())
  const described = lonja('describe', '--store', store, '--json')
  assert.equal(await described.ended, 0, described.err())
  const { groups } = lastObject(described.out()) as { readonly groups: readonly { name: string; read: number }[] }
  assert.equal(groups.find(({ name }) => name === 'orders.order_list')?.read, 30 * 3)
  const rebuilt = lonja('rebuild', 'order_list', '--url', url)
  assert.equal(await rebuilt.ended, 0, rebuilt.err())
  assert.match(rebuilt.out(), /30 rows compared, no difference/)
  // The live table is another one now, also for those who only read.
  const again = lonja('order', '600000', '--store', store)
  assert.equal(await again.ended, 0, again.err())
}

async function refuseSecond(store: string, url: string): Promise<void> {
  const second = lonja('serve', '--port', '0', '--store', store)
  assert.equal(await second.ended, 1)
  assert.match(second.err(), /Another Lonja works on .*shop\.sqlite \(it holds .*\.lock\)/)
  const { port } = new URL(url)
  const elsewhere = lonja('serve', '--port', port, '--store', 'sqlite::memory:')
  assert.equal(await elsewhere.ended, 1)
  assert.equal(
    elsewhere.err(),
    `lonja: Port ${port} on 127.0.0.1 is taken by another program, maybe by another Lonja. ` +
      'Stop it, or choose another --port.\n',
  )
}

test('the demo plays 60 orders and tells all figures in its last line', { timeout: 120_000 }, async () => {
  const demo = lonja('demo', '--orders', '60', '--exit', '--json', '--port', '0')
  assert.equal(await demo.ended, 0, demo.err())
  const told = lastObject(demo.out())
  const orders = told['orders'] as Record<'placed' | 'confirmed' | 'cancelled' | 'failed' | 'returned', number>
  assert.equal(orders.placed, 60)
  assert.equal(orders.confirmed + orders.cancelled + orders.failed, 60)
  assert.equal(orders.failed, 0)
  assert.ok(orders.confirmed > 0 && orders.cancelled > 0 && orders.returned >= 0)
  const cancelledBy = Object.values(told['cancelledBy'] as Record<string, number>)
  assert.equal(
    cancelledBy.reduce((sum, count) => sum + count, 0),
    orders.cancelled,
  )
  const { rowsSkipped, latencyMs, perSecond } = told as Record<string, Record<string, number>>
  assert.ok((rowsSkipped?.['no customer'] ?? 0) > 0)
  for (const name of ['acceptedP50', 'acceptedP99', 'settledP50', 'settledP99']) {
    assert.ok((latencyMs?.[name] ?? 0) > 0, name)
  }
  assert.ok(latencyMs !== undefined && Number(latencyMs['acceptedP50']) <= Number(latencyMs['settledP50']))
  assert.ok((perSecond?.['orders'] ?? 0) > 0 && (perSecond?.['items'] ?? 0) > 0)
  assert.ok(Number(told['items']) > 60 && Number(told['seconds']) > 0 && Number(told['compensations']) >= 0)
  assert.deepEqual(told['check'], { ok: true, problems: [] })
  assert.match(demo.out(), /Sales by day[\s\S]*2010-12-01 [\s\S]*Window [\s\S]*Check: everything adds up\./)
})
