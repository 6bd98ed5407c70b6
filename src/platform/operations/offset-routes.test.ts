// Setting offsets: forwards with a reason, back for projections by a rebuild alone, and nothing by a dry run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOperatedLedger } from '../../testing/operated-ledger.ts'
import { accountsOf } from '../../testing/troubled-ledger.ts'
import { expectRefusal, expectStatus } from '../../testing/shop-calls.ts'
import { readAudit } from '../audit/audit.ts'

const [ACCOUNT = ''] = accountsOf(2, 1)
const topic = 'desk.events'

interface Answer {
  readonly through: string
  readonly applied: boolean
  readonly moves: readonly { readonly partition: number; readonly from: number; readonly to: number }[]
}

/** The ledger stands still while two entries are posted, a minute apart; each is two records of one partition. */
async function start() {
  const ledger = await startOperatedLedger()
  const ask = (body: object, group = 'ledger') =>
    ledger.operator.post<Answer>(`/v1/ops/groups/${group}/offsets`, { reason: 'a test', ...body })
  const pause = (act: 'pause' | 'resume', group = 'ledger') =>
    ledger.operator.post(`/v1/ops/groups/${group}/${act}`, { reason: 'a test' }).then(() => ledger.pass(2000))
  await ledger.post(ACCOUNT, 1)
  await ledger.idle()
  await pause('pause')
  await ledger.post(ACCOUNT, 2)
  await ledger.pass(60_000)
  const between = new Date(ledger.clock.now()).toISOString()
  await ledger.post(ACCOUNT, 3)
  await ledger.idle()
  return { ...ledger, ask, pause, between }
}

test('a dry run tells what would be left out, and does nothing', async () => {
  const { ask, pause, entries, between, stop } = await start()
  const { body } = await ask({ to: 'time', time: between })
  assert.deepEqual(
    [body.through, body.applied, body.moves.map(({ partition, from, to }) => [partition, from, to])],
    ['skip', false, [[2, 2, 4]]],
  )
  await pause('resume')
  assert.deepEqual(await entries(ACCOUNT), [1, 2, 3])
  await stop()
})

test('forwards, what is left out is never handled, and the audit says who and why', async () => {
  const { ask, pause, entries, folded, between, store, stop } = await start()
  const { body } = await ask({ to: 'time', time: between, dryRun: false })
  assert.deepEqual([body.through, body.applied], ['skip', true])
  await pause('resume')
  assert.deepEqual(
    [await entries(ACCOUNT), await folded(ACCOUNT)],
    [
      [1, 3],
      [1, 2, 3],
    ],
  )
  const [deed] = await readAudit(store, { action: 'group.offsets', limit: 9 })
  assert.deepEqual([deed?.principal, deed?.target, deed?.reason], ['operator', 'ledger', 'a test'])
  assert.deepEqual(deed?.details, { moves: [{ source: 'desk', topic, partition: 2, from: 2, to: 4 }] })
  await stop()
})

test('a group that stands where it is told to is left alone', async () => {
  const { ask, pause, entries, post, idle, stop } = await start()
  await pause('resume')
  const { body } = await ask({ to: 'sequence', sequence: 6, topic, partition: 2, dryRun: false })
  assert.deepEqual([body.through, body.moves], ['nothing', []])
  await post(ACCOUNT, 4)
  await idle()
  assert.deepEqual(await entries(ACCOUNT), [1, 2, 3, 4])
  await stop()
})

test('back goes only a projection, and that is a rebuild', async () => {
  const { ask, pause, entries, folded, pass, get, stop } = await start().then((world) => ({
    ...world,
    get: (path: string) => world.operator.get<{ readonly phase: string }>(path),
  }))
  await pause('resume')
  expectRefusal(await ask({ to: 'earliest', dryRun: false }), 409, 'OFFSETS_ONLY_FORWARDS')
  const dry = await ask({ to: 'earliest' }, 'ledger.postings')
  assert.deepEqual([dry.body.through, dry.body.applied], ['rebuild', false])
  const done = await ask({ to: 'earliest', dryRun: false }, 'ledger.postings')
  assert.deepEqual([done.body.through, done.body.applied], ['rebuild', true])
  await pass(5000)
  assert.notEqual(expectStatus(await get('/v1/ops/projections/ledger.postings/rebuild'), 200).phase, 'none')
  assert.deepEqual(
    [await entries(ACCOUNT), await folded(ACCOUNT)],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  )
  await stop()
})

test('what can not be is refused with what to name instead', async () => {
  const { ask, stop } = await start()
  expectRefusal(await ask({ to: 'sequence', sequence: 4 }), 422, 'OFFSETS_PARTITION_NEEDED')
  expectRefusal(await ask({ to: 'sequence', sequence: 700, topic, partition: 2 }), 409, 'OFFSETS_BEYOND_END')
  expectRefusal(await ask({ to: 'earliest', topic: 'nothing' }), 404, 'GROUP_PART_NOT_FOUND')
  expectRefusal(await ask({ to: 'earliest' }, 'nobody'), 404, 'GROUP_NOT_FOUND')
  assert.deepEqual([(await ask({ to: 'sequence' })).status, (await ask({ to: 'time' })).status], [422, 422])
  await stop()
})
