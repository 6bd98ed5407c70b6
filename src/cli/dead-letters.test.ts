// The commands about dead letters: what they print of a running server and of a database, and with which exit code.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DeadLetter } from '../platform/parking/dead-letter.ts'
import { deadLetterCells, deadLetterIn } from '../platform/parking/dead-letter.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import { deadLettersTable } from '../platform/store/tables.ts'
import { systemClock } from '../platform/system.ts'
import { startOperatedLedger } from '../testing/operated-ledger.ts'
import { keyOf } from '../testing/shop-calls.ts'
import { startShop } from '../testing/shop.ts'
import { waitFor } from '../testing/wait-for.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'lonja-letters-'))
after(() => rmSync(folder, { recursive: true }))

async function told(...argv: readonly string[]) {
  const written = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({ columns: 80, write: (text: string) => void (written[name] += text) })
  const code = await run({ argv, environment: {}, readEnvFile: () => '', out: sink('out'), err: sink('err') })
  return { code, ...written }
}

/** Two accounts with a dead letter each and one message behind it, served on a port of their own. */
async function serve() {
  const ledger = await startOperatedLedger({
    bad: ['a', 'b'],
    thrown: () => new TypeError('the book is closed'),
    clock: systemClock,
    listens: true,
  })
  for (const account of ['a', 'healthy', 'b']) for (const entry of [1, 2]) await ledger.post(account, entry)
  await waitFor(async () => (await ledger.letters()).length === 2, { withinMs: 5000, what: 'two dead letters' })
  const access = ['--url', ledger.url, '--key', keyOf('operator')]
  const [first] = await ledger.rows('dead_letters')
  return { ...ledger, tell: (...argv: readonly string[]) => told(...argv, ...access), id: String(first?.['id']) }
}

test('causes, letters, one letter and parked keys are told by the server', async () => {
  const { tell, id, stop } = await serve()
  const causes = await tell('dead-letters')
  assert.deepEqual([causes.code, causes.err], [0, ''])
  assert.match(causes.out, /LETTERS +KEYS[\s\S]*2 +2 +ledger +Posted +TypeError .*the book is closed/)
  const list = await tell('dead-letters', '--list', '--of', 'a')
  assert.match(list.out, /ledger +Posted +a +TypeError .* dead +0 times/)
  assert.equal(list.out.trim().split('\n').length, 2)
  const look = await tell('dead-letter', id)
  assert.match(look.out, /Dead letter .*: dead[\s\S]*behind it +1 messages wait[\s\S]*at [\s\S]*"entry": 1/)
  assert.match((await tell('parked', '--state', 'held')).out, /ledger +account=a +held +1 +1 +a person decides/)
  const { items } = JSON.parse((await tell('parked', '--json')).out) as { readonly items: readonly unknown[] }
  assert.equal(items.length, 2)
  await stop()
})

test('a redrive shows what it would do, then its progress, and fails where letters do', async () => {
  const { tell, bad, entries, lonja, id, stop } = await serve()
  const dry = await tell('redrive', '--all', '--dry-run', '--reason', 'a try')
  assert.match(dry.out, /2 messages of 2 keys would be redriven; nothing was done\.\n {2}2 by ledger, handler Posted/)
  const failed = await tell('redrive', id, '--reason', 'a try')
  assert.equal(failed.code, 1)
  assert.match(failed.out, /Job .*: done\. 0 of 1 letters were handled, 1 died again\.\n.*failed, TypeError/)
  bad.clear()
  const done = await tell('redrive', '--group', 'ledger', '--reason', 'the book is open', '--json')
  assert.equal(done.code, 0)
  const { redriven, status } = JSON.parse(done.out) as { readonly redriven: number; readonly status: string }
  assert.deepEqual([redriven, status], [2, 'done'])
  await lonja.settled()
  for (const account of ['a', 'b']) assert.deepEqual(await entries(account), [1, 2])
  await stop()
})

test('a letter is discarded with a reason', async () => {
  const { tell, bad, id, entries, lonja, stop } = await serve()
  bad.clear()
  const { code, out } = await tell('discard', id, '--reason', 'a test entry')
  assert.equal(code, 0)
  assert.match(out, /^Posted of \w is given up in ledger: a test entry\.$/m)
  await lonja.settled()
  assert.deepEqual([await entries('a'), await entries('b')].map(String).toSorted(), ['', '2'])
  const again = await tell('redrive', id, '--reason', 'too late')
  assert.equal(again.code, 1)
  assert.match(again.out, /1 were left out\.\n.*left-out, discarded/)
  await stop()
})

test('what is missing or too much is told before anything is asked', async () => {
  for (const [line, sentence] of [
    ['redrive --all', /--reason "WHY" is missing/],
    ['redrive --reason x', /Say which letters: by their IDs/],
    ['redrive --all --group x --reason x', /in one way/],
    ['redrive --all --rate fast --reason x', /--rate is "fast"/],
    ['discard --reason x', /ID is missing/],
    ['dead-letter', /ID is missing/],
    ['dead-letters --status gone', /--status is "gone": write one of dead/],
    ['parked --state asleep', /--state is "asleep"/],
  ] as const) {
    const { code, err } = await told(...line.split(' '))
    assert.equal(code, 2, line)
    assert.match(err, sentence)
  }
})

test('the database is read beside the server, or without one', async () => {
  const path = join(folder, 'shop.sqlite')
  const store = openSqlite({ path })
  const shop = await startShop({ store })
  const orderId = '019a0000-0000-7000-8000-000000000001'
  const letter = letterOf(orderId)
  const transaction = await store.begin()
  const rows = [deadLetterCells(letter)]
  const write = { table: deadLettersTable('payments'), mode: 'insert' as const, rows }
  await transaction.commit({ writes: [write], appends: [], appendedAt: 0, transaction: 0 })
  const from = ['--store', `sqlite:${path}`]
  assert.match((await told('dead-letters', ...from)).out, /1 +1 +payments +CapturePayment +RangeError/)
  const look = await told('dead-letter', letter.id, ...from)
  assert.match(look.out, new RegExp(`story at /v1/orders/${orderId}/story`))
  assert.equal((await told('parked', ...from)).out, 'Nothing is parked.\n')
  const unknown = await told('dead-letter', orderId, ...from)
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /There is no such dead letter.* \(DEAD_LETTER_NOT_FOUND\)/)
  assert.match((await told('dead-letter', 'x', ...from)).err, /id: Invalid/)
  await shop.stop()
  await store.close()
})

function letterOf(orderId: string): DeadLetter {
  const data = { orderId, amount: '12.00' }
  return deadLetterIn({
    id: '019a0000-0000-7000-8000-00000000000d',
    version: 1,
    consumer_group: 'payments',
    key_name: 'orderId',
    key: orderId,
    position: 1,
    topic: 'payments.commands',
    source: 'orders',
    partition: 0,
    generation: 1,
    incarnation: 1,
    sequence: 7,
    appended_at: 0,
    type: 'CapturePayment',
    record: JSON.stringify({ type: 'CapturePayment', key: orderId, data, cause: 'orders/orders.events/0/1' }),
    attempts: 1,
    first_failed_at: 0,
    last_failed_at: 0,
    fault_class: 'permanent',
    code: 'RangeError',
    message: 'out of range',
    stack: 'at here',
    handler: 'CapturePayment',
    parked_at: 0,
    died_at: 0,
    status: 'dead',
    redrive_count: 0,
    reason: null,
    edited_from: null,
  })
}
