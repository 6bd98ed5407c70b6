// The commands that edit a dead letter and that stop, resume and look at the jobs which redrive many.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Role } from '../kernel/route.ts'
import { systemClock } from '../platform/system.ts'
import type { OperatedOptions } from '../testing/operated-ledger.ts'
import { startOperatedLedger } from '../testing/operated-ledger.ts'
import { keyOf } from '../testing/shop-calls.ts'
import { waitFor } from '../testing/wait-for.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'lonja-mending-'))
after(() => rmSync(folder, { recursive: true }))

async function told(...argv: readonly string[]) {
  const written = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({ columns: 80, write: (text: string) => void (written[name] += text) })
  const code = await run({ argv, environment: {}, readEnvFile: () => '', out: sink('out'), err: sink('err') })
  return { code, ...written }
}

/** Accounts whose first entry is a dead letter, served on a port of their own. */
async function serve(bad: readonly string[], options: OperatedOptions = {}) {
  const thrown = () => new TypeError('the book is closed')
  const ledger = await startOperatedLedger({ bad, thrown, clock: systemClock, listens: true, ...options })
  // A healthy account between the bad ones, or they are taken for an outage.
  for (const account of bad) {
    await ledger.post(account, 1, 'for Rosalía')
    await ledger.post('healthy', 1)
  }
  const arrived = async () => (await ledger.letters()).length === bad.length
  await waitFor(arrived, { withinMs: 5000, what: 'the dead letters' })
  const rows = await ledger.rows('dead_letters')
  const as = (role: Role, ...argv: readonly string[]) => told(...argv, '--url', ledger.url, '--key', keyOf(role))
  return {
    ...ledger,
    as,
    tell: (...argv: readonly string[]) => as('operator', ...argv),
    ids: rows.map((row) => String(row['id'])),
  }
}

const why = ['--reason', 'the till sent nonsense']

test('a letter is edited by the fields that differ, and what became of it is shown', async () => {
  const { tell, ids, bad, entries, lonja, stop } = await serve(['a'])
  bad.clear()
  const [id = ''] = ids
  const { code, out, err } = await tell('edit', id, '--fields', '{"entry": 10}', ...why)
  assert.deepEqual([code, err], [0, ''])
  const [, made = ''] =
    /^A message with another entry takes the place of \S+: `lonja dead-letter (\S+)`\.$/m.exec(out) ?? []
  await lonja.settled()
  assert.deepEqual(await entries('a'), [10])
  assert.match((await tell('dead-letter', made)).out, /edited from +\S+[\s\S]*"memo": "for Rosalía"/)
  assert.match((await tell('edits')).out, /^No such edit/)
  assert.match(
    (await tell('edits', '--state', 'made', '--letter', id)).out,
    /made +entry +operator .* the till sent nonsense/,
  )
  await stop()
})

test('a letter is edited by a file with the whole body', async () => {
  const { tell, ids, bad, entries, lonja, stop } = await serve(['a'])
  bad.clear()
  const [id = ''] = ids
  const file = join(folder, 'body.json')
  writeFileSync(file, JSON.stringify({ account: 'b', entry: 11, memo: '' }))
  const otherKey = await tell('edit', id, '--body', file, ...why)
  assert.deepEqual([otherKey.code, /EDIT_KEY_LOCKED/.test(otherKey.err)], [1, true])
  writeFileSync(file, JSON.stringify({ account: 'a', entry: 11, memo: '' }))
  const made = await tell('edit', id, '--body', file, '--json', ...why)
  const { state, fields } = JSON.parse(made.out) as { readonly state: string; readonly fields: readonly string[] }
  assert.deepEqual([made.code, state, fields], [0, 'made', ['entry', 'memo']])
  await lonja.settled()
  assert.deepEqual(await entries('a'), [11])
  await stop()
})

test('where a second person decides, he sees the proposal, and rejects or approves of it', async () => {
  const { tell, as, ids, bad, entries, lonja, stop } = await serve(['a'], { editsNeedApproval: true })
  bad.clear()
  const [id = ''] = ids
  const propose = async (entry: number) => {
    const { out } = await tell('edit', id, '--fields', `{"entry": ${entry}}`, ...why)
    return /`lonja edit approve (\S+)`/.exec(out)?.[1] ?? ''
  }
  const [wrong, right] = [await propose(12), await propose(13)]
  assert.match((await tell('edits')).out, new RegExp(`${right} .* proposed +entry[\\s\\S]*${wrong}`))
  assert.match((await as('admin', 'edits', right)).out, /proposed +by operator [\s\S]*"entry": 13/)
  const own = await tell('edit', 'approve', right, '--reason', 'I am sure')
  assert.deepEqual([own.code, /EDIT_OWN/.test(own.err)], [1, true])
  const rejected = await tell('edit', 'reject', wrong, '--reason', 'not that one')
  assert.match(rejected.out, /is rejected; dead letter \S+ stays as it is\./)
  const approved = await as('admin', 'edit', 'approve', right, '--reason', 'compared')
  assert.deepEqual([approved.code, /takes the place of/.test(approved.out)], [0, true])
  await lonja.settled()
  assert.deepEqual(await entries('a'), [13])
  assert.match((await tell('edits', right)).out, /decided +by admin .*: compared/)
  await stop()
})

test('a job is stopped in the midst, is found in the list and goes on when it is resumed', async () => {
  const { tell, bad, ids, entries, operator, lonja, stop } = await serve(['a', 'b', 'c'])
  bad.clear()
  // At one a second only the first letter goes before the stop.
  const asked = { id: 'slowly', letters: ids, ratePerSecond: 1, reason: 'a try' }
  assert.equal((await operator.post('/v1/ops/redrives', asked)).status, 202)
  const stopped = await tell('redrive', 'stop', 'slowly', '--reason', 'the gateway is away again')
  assert.equal(stopped.code, 0)
  assert.match(stopped.out, /^Job slowly: stopped \(.*\)\. \d of 3 letters were handled, \d were not sent\.$/m)
  assert.match((await tell('redrives')).out, /slowly +redrive +stopped +\d of 3 +0 +0 +operator .* a try/)
  assert.match((await tell('redrives', 'slowly')).out, /limits +1 a second, stops after 10 failures/)
  const resumed = await tell('redrive', 'resume', 'slowly', '--reason', 'it is back', '--json')
  const { status, redriven } = JSON.parse(resumed.out) as { readonly status: string; readonly redriven: number }
  assert.deepEqual([resumed.code, status, redriven], [0, 'done', 3])
  await lonja.settled()
  for (const account of ['a', 'b', 'c']) assert.deepEqual(await entries(account), [1])
  const over = await tell('redrive', 'stop', 'slowly', '--reason', 'too late')
  assert.deepEqual([over.code, /REDRIVE_DONE/.test(over.err)], [1, true])
  await stop()
})

test('a job that many died in again names them, also later', async () => {
  const { tell, ids, stop } = await serve(['a'])
  const [id = ''] = ids
  assert.equal((await tell('redrive', id, ...why)).code, 1)
  const { items } = JSON.parse((await tell('redrives', '--json')).out) as {
    readonly items: readonly { readonly id: string }[]
  }
  assert.equal(items.length, 1)
  assert.match((await tell('redrives', items[0]?.id ?? '')).out, new RegExp(`${id} +ledger a: failed, TypeError`))
  assert.match((await tell('redrives', 'nobodys')).err, /REDRIVE_NOT_FOUND/)
  await stop()
})

test('what is missing or too much is told before anything is asked', async () => {
  for (const [line, sentence] of [
    ['edit --fields {} --reason x', /ID is missing/],
    ['edit x --fields {}', /--reason "WHY" is missing/],
    ['edit x --reason x', /--body FILE with all of it, or --fields JSON/],
    ['edit x --fields {} --body y --reason x', /--body FILE with all of it, or --fields JSON/],
    ['edit x --fields {Rosalía} --reason x', /--fields holds no JSON: (?!.*Rosalía)/],
    ['edit x --fields 5 --reason x', /--fields is no JSON object/],
    ['edit approve --reason x', /EDIT is missing/],
    ['edit reject x', /--reason "WHY" is missing/],
    ['edits x y', /y is too much/],
    ['edits --state gone', /--state is "gone": write one of proposed/],
    ['redrive stop --reason x', /JOB is missing/],
    ['redrive resume x', /--reason "WHY" is missing/],
    ['redrives x y', /y is too much/],
  ] as const) {
    const { code, err } = await told(...line.split(' '))
    assert.equal(code, 2, line)
    assert.match(err, sentence)
  }
  const noFile = await told('edit', 'x', '--body', join(folder, 'none.json'), '--reason', 'x')
  assert.deepEqual([noFile.code, /none\.json can't be read \(ENOENT\)/.test(noFile.err)], [1, true])
})
