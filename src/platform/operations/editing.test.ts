// Edits of dead letters: a new message takes the place of the dead one, its key locked; a second person may be asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOperatedLedger } from '../../testing/operated-ledger.ts'
import type { OperatedOptions } from '../../testing/operated-ledger.ts'
import { severedStore } from '../../testing/severed-store.ts'
import { expectRefusal, expectStatus } from '../../testing/shop-calls.ts'
import { readAudit } from '../audit/audit.ts'
import type { RecordBody } from '../log/record.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { LetterEdit } from './letter-edits.ts'
import type { letterView } from './letter-views.ts'

const LETTERS = '/v1/ops/dead-letters'
const reason = 'the till sent nonsense'
const MINUTE_MS = 60_000

/** The first entry of an account is dead, two more wait behind it. */
async function start(options: OperatedOptions = {}) {
  const ledger = await startOperatedLedger({
    trouble: (_, entry) => {
      if (entry === 1) throw new TypeError('never')
    },
    ...options,
  })
  for (const entry of [1, 2, 3]) await ledger.post('a', entry, 'for Rosalía')
  await ledger.pass(MINUTE_MS)
  const [row] = await ledger.rows('dead_letters')
  const id = String(row?.['id'])
  const edit = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    ledger.operator.post<LetterEdit>(`${LETTERS}/${id}/edit`, { body, reason }, headers)
  const look = async (letter: string | null) =>
    expectStatus(await ledger.operator.get<ReturnType<typeof letterView>>(`${LETTERS}/${letter}`), 200)
  return { ...ledger, id, edit, look }
}

const sound = { account: 'a', entry: 10, memo: 'for Rosalía' }

test('an edit takes the place of the dead letter, before its followers, and names it', async () => {
  const ledger = await start()
  const made = expectStatus(await ledger.edit(sound), 200)
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [10, 2, 3])
  assert.deepEqual(await ledger.keys(), [])
  const [old, successor] = [await ledger.look(ledger.id), await ledger.look(made.made)]
  assert.deepEqual([old.status, old.reason, old.editedFrom], ['edited', reason, null])
  assert.deepEqual([successor.status, successor.editedFrom], ['redriven', ledger.id])
  const [before, after] = [old, successor].map(({ record }) => JSON.parse(record.text) as RecordBody)
  assert.deepEqual(after, { ...before, data: sound, cause: old.position })
  await ledger.stop()
})

test('the audit names the fields that were changed, and no value of them', async () => {
  const ledger = await start()
  const { id } = expectStatus(await ledger.edit({ ...sound, memo: 'for Ximena' }), 200)
  const [entry, ...others] = await readAudit(ledger.store, { limit: 10 })
  assert.deepEqual(
    [entry?.action, entry?.target, entry?.reason, entry?.details, others.length],
    ['dead-letter.edit', ledger.id, reason, { edit: id, fields: ['entry', 'memo'] }, 0],
  )
  const edits = await ledger.store.query(`SELECT * FROM ${ledger.store.tableName('lonja', 'letter_edits')}`)
  assert.doesNotMatch(JSON.stringify([entry, edits]), /Ximena|Rosalía/)
  await ledger.pass(0)
  await ledger.stop()
})

test('a body that its contract or the order does not allow is refused with what is wrong', async () => {
  const ledger = await start()
  const issuesOf = (details: ReturnType<typeof expectRefusal>) =>
    ((details ?? {})['issues'] as readonly { readonly path: string }[]).map(({ path }) => path)
  const unsound = await ledger.edit({ ...sound, entry: 'ten' })
  assert.deepEqual(issuesOf(expectRefusal(unsound, 422, 'BODY_INVALID')), ['entry'])
  expectRefusal(await ledger.edit({ ...sound, amount: 1 }), 422, 'BODY_INVALID')
  expectRefusal(await ledger.edit({ ...sound, account: 'b' }), 422, 'EDIT_KEY_LOCKED')
  expectRefusal(await ledger.edit({ ...sound, entry: 1 }), 422, 'EDIT_UNCHANGED')
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  assert.deepEqual(await readAudit(ledger.store, { limit: 10 }), [])
  await ledger.stop()
})

test('messages of a projection are not edited: it would no longer be what the log says', async () => {
  const ledger = await start({
    trouble: () => undefined,
    foldTrouble: (_, entry) => {
      if (entry === 1) throw new TypeError('never')
    },
  })
  expectRefusal(await ledger.edit(sound), 409, 'EDIT_OF_PROJECTION')
  await ledger.stop()
})

test('asked twice with one key it is made once; without, the second finds the letter decided', async () => {
  const ledger = await start()
  const key = { 'idempotency-key': 'click' }
  const twice = await Promise.all([ledger.edit(sound, key), ledger.edit(sound, key)])
  const [one, other] = twice.map((answer) => expectStatus(answer, 200).made)
  assert.equal(one, other)
  expectRefusal(await ledger.edit({ ...sound, entry: 11 }, key), 409, 'EDIT_ID_TAKEN')
  expectRefusal(await ledger.edit({ ...sound, entry: 11 }), 409, 'DEAD_LETTER_DECIDED')
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [10, 2, 3])
  await ledger.stop()
})

test('an edited message that dies is a dead letter of its own, and can be edited again', async () => {
  const ledger = await start({
    trouble: (_, entry) => {
      if (entry === 1 || entry === 10) throw new TypeError('never')
    },
  })
  const { made } = expectStatus(await ledger.edit(sound), 200)
  await ledger.pass(0)
  const died = await ledger.look(made)
  assert.deepEqual([died.status, died.editedFrom, died.attempts, died.waitingBehind], ['dead', ledger.id, 1, 2])
  const again = await ledger.operator.post(`${LETTERS}/${made}/edit`, { body: { ...sound, entry: 11 }, reason })
  expectStatus(again, 200)
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [11, 2, 3])
  await ledger.stop()
})

test('where the setting says so an edit waits for a second person, who sees its body until it is decided', async () => {
  const ledger = await start({ editsNeedApproval: true })
  const proposed = expectStatus(await ledger.edit(sound), 202)
  assert.deepEqual([proposed.state, proposed.made], ['proposed', null])
  await ledger.pass(MINUTE_MS)
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  const path = `${LETTERS}/edits/${proposed.id}`
  const admin = ledger.as('admin')
  assert.deepEqual(expectStatus(await admin.get<LetterEdit>(path), 200).body, sound)
  expectRefusal(await ledger.operator.post(`${path}/approve`, { reason }), 403, 'EDIT_OWN')
  const approved = [
    await admin.post<LetterEdit>(`${path}/approve`, { reason: 'right' }),
    await admin.post<LetterEdit>(`${path}/approve`, { reason: 'right' }),
  ].map((answer) => expectStatus(answer, 200))
  assert.deepEqual(approved[0], approved[1])
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [10, 2, 3])
  assert.equal(expectStatus(await admin.get<LetterEdit>(path), 200).body, null)
  expectRefusal(await admin.post(`${path}/reject`, { reason }), 409, 'EDIT_DECIDED')
  const told = (await readAudit(ledger.store, { limit: 10 })).map(({ action, principal }) => `${action} ${principal}`)
  assert.deepEqual(told, ['dead-letter.propose-edit operator', 'dead-letter.approve-edit admin'])
  await ledger.stop()
})

test('a rejected edit leaves the letter as it is; one whose letter was decided about is refused', async () => {
  const ledger = await start({ editsNeedApproval: true })
  const [first, second] = [await ledger.edit(sound), await ledger.edit({ ...sound, entry: 12 })]
  const admin = ledger.as('admin')
  const decide = (answer: typeof first, decision: string) =>
    admin.post<LetterEdit>(`${LETTERS}/edits/${answer.body.id}/${decision}`, { reason })
  assert.equal(expectStatus(await decide(first, 'reject'), 200).state, 'rejected')
  expectRefusal(await decide(first, 'approve'), 409, 'EDIT_DECIDED')
  assert.equal((await ledger.look(ledger.id)).status, 'dead')
  const open = await ledger.operator.get<{ items: readonly LetterEdit[] }>(`${LETTERS}/edits`)
  assert.deepEqual(
    expectStatus(open, 200).items.map(({ id }) => id),
    [second.body.id],
  )
  expectStatus(await ledger.operator.post(`${LETTERS}/${ledger.id}/discard`, { reason }), 200)
  expectRefusal(await decide(second, 'approve'), 409, 'DEAD_LETTER_DECIDED')
  expectRefusal(await admin.post(`${LETTERS}/edits/nobodys/approve`, { reason }), 404, 'EDIT_NOT_FOUND')
  await ledger.pass(0)
  await ledger.stop()
})

test('killed at its commit an edit is made whole or not at all, and asked again it is made once', async () => {
  const store = openSqlite({ path: ':memory:' })
  const handle = severedStore(store)
  const before = await start({ store: handle })
  handle.cutAfter(1)
  const key = { 'idempotency-key': 'click' }
  assert.equal((await before.edit(sound, key)).status, 503)
  await before.stop()
  const after = await startOperatedLedger({ store })
  expectStatus(await after.operator.post(`${LETTERS}/${before.id}/edit`, { body: sound, reason }, key), 200)
  await after.pass(MINUTE_MS)
  assert.deepEqual(await after.entries('a'), [10, 2, 3])
  assert.equal((await readAudit(store, { limit: 10 })).length, 1)
  await after.stop()
})
