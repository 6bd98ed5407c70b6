// Redrive jobs: a frozen set, each key in its order, never twice, also through a crash; limited, stopped, resumed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOperatedLedger } from '../../testing/operated-ledger.ts'
import { severedStore } from '../../testing/severed-store.ts'
import { expectRefusal, expectStatus } from '../../testing/shop-calls.ts'
import type { TroubledOptions } from '../../testing/troubled-ledger.ts'
import { readAudit } from '../audit/audit.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { jobLetterView, jobView } from './redrive-views.ts'

type Job = NonNullable<ReturnType<typeof jobView>>
type JobLetter = ReturnType<typeof jobLetterView>

const REDRIVES = '/v1/ops/redrives'
const reason = 'the handler is mended'
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** A healthy account between the bad ones, or several that fail in a row are taken for an outage. */
async function start(options: TroubledOptions = {}) {
  const ledger = await startOperatedLedger({ thrown: () => new TypeError('never'), ...options })
  const post = async (account: string, ...entries: readonly number[]) => {
    for (const entry of entries) await ledger.post(account, entry)
    await ledger.post('healthy', 1)
    await ledger.pass(1)
  }
  const ask = async (body: object, headers: Readonly<Record<string, string>> = {}) =>
    ledger.operator.post<Job>(REDRIVES, { reason, ...body }, headers)
  const look = async (id: string) => expectStatus(await ledger.operator.get<Job>(`${REDRIVES}/${id}`), 200)
  const lettersOf = async (id: string) =>
    expectStatus(await ledger.operator.get<{ items: readonly JobLetter[] }>(`${REDRIVES}/${id}/letters`), 200).items
  /** Asks, lets it run, and gives the job as it is then. */
  const redrive = async (body: object) => {
    const { id } = expectStatus(await ask(body), 202)
    await ledger.pass(MINUTE_MS)
    return look(id)
  }
  return { ...ledger, post, ask, look, lettersOf, redrive }
}

/** So many accounts, each with a dead letter and a follower; the handler is mended. */
async function startDead(count: number, options: TroubledOptions = {}) {
  const accounts = Array.from({ length: count }, (_, number) => `bad-${String(number).padStart(2, '0')}`)
  const ledger = await start({ bad: accounts, ...options })
  for (const account of accounts) await ledger.post(account, 1, 2)
  ledger.tried.length = 0
  return { ...ledger, accounts, mend: () => ledger.bad.clear() }
}

function numbersOf({ status, total, waiting, underWay, redriven, discarded, failed, leftOut }: Job) {
  return { status, total, waiting, underWay, redriven, discarded, failed, leftOut }
}

const NOTHING = { total: 0, waiting: 0, underWay: 0, redriven: 0, discarded: 0, failed: 0, leftOut: 0 }

test('a job redrives all letters that it was asked for, each before its followers', async () => {
  const ledger = await startDead(5)
  ledger.mend()
  const job = await ledger.redrive({ all: true })
  assert.deepEqual(numbersOf(job), { ...NOTHING, status: 'done', total: 5, redriven: 5 })
  for (const account of ledger.accounts) assert.deepEqual(await ledger.entries(account), [1, 2])
  assert.deepEqual(await ledger.keys(), [])
  const letters = await ledger.rows('dead_letters')
  assert.ok(letters.every((row) => row['status'] === 'redriven' && row['reason'] === reason))
  const [entry, ...others] = await readAudit(ledger.store, { limit: 10 })
  assert.deepEqual(
    [entry?.action, entry?.target, entry?.reason, entry?.principal, entry?.details, others.length],
    ['dead-letter.redrive', `job ${job.id}`, reason, 'operator', { selection: { all: true }, letters: 5 }, 0],
  )
  await ledger.stop()
})

test('letters are chosen one by one, by cause or by filter, and in exactly one of these ways', async () => {
  const ledger = await startDead(3)
  ledger.mend()
  const [first] = await ledger.rows('dead_letters')
  assert.equal((await ledger.redrive({ letters: [String(first?.['id'])] })).redriven, 1)
  const other = ledger.accounts.find((account) => account !== first?.['key'])
  assert.equal((await ledger.redrive({ filter: { key: other } })).redriven, 1)
  const causes = await ledger.operator.get<{ items: readonly { id: string }[] }>('/v1/ops/dead-letters/causes')
  const [cause] = expectStatus(causes, 200).items
  assert.equal((await ledger.redrive({ cause: cause?.id })).redriven, 1)
  expectRefusal(await ledger.ask({ cause: cause?.id }), 404, 'CAUSE_NOT_FOUND')
  const nobody = '01980000-0000-7000-8000-000000000000'
  expectRefusal(await ledger.ask({ letters: [nobody] }), 404, 'DEAD_LETTER_NOT_FOUND')
  for (const body of [{}, { all: true, cause: 'x' }, { filter: {} }]) {
    expectRefusal(await ledger.ask(body), 422, 'REDRIVE_SELECTION')
  }
  await ledger.stop()
})

test('a dry run says how many messages, keys and handlers, and which are left out, and writes nothing', async () => {
  const ledger = await startDead(3)
  const again = await ledger.redrive({ filter: { key: 'bad-00' } })
  assert.equal(again.failed, 1)
  const before = await ledger.rows('dead_letters')
  const answer = await ledger.ask({ all: true, dryRun: true, maxRedrives: 1 })
  const [tooOften] = before.filter(({ key }) => key === 'bad-00').map(({ id }) => id)
  assert.deepEqual(expectStatus(answer, 200), {
    dryRun: true,
    messages: 2,
    keys: 2,
    handlers: [{ group: 'ledger', handler: 'Posted', messages: 2 }],
    leftOut: [{ why: 'redriven too often', messages: 1, letters: [tooOften] }],
  })
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.rows('dead_letters'), before)
  const jobs = await ledger.operator.get<{ items: readonly Job[] }>(REDRIVES)
  assert.deepEqual(
    expectStatus(jobs, 200).items.map(({ id }) => id),
    [again.id],
  )
  await ledger.stop()
})

test('three dead letters of one key and its followers keep their order, though one dies again', async () => {
  const store = openSqlite({ path: ':memory:' })
  const bad = { entries: [1, 2, 3, 4] }
  const trouble = (account: string, entry: number) => {
    if (account === 'a' && bad.entries.includes(entry)) throw new TypeError('never')
  }
  // An older program skipped where this one holds: that is how a key comes to several letters.
  const before = await start({ store: severedStore(store), trouble, parking: { whenDead: 'skip' } })
  await before.post('a', 1, 2, 3)
  await before.stop()
  const ledger = await start({ store, trouble })
  await ledger.post('a', 4, 5, 6)
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  bad.entries = [1]
  const failed = await ledger.redrive({ all: true })
  assert.deepEqual(numbersOf(failed), { ...NOTHING, status: 'done', total: 4, failed: 1, leftOut: 3 })
  assert.deepEqual(await ledger.entries('a'), [])
  bad.entries = []
  const job = await ledger.redrive({ all: true })
  assert.deepEqual(numbersOf(job), { ...NOTHING, status: 'done', total: 4, redriven: 4 })
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3, 4, 5, 6])
  await ledger.stop()
})

test('the letters of one key go one after the other, those of all keys together', async () => {
  const ledger = await start({ bad: ['a', 'b'], parking: { whenDead: 'skip' } })
  await ledger.post('a', 1, 2, 3)
  await ledger.post('b', 1)
  ledger.bad.clear()
  ledger.tried.length = 0
  const job = await ledger.redrive({ all: true })
  assert.equal(job.redriven, 4)
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3])
  assert.ok(ledger.tried.indexOf('b 1') < ledger.tried.indexOf('a 2'), ledger.tried.join())
  await ledger.stop()
})

test('the set is frozen: what dies after the job was asked for is not in it', async () => {
  const ledger = await startDead(3)
  const { id } = expectStatus(await ledger.ask({ all: true, ratePerSecond: 1 }), 202)
  ledger.bad.add('late')
  await ledger.post('late', 1)
  ledger.mend()
  await ledger.pass(MINUTE_MS)
  assert.equal((await ledger.look(id)).total, 3)
  assert.ok((await ledger.letters()).includes('late dead TypeError'))
  await ledger.stop()
})

test('the rate is kept', async () => {
  const ledger = await startDead(6)
  ledger.mend()
  const { id } = expectStatus(await ledger.ask({ all: true, ratePerSecond: 2 }), 202)
  const progress: number[] = []
  for (let second = 0; second < 4; second += 1) {
    await ledger.pass(1000)
    progress.push((await ledger.look(id)).redriven)
  }
  assert.deepEqual(progress, [2, 4, 6, 6])
  await ledger.stop()
})

test('asked twice, by its id or by its Idempotency-Key, it is one job', async () => {
  const ledger = await startDead(4)
  const twice = await Promise.all([ledger.ask({ all: true, id: 'mine' }), ledger.ask({ all: true, id: 'mine' })])
  assert.deepEqual(
    twice.map((answer) => expectStatus(answer, 202).id),
    ['mine', 'mine'],
  )
  await ledger.pass(MINUTE_MS)
  expectStatus(await ledger.ask({ all: true, id: 'mine' }), 202)
  await ledger.pass(MINUTE_MS)
  assert.ok((await ledger.rows('dead_letters')).every((row) => row['redrive_count'] === 1))
  expectRefusal(await ledger.ask({ all: true, id: 'mine', ratePerSecond: 5 }), 409, 'REDRIVE_ID_TAKEN')
  ledger.mend()
  const key = { 'idempotency-key': 'click' }
  const [one, other] = [await ledger.ask({ all: true }, key), await ledger.ask({ all: true }, key)]
  assert.equal(expectStatus(one, 202).id, expectStatus(other, 202).id)
  await ledger.pass(MINUTE_MS)
  assert.equal((await ledger.look(one.body.id)).redriven, 4)
  assert.equal((await readAudit(ledger.store, { limit: 10 })).length, 2)
  await ledger.stop()
})

test('it stops when as many letters died again as it may spoil, and goes on when it is resumed', async () => {
  const ledger = await startDead(7)
  const job = await ledger.redrive({ all: true, stopAfterFailures: 2 })
  assert.deepEqual(numbersOf(job), { ...NOTHING, status: 'stopped', total: 7, failed: 2, waiting: 5 })
  assert.equal(job.why, '2 letters died again')
  const spoilt = (await ledger.rows('dead_letters')).filter((row) => row['redrive_count'] === 1)
  assert.equal(spoilt.length, 2)
  ledger.mend()
  expectStatus(await ledger.operator.post(`${REDRIVES}/${job.id}/resume`, { reason: 'now it is' }), 200)
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(numbersOf(await ledger.look(job.id)), {
    ...NOTHING,
    status: 'done',
    total: 7,
    failed: 2,
    redriven: 5,
  })
  expectRefusal(await ledger.operator.post(`${REDRIVES}/${job.id}/stop`, { reason }), 409, 'REDRIVE_DONE')
  await ledger.stop()
})

/** Whether what is thrown may pass by itself. */
const state = { isPassing: false }

test('no more letters are on their way than may die again, also where they are tried for long', async () => {
  const ledger = await startDead(5, {
    trouble: (account, entry) => {
      if (account.startsWith('bad') && entry === 1)
        throw state.isPassing ? new Error('passing') : new TypeError('never')
    },
  })
  state.isPassing = true
  const { id } = expectStatus(await ledger.ask({ all: true, stopAfterFailures: 2 }), 202)
  await ledger.pass(3000)
  const job = await ledger.look(id)
  assert.deepEqual([job.underWay, job.waiting, job.failed], [2, 3, 0])
  state.isPassing = false
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(numbersOf(await ledger.look(id)), {
    ...NOTHING,
    status: 'stopped',
    total: 5,
    failed: 2,
    waiting: 3,
  })
  await ledger.stop()
})

test('a person stops it and resumes it; what is on its way is followed to its end', async () => {
  const ledger = await startDead(4)
  ledger.mend()
  const { id } = expectStatus(await ledger.ask({ all: true, ratePerSecond: 1 }), 202)
  await ledger.pass(1500)
  const stopped = expectStatus(await ledger.operator.post<Job>(`${REDRIVES}/${id}/stop`, { reason }), 200)
  assert.deepEqual([stopped.status, stopped.why], ['stopped', 'stopped by operator'])
  await ledger.pass(MINUTE_MS)
  const rest = await ledger.look(id)
  assert.deepEqual(numbersOf(rest), { ...NOTHING, status: 'stopped', total: 4, redriven: 2, waiting: 2 })
  expectStatus(await ledger.operator.post(`${REDRIVES}/${id}/resume`, { reason }), 200)
  await ledger.pass(MINUTE_MS)
  assert.equal((await ledger.look(id)).redriven, 4)
  const actions = (await readAudit(ledger.store, { limit: 10 })).map(({ action }) => action)
  assert.deepEqual(actions, ['dead-letter.redrive', 'dead-letter.stop', 'dead-letter.resume'])
  expectRefusal(await ledger.operator.post(`${REDRIVES}/nobodys/stop`, { reason }), 404, 'REDRIVE_NOT_FOUND')
  await ledger.stop()
})

test('letters that died as often as they may are left out, unless more is allowed', async () => {
  const ledger = await startDead(1)
  for (let times = 0; times < 3; times += 1) assert.equal((await ledger.redrive({ all: true })).failed, 1)
  ledger.mend()
  const guarded = await ledger.redrive({ all: true })
  assert.deepEqual(numbersOf(guarded), { ...NOTHING, status: 'done', total: 1, leftOut: 1 })
  const [left] = await ledger.lettersOf(guarded.id)
  assert.deepEqual([left?.state, left?.why], ['left-out', 'redriven too often'])
  assert.equal((await ledger.redrive({ all: true, maxRedrives: 4 })).redriven, 1)
  await ledger.stop()
})

test('a letter that somebody discards meanwhile is left out', async () => {
  const ledger = await startDead(3)
  ledger.mend()
  const { id } = expectStatus(await ledger.ask({ all: true, ratePerSecond: 1 }), 202)
  const last = (await ledger.lettersOf(id)).at(-1)
  expectStatus(await ledger.operator.post(`/v1/ops/dead-letters/${last?.letter}/discard`, { reason }), 200)
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(numbersOf(await ledger.look(id)), { ...NOTHING, status: 'done', total: 3, redriven: 2, leftOut: 1 })
  assert.equal((await ledger.lettersOf(id)).at(-1)?.why, 'discarded')
  await ledger.stop()
})

test('many letters are discarded as a job as well; their followers go on', async () => {
  const ledger = await startDead(40)
  ledger.mend()
  const job = await ledger.redrive({ all: true, action: 'discard' })
  assert.deepEqual(numbersOf(job), { ...NOTHING, status: 'done', total: 40, discarded: 40 })
  for (const account of ledger.accounts) assert.deepEqual(await ledger.entries(account), [2])
  assert.deepEqual(await ledger.keys(), [])
  await ledger.stop()
})

test('jobs that are long done are taken away with their letters', async () => {
  const ledger = await startDead(2)
  ledger.mend()
  const old = await ledger.redrive({ all: true })
  await ledger.pass(91 * DAY_MS)
  const young = await ledger.redrive({ all: true })
  const jobs = await ledger.operator.get<{ items: readonly Job[] }>(REDRIVES)
  assert.deepEqual(
    expectStatus(jobs, 200).items.map(({ id }) => id),
    [young.id],
  )
  expectRefusal(await ledger.operator.get(`${REDRIVES}/${old.id}`), 404, 'REDRIVE_NOT_FOUND')
  assert.deepEqual(await ledger.store.query('SELECT * FROM lonja_redrive_letters'), [])
  await ledger.stop()
})

test('killed at any commit, another process goes on: nothing is sent twice or left behind', async () => {
  let commits = 1
  for (; ; commits += 1) {
    const store = openSqlite({ path: ':memory:' })
    const handle = severedStore(store)
    const before = await startDead(3, { store: handle, parking: { whenDead: 'skip' } })
    before.mend()
    handle.cutAfter(commits)
    const asked = await before.ask({ all: true, id: 'job', ratePerSecond: 20 })
    await before.pass(1000)
    await before.stop()
    const after = await start({ store, parking: { whenDead: 'skip' } })
    await after.pass(MINUTE_MS)
    // Whoever got no answer asks again.
    if (asked.status !== 202) expectStatus(await after.ask({ all: true, id: 'job', ratePerSecond: 20 }), 202)
    await after.pass(MINUTE_MS)
    assert.deepEqual(numbersOf(await after.look('job')), { ...NOTHING, status: 'done', total: 6, redriven: 6 })
    for (const account of before.accounts) assert.deepEqual(await after.entries(account), [1, 2], `${commits}`)
    assert.ok((await after.rows('dead_letters')).every((row) => row['redrive_count'] === 1))
    assert.equal((await readAudit(store, { limit: 10 })).length, 1)
    await after.stop()
    if (!handle.isCut()) break
  }
  assert.ok(commits > 10, `only ${commits} commits were cut`)
})
