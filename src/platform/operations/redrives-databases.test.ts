// A job over several databases: a part in each one that has letters of it, shown and decided about as one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startShop } from '../../testing/shop.ts'
import { expectStatus } from '../../testing/shop-calls.ts'
import { readAudit } from '../audit/audit.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import { deadLetterCells, deadLetterIn } from '../parking/dead-letter.ts'
import type { Store } from '../ports.ts'
import { openSqlite } from '../store/sqlite.ts'
import { deadLettersTable } from '../store/tables.ts'
import { readParts } from './redrive-parts.ts'
import { draftsOf } from './redrive-draft.ts'
import { freeze } from './redrive-freeze.ts'
import type { jobLetterView, jobView } from './redrive-views.ts'
import { selectLetters } from './selection.ts'

type Job = NonNullable<ReturnType<typeof jobView>>
interface Page {
  readonly items: readonly ReturnType<typeof jobLetterView>[]
  readonly next: string | null
}

const REDRIVES = '/v1/ops/redrives'
const MINUTE_MS = 60_000
const reason = 'they are of a test'

function letterOf(group: string, number: number, diedAt: number): DeadLetter {
  const key = `019a0000-0000-7000-8000-00000000000${number}`
  const type = group === 'payments' ? 'CapturePayment' : 'ReserveStock'
  return deadLetterIn({
    id: `019a0000-0000-7000-9000-${group === 'payments' ? 'a' : 'b'}0000000000${number}`,
    version: 1,
    consumer_group: group,
    key_name: 'orderId',
    key,
    position: 1,
    topic: `${group}.commands`,
    source: 'orders',
    partition: 0,
    generation: 1,
    incarnation: 1,
    sequence: number,
    appended_at: 0,
    type,
    // No order has this little in it: whoever is asked again fails again.
    record: JSON.stringify({ type, key, data: { orderId: key }, cause: 'orders/orders.events/0/1' }),
    attempts: 1,
    first_failed_at: 0,
    last_failed_at: 0,
    fault_class: 'undecodable',
    code: 'TypeError',
    message: 'unreadable',
    stack: '',
    handler: type,
    parked_at: number,
    died_at: diedAt,
    status: 'dead',
    redrive_count: 0,
    reason: null,
    edited_from: null,
  })
}

async function start() {
  const [store, other] = [openSqlite({ path: ':memory:' }), openSqlite({ path: ':memory:' })]
  const shop = await startShop({ store, stores: { payments: other } })
  const bury = async (into: Store, group: string, numbers: readonly number[], diedAt = 0) => {
    const rows = numbers.map((number) => deadLetterCells(letterOf(group, number, diedAt)))
    const transaction = await into.begin()
    const write = { table: deadLettersTable(group), mode: 'insert' as const, rows }
    await transaction.commit({ writes: [write], appends: [], appendedAt: 0, transaction: 0 })
  }
  await bury(store, 'inventory', [1, 2])
  await bury(other, 'payments', [3, 4, 5])
  const operator = shop.as('operator')
  const run = async (body: object) => {
    const { id } = expectStatus(await operator.post<Job>(REDRIVES, { all: true, reason, ...body }), 202)
    await shop.advance(MINUTE_MS)
    return expectStatus(await operator.get<Job>(`${REDRIVES}/${id}`), 200)
  }
  const stop = async () => {
    await shop.stop()
    for (const each of [store, other]) await each.close()
  }
  return { shop, store, other, operator, bury, run, stop }
}

test('a job has its rows in each database and is told as one, letters page by page', async () => {
  const { store, other, operator, run, stop } = await start()
  const job = await run({ action: 'discard', id: 'both' })
  assert.deepEqual([job.status, job.total, job.discarded], ['done', 5, 5])
  for (const [each, total] of [
    [store, 2],
    [other, 3],
  ] as const) {
    assert.equal((await readParts([each], 'both'))[0]?.job.total, total)
    assert.equal((await readAudit(each, { limit: 10 }))[0]?.details?.['letters'], total)
  }
  const letters: string[] = []
  for (let after = ''; ;) {
    const page = expectStatus(await operator.get<Page>(`${REDRIVES}/both/letters?limit=2${after}`), 200)
    letters.push(...page.items.map(({ letter }) => letter.slice(-1)))
    if (page.next === null) break
    after = `&after=${page.next}`
  }
  assert.deepEqual(letters, ['1', '2', '3', '4', '5'])
  await stop()
})

test('a part that a crash kept from being written is written when it is asked for again', async () => {
  const { shop, store, other, bury, stop } = await start()
  const { clock, lonja } = shop
  const { registry, redrives, letterPlaces } = lonja
  const request = {
    id: 'torn',
    action: 'discard' as const,
    selection: { all: true as const },
    rate: null,
    stopAfter: 10,
    maxRedrives: 3,
    reason,
  }
  const asker = { principal: 'olga', role: 'operator' as const }
  const letters = await selectLetters(letterPlaces, request.selection, clock.now())
  const moment = { askedAt: clock.now(), newId: () => lonja.newId(), fallback: store }
  const [first] = draftsOf({ request, asker }, letters, moment)
  assert.ok(first !== undefined)
  await freeze({ registry, store: first.store, clock }, first)
  const stores = [store, other]
  assert.equal((await readParts(stores, 'torn')).length, 1)
  // It died after the job was asked for.
  await bury(other, 'payments', [6], clock.now() + 1)
  await redrives.start(request, asker)
  await shop.advance(MINUTE_MS)
  const parts = await readParts(stores, 'torn')
  assert.deepEqual(
    parts.map(({ job, counts }) => [job.status, job.total, counts.discarded]),
    [
      ['done', 2, 2],
      ['done', 3, 3],
    ],
  )
  await stop()
})

test('a job without any letter is done at once', async () => {
  const { run, stop } = await start()
  const job = await run({ all: undefined, filter: { group: 'nobodys' } })
  assert.deepEqual([job.status, job.total], ['done', 0])
  await stop()
})

test('failures count together over all databases', async () => {
  const { shop, run, stop } = await start()
  const job = await run({ stopAfterFailures: 4, ratePerSecond: 1 })
  assert.deepEqual([job.status, job.failed, job.waiting, job.underWay], ['stopped', 4, 1, 0])
  assert.equal(shop.complaints.splice(0).length, 4, 'each death is told to the log')
  await stop()
})
