// What somebody puts into a retry topic: sent again where it waits or is dead, else new to every group, each once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountsOf, startTroubledLedger, type TroubledOptions } from '../../testing/troubled-ledger.ts'
import { readAudit } from '../audit/audit.ts'
import { PARKING_NEWS } from '../parking/parking.ts'
import type { StrangeRecord } from '../parking/stranger-letter.ts'
import { takeByHand } from './by-hand.ts'

const topic = 'desk.events'
const [ACCOUNT = ''] = accountsOf(2, 1)

async function startDesk(options: TroubledOptions = {}) {
  const ledger = await startTroubledLedger(options)
  const { lonja, store, clock } = ledger
  const services = ['desk', 'ledger']
  const desk = { registry: lonja.registry, store, services, clock, newId: () => lonja.newId() }
  let offset = 0
  const record = (value: unknown, headers: Readonly<Record<string, string>>): StrangeRecord => ({
    topic: `${topic}.retry`,
    topicId: 'a-topic',
    partition: 0,
    offset: BigInt((offset += 1)),
    timestamp: 0,
    key: null,
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    headers: Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
    code: 'KAFKA_UNKNOWN_MESSAGE',
    why: '',
  })
  const take = async (one: StrangeRecord) => {
    const done = await takeByHand(desk, topic, one)
    lonja.runtimes[0]?.changedByHand(PARKING_NEWS)
    await ledger.idle()
    return done
  }
  return { ...ledger, record, take }
}

const posted = (entry: number) => [{ account: ACCOUNT, entry, memo: '' }, { ce_type: 'Posted' }] as const
const ofFirst = { 'x-event-id': `desk/${topic}/2/0` }

test('a dead letter is sent again, with its reason in the audit, and a second time it is known', async () => {
  const ledger = await startDesk({ bad: [ACCOUNT], thrown: () => new TypeError('broken') })
  await ledger.post(ACCOUNT, 1)
  await ledger.idle()
  assert.deepEqual(await ledger.letters(), [`${ACCOUNT} dead TypeError`])
  ledger.bad.clear()
  const record = ledger.record('', ofFirst)
  const [first, second] = [await ledger.take(record), await ledger.take(record)]
  assert.deepEqual([first.fate, second], ['redriven', { fate: 'known' }])
  assert.deepEqual([await ledger.entries(ACCOUNT), await ledger.letters()], [[1], [`${ACCOUNT} redriven TypeError`]])
  const [deed] = await readAudit(ledger.store, { action: 'dead-letter.redrive', limit: 9 })
  assert.deepEqual([deed?.principal, deed?.reason], ['kafka', `sent by hand: kafka/${topic}.retry/0/1`])
  await ledger.stop()
})

test('what waits is tried at once instead of at its time', async () => {
  const ledger = await startDesk({ bad: [ACCOUNT] })
  await ledger.post(ACCOUNT, 1)
  await ledger.pass(100)
  assert.deepEqual(await ledger.keys(), [`${ACCOUNT} retrying 1`])
  ledger.bad.clear()
  await ledger.take(ledger.record('', { ce_source: 'desk', ce_id: `1/${topic}/2/0` }))
  assert.deepEqual([await ledger.entries(ACCOUNT), await ledger.keys()], [[1], []])
  await ledger.stop()
})

test('anything else is a new message to the groups that handle it, behind what waits of its key', async () => {
  const ledger = await startDesk({ bad: [ACCOUNT] })
  await ledger.post(ACCOUNT, 1)
  await ledger.pass(100)
  const { fate } = await ledger.take(ledger.record(...posted(2)))
  assert.deepEqual([fate, await ledger.keys()], ['entered', [`${ACCOUNT} retrying 2`]])
  ledger.bad.clear()
  await ledger.pass(60_000)
  assert.deepEqual(await ledger.entries(ACCOUNT), [1, 2])
  const record = ledger.record(...posted(3))
  await ledger.take(record)
  assert.deepEqual(await ledger.take(record), { fate: 'known' })
  assert.deepEqual(await ledger.entries(ACCOUNT), [1, 2, 3])
  // A projection is made of the log alone: made anew it would lack what was only sent by hand.
  assert.deepEqual(await ledger.folded(ACCOUNT), [1])
  await ledger.stop()
})

test('our own copies are left alone, and what is no message is told', async () => {
  const ledger = await startDesk()
  const fateOf = async (...args: Parameters<typeof ledger.record>) => {
    const done = await ledger.take(ledger.record(...args))
    return 'why' in done ? done.why : done.fate
  }
  assert.deepEqual(
    [
      await fateOf({}, { ...ofFirst, 'lonja-mirror': 'retry' }),
      await fateOf({ account: 1 }, { ce_type: 'Posted' }),
      await fateOf('{', { ce_type: 'Posted' }),
      await fateOf({}, { ce_type: 'Sold' }),
      await fateOf({}, {}),
      // Nothing of this event waits, so it is a new message, which nobody handles.
      await fateOf({ account: ACCOUNT, entry: 1, memo: '' }, { ce_type: 'Stamped', ...ofFirst }),
    ],
    [
      'copy',
      'its body is none of a Posted',
      'its body is none of a Posted',
      `${topic} has no message Sold`,
      'it has no ce_type',
      'nobody',
    ],
  )
  await ledger.stop()
})
