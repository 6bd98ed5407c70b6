// The commands of an operator against a running server: what they print, what they refuse, and with which exit code.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Shop } from '../testing/shop.ts'
import { startShop } from '../testing/shop.ts'
import { run } from './run.ts'

suite('an operator at the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-operating-'))
  let shop: Shop
  const orders: string[] = []

  /** Calls `lonja`, and gives its exit code and what it wrote. */
  async function lonja(...argv: string[]) {
    let out = ''
    let err = ''
    const code = await run({
      argv: [...argv, '--url', shop.url ?? ''],
      environment: { LONJA_KEY: 'the-key-of-the-operator' },
      readEnvFile: () => '',
      out: { write: (text: string) => (out += text) },
      err: { write: (text: string) => (err += text) },
    })
    return { code, out, err }
  }

  before(async () => {
    shop = await startShop({ listens: true })
    await shop.product({ quantity: 100 })
    for (let number = 0; number < 5; number += 1) {
      orders.push((await shop.placeOrder({ reference: `GATEWAY-DOWN ${number}` })).orderId)
    }
    await shop.idle()
  })

  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await shop.advance(48 * 3_600_000)
    await shop.stop()
  })

  test('lists sagas page by page, counts them, and looks into one', async () => {
    const { code, out } = await lonja('sagas', '--json')
    const { items } = JSON.parse(out) as { readonly items: readonly { readonly key: string }[] }
    assert.equal(code, 0)
    assert.deepEqual(items.map(({ key }) => key).toSorted(), orders.toSorted())
    const first = await lonja('sagas', '--limit', '2')
    assert.equal(first.out.split('\n').filter((line) => line.startsWith('checkout')).length, 2)
    assert.match(first.out, /… and more/)
    assert.match((await lonja('sagas', '--counts')).out, /^checkout {2}running {2}5 {2}the oldest since /)
    assert.match((await lonja('sagas', '--needs-person')).out, /^No such saga/)
    const one = await lonja('saga', 'checkout', orders[0] ?? '')
    assert.match(one.out, /Waits for: pay until /)
    assert.match(one.out, /lonja saga retry checkout .* --reason "WHY"/)
  })

  test('without Kafka the command about it says so', async () => {
    const { code, err } = await lonja('kafka')
    assert.equal(code, 1)
    assert.match(err, /This installation runs without Kafka/)
  })

  test('acts on a saga, and is told the promise that a skip would break', async () => {
    const [order = ''] = orders
    const noReason = await lonja('saga', 'skip', 'checkout', order)
    assert.deepEqual([noReason.code, /--reason "WHY" is missing/.test(noReason.err)], [2, true])
    const refused = await lonja('saga', 'skip', 'checkout', order, '--reason', 'paid at the counter')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /although payments knows of no money.*SAGA_PROMISE_BROKEN/s)
    const undone = await lonja('saga', 'compensate', 'checkout', order, '--reason', 'the client left')
    assert.deepEqual([undone.code, /is undoing\./.test(undone.out)], [0, true])
    assert.equal((await lonja('saga', 'retry', 'checkout', 'nothing', '--reason', 'why not')).code, 1)
  })

  test('lists every partition of every group with who holds it, position and lag', async () => {
    const { out } = await lonja('groups', '--partitions')
    const [heading = '', ...lines] = out.trim().split('\n')
    assert.match(heading, /^GROUP +TOPIC +SOURCE +NEXT +HEAD +LAG +STATE +HELD BY$/)
    assert.equal(lines.filter((line) => /^orders\.order_list +orders\.events\/\d +orders +\d+/.test(line)).length, 6)
    const json = JSON.parse((await lonja('groups', '--partitions', '--json')).out) as {
      readonly group: string
      readonly partitions: readonly { readonly next: number; readonly lag: number; readonly owner: string }[]
    }[]
    const { partitions = [] } = json.find(({ group }) => group === 'orders.order_list') ?? {}
    assert.deepEqual([...new Set(partitions.map(({ lag }) => lag))], [0])
    assert.ok(partitions.every(({ owner }) => owner !== null) && partitions.some(({ next }) => next > 0))
    const one = await lonja('groups', 'orders', '--partitions')
    assert.match(one.out, /^orders +shipping\.events\/3 +shipping +0 +0 +0 +running +\S+$/m)
  })

  test('sets offsets: tells first, refuses to go back, and rebuilds a projection', async () => {
    const reason = ['--reason', 'a test'] as const
    const told = await lonja('offsets', 'reset', 'orders.order_list', '--to', 'earliest', ...reason)
    assert.equal(told.code, 0, told.err)
    assert.match(told.out, /orders\.events\/\d of orders +from \d+ +to 0 +\d+ again/)
    assert.match(told.out, /would be rebuilt from the beginning of its logs.*--apply/)
    const back = await lonja('offsets', 'reset', 'orders', '--to', 'earliest', '--apply', ...reason)
    assert.deepEqual([back.code, /only a projection may be set back/.test(back.err)], [1, true])
    const nothing = await lonja('offsets', 'reset', 'orders', '--to', '2100-01-01', '--apply', ...reason)
    assert.match(nothing.out, /orders stands there already/)
    const wrong = await lonja('offsets', 'reset', 'orders', '--to', 'yesterday', ...reason)
    assert.deepEqual([wrong.code, /--to is "yesterday": write earliest/.test(wrong.err)], [2, true])
  })

  test('pauses, looks, resumes, and finds all of it in the audit and in a file', async () => {
    const paused = await lonja('pause', 'notifications', '--partition', '2', '--reason', 'the mail server moves')
    assert.match(paused.out, /Paused of notifications: partition 2\./)
    assert.match((await lonja('groups')).out, /notifications +\d+ paused/)
    assert.match(
      (await lonja('groups', 'notifications')).out,
      /partition 2 was paused by operator .*the mail server moves/,
    )
    assert.equal((await lonja('resume', 'notifications', '--reason', 'moved')).code, 1)
    const resumed = await lonja('resume', 'notifications', '--partition', '2', '--reason', 'moved')
    assert.match(resumed.out, /nothing of it is paused/)
    const listed = await lonja('audit')
    assert.deepEqual(
      listed.out.split('\n').flatMap((line) => /operator {2}(\S+)/.exec(line)?.[1] ?? []),
      ['saga.compensate', 'group.pause', 'group.resume'],
    )
    assert.match((await lonja('audit', '--limit', '1')).out, /… older ones/)
    const file = join(folder, 'audit.ndjson')
    assert.equal((await lonja('audit', '--export', file)).code, 0)
    assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, 3)
    const again = await lonja('audit', '--export', file)
    assert.deepEqual([again.code, /exists already/.test(again.err)], [1, true])
  })
})
