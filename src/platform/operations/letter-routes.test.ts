// Dead letters and parked keys over HTTP: found by what is known of them, looked into, discarded; for operators alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOperatedLedger } from '../../testing/operated-ledger.ts'
import { expectRefusal, expectStatus } from '../../testing/shop-calls.ts'
import { readAudit } from '../audit/audit.ts'
import type { causeView, letterView, listedView } from './letter-views.ts'
import { withOperations } from './service.ts'

type Listed = ReturnType<typeof listedView>
type Looked = ReturnType<typeof letterView>
type Cause = ReturnType<typeof causeView>
interface Items<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

const LETTERS = '/v1/ops/dead-letters'
const NOBODY = '01980000-0000-7000-8000-000000000000'

/** Accounts a and b are dead with one follower each; c waits for its next try. */
async function start() {
  const handler = { isMended: false }
  const ledger = await startOperatedLedger({
    trouble: (account, entry) => {
      if (entry !== 1 || handler.isMended) return
      if (account === 'c') throw new Error('passing trouble')
      if (account !== 'healthy') throw new TypeError(`no ${account}`)
    },
  })
  for (const account of ['a', 'b', 'c']) {
    for (const entry of [1, 2]) await ledger.post(account, entry, 'for Rosalía')
    // Else three that fail in a row are taken for an outage.
    await ledger.post('healthy', 1)
    await ledger.pass(200)
  }
  const get = async <Body>(path: string) => expectStatus(await ledger.operator.get<Body>(path), 200)
  return { ...ledger, get, handler }
}

test('dead letters are listed page by page, the youngest death first, and never with a body', async () => {
  const { get, stop } = await start()
  const first = await get<Items<Listed>>(`${LETTERS}?limit=1`)
  const second = await get<Items<Listed>>(`${LETTERS}?limit=1&after=${String(first.next)}`)
  assert.deepEqual(
    [...first.items, ...second.items].map(({ key, code, status }) => [key, code, status]),
    [
      ['b', 'TypeError', 'dead'],
      ['a', 'TypeError', 'dead'],
    ],
  )
  assert.equal(second.next, null)
  assert.doesNotMatch(JSON.stringify([first, second]), /Rosalía|"stack"|"record"/)
  await stop()
})

test('a list is narrowed by whatever is known', async () => {
  const { get, clock, stop } = await start()
  const keysOf = async (query: string) => (await get<Items<Listed>>(`${LETTERS}?${query}`)).items.map(({ key }) => key)
  assert.deepEqual(await keysOf('group=ledger&type=Posted&topic=desk.events&code=TypeError'), ['b', 'a'])
  assert.deepEqual(await keysOf('key=a'), ['a'])
  for (const query of ['group=desk', 'type=Stamped', 'topic=ledger.events', 'code=RangeError', 'status=discarded']) {
    assert.deepEqual(await keysOf(query), [], query)
  }
  const [, { diedAt: aDied } = { diedAt: '' }] = (await get<Items<Listed>>(LETTERS)).items
  assert.deepEqual(await keysOf(`diedBefore=${aDied}`), [])
  assert.deepEqual(await keysOf(`diedAfter=${aDied}&key=a`), ['a'])
  assert.deepEqual(await keysOf(`diedAfter=${new Date(clock.now()).toISOString()}`), [])
  assert.deepEqual(await keysOf('status=all'), ['b', 'a'])
  await stop()
})

test('letters of one handler and code are one cause', async () => {
  const { get, stop } = await start()
  const { items } = await get<Items<Cause>>(`${LETTERS}/causes`)
  const [cause, ...others] = items
  assert.ok(cause !== undefined && others.length === 0)
  const { group, handler, type, faultClass, code, message, count, keys } = cause
  assert.deepEqual(
    { group, handler, type, faultClass, code, message, count, keys },
    {
      group: 'ledger',
      handler: 'Posted',
      type: 'Posted',
      faultClass: 'permanent',
      code: 'TypeError',
      message: 'no a',
      count: 2,
      keys: 2,
    },
  )
  assert.ok(cause.firstAt < cause.lastAt)
  const letters = await get<Items<Listed>>(LETTERS)
  assert.ok(letters.items.every((letter) => letter.cause === cause.id))
  await stop()
})

test('a look shows the record byte for byte, the failure with its stack, and who waits behind', async () => {
  const { get, rows, stop } = await start()
  const [row] = await rows('dead_letters')
  const letter = await get<Looked>(`${LETTERS}/${String(row?.['id'])}`)
  assert.equal(letter.record.text, row?.['record'])
  assert.deepEqual(letter.record.value, { account: letter.key, entry: 1, memo: 'for Rosalía' })
  assert.match(letter.stack, /^at /)
  assert.equal(letter.record.headers['kafka_dlt-original-topic'], 'desk.events')
  assert.equal(letter.waitingBehind, 1)
  assert.deepEqual([letter.correlation, letter.story], [letter.key, null])
  await stop()
})

test('a discarded letter lets its followers go on; asked twice it is done once, and told once', async () => {
  const { get, operator, entries, pass, store, stop } = await start()
  const [letter] = (await get<Items<Listed>>(`${LETTERS}?key=a`)).items
  const path = `${LETTERS}/${letter?.id}/discard`
  const body = { reason: 'a test entry' }
  const both = await Promise.all([operator.post<Looked>(path, body), operator.post<Looked>(path, body)])
  for (const answer of both) assert.equal(expectStatus(answer, 200).status, 'discarded')
  await pass(0)
  assert.deepEqual(await entries('a'), [2])
  const audit = await readAudit(store, { limit: 10 })
  assert.deepEqual(
    audit.map(({ action, target, reason, principal, role }) => [action, target, reason, principal, role]),
    [['dead-letter.discard', letter?.id, 'a test entry', 'operator', 'operator']],
  )
  await stop()
})

test('what is not there, and what was decided otherwise, is refused', async () => {
  const { get, operator, lonja, handler, pass, stop } = await start()
  expectRefusal(await operator.get(`${LETTERS}/${NOBODY}`), 404, 'DEAD_LETTER_NOT_FOUND')
  const discard = (id: string) => operator.post(`${LETTERS}/${id}/discard`, { reason: 'why' })
  expectRefusal(await discard(NOBODY), 404, 'DEAD_LETTER_NOT_FOUND')
  const [letter] = (await get<Items<Listed>>(`${LETTERS}?key=a`)).items
  assert.ok(letter !== undefined)
  handler.isMended = true
  await lonja.redrive('ledger', { id: letter.id, reason: 'again' })
  expectRefusal(await discard(letter.id), 409, 'DEAD_LETTER_DECIDED')
  await pass(0)
  expectRefusal(await operator.post(`${LETTERS}/${letter.id}/discard`, {}), 422, 'BODY_INVALID')
  await stop()
})

test('parked keys are listed with what they wait for, and looked into with their queue', async () => {
  const { get, operator, stop } = await start()
  type Key = Readonly<Record<string, unknown>> & { readonly key: string }
  const { items, next } = await get<Items<Key>>('/v1/ops/parked?limit=2')
  assert.deepEqual(
    items.map(({ key, state, messages, code, nextTry }) => [key, state, messages, code, nextTry]),
    [
      ['a', 'held', 1, 'TypeError', null],
      ['b', 'held', 1, 'TypeError', null],
    ],
  )
  const [c] = (await get<Items<Key>>(`/v1/ops/parked?limit=2&after=${String(next)}`)).items
  assert.deepEqual([c?.key, c?.['state'], c?.['code'], c?.['messages']], ['c', 'retrying', 'Error', 2])
  assert.deepEqual((await get<Items<Key>>('/v1/ops/parked?state=retrying&code=Error')).items, [c])
  const { queue } = await get<{ readonly queue: Items<Readonly<Record<string, unknown>>> }>(
    '/v1/ops/parked/ledger/account/c',
  )
  assert.deepEqual(
    queue.items.map(({ attempts, code, value }) => [attempts, code, (value as { entry: number }).entry]),
    [
      [3, 'Error', 1],
      [0, null, 2],
    ],
  )
  expectRefusal(await operator.get('/v1/ops/parked/ledger/account/healthy'), 404, 'PARKED_KEY_NOT_FOUND')
  await stop()
})

test('every route for operators is for operators', async () => {
  const { lonja, as, stop } = await start()
  const operations = withOperations(lonja, { editsNeedApproval: false }).services.find(
    ({ name }) => name === 'operations',
  )
  const routes = operations?.routes ?? []
  assert.ok(routes.length > 5)
  for (const { method, path, rules } of routes) {
    assert.equal(rules.role, 'operator', `${method} ${path}`)
    const url = path.replaceAll(/:id\b/g, NOBODY).replaceAll(/:\w+/g, 'x')
    const clerk = as('clerk')
    const answer = await (method === 'GET' ? clerk.get(url) : clerk.post(url, {}))
    expectRefusal(answer, 403, 'ROLE_MISSING')
  }
  await stop()
})
