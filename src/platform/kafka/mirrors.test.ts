// Copies on their way to Kafka: whatever fails, none is left out; a topic that is missing holds up no other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountsOf, startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { mirrorRow, mirrorWrites } from '../parking/mirror-row.ts'
import { strangerLetter } from '../parking/stranger-letter.ts'
import { Mirrors } from './mirrors.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

/** Copies of letters of these topics wait in a database; what Kafka says to each batch can be chosen. */
async function startMirrors(topics: readonly string[]) {
  const ledger = await startTroubledLedger()
  const { store, clock } = ledger
  const rows = topics.map((topic, index) => {
    const record = { topic, topicId: 't', partition: 0, offset: BigInt(index), timestamp: 0, key: null, headers: [] }
    const value = Buffer.from(`${topic} ${index}`)
    const letter = strangerLetter({ ...record, value, code: 'KAFKA_NO_JSON', why: '' }, { group: 'g', now: 1 })
    return mirrorRow(`id-${index}`, { kind: 'dlq', letter })
  })
  const transaction = await store.begin()
  await transaction.commit({ writes: mirrorWrites(rows), appends: [], appendedAt: 1, transaction: 1 })
  await transaction.release()
  const sent: string[] = []
  type Answer = (records: readonly OutgoingRecord[]) => Error | undefined
  const world: { answer: Answer; isOurs: boolean } = { answer: () => undefined, isOurs: true }
  const told: string[] = []
  const say = (sentence: string) => void told.push(sentence)
  const mirrors = new Mirrors({
    store,
    services: ['ledger'],
    isOurs: () => world.isOurs,
    openProducer: () => ({
      send: async (records) => {
        const error = world.answer(records)
        if (error !== undefined) throw error
        sent.push(...records.map(({ value }) => value.toString()))
      },
      close: async () => undefined,
    }),
    clock,
    log: { warn: say, error: say },
  })
  const waiting = async () => (await store.query<{ id: string }>('SELECT id FROM lonja_mirrors ORDER BY id')).length
  return { ...ledger, mirrors, world, sent, told, waiting }
}

function kafkaError(apiId: string): Error {
  return Object.assign(new Error('refused'), { apiId })
}

test('what fails waits, and is sent again in its order', async () => {
  const { mirrors, world, sent, waiting, stop } = await startMirrors(['a', 'a', 'a'])
  world.answer = () => new Error('connection closed')
  await mirrors.look()
  assert.deepEqual([sent, await waiting()], [[], 3])
  assert.match(mirrors.health()[0]?.detail ?? '', /waits to be copied: connection closed/)
  world.answer = () => undefined
  await mirrors.look()
  assert.deepEqual([sent, await waiting(), mirrors.health()], [['a 0', 'a 1', 'a 2'], 0, []])
  await stop()
})

test('a topic that is missing holds up no other, and is tried again by itself', async () => {
  const { mirrors, world, sent, waiting, told, clock, idle, stop } = await startMirrors(['a', 'b', 'a'])
  const isMissing = ([record]: readonly OutgoingRecord[]) => record?.topic === 'a.dlq'
  world.answer = (records) => (isMissing(records) ? kafkaError('UNKNOWN_TOPIC_OR_PARTITION') : undefined)
  await mirrors.look()
  await mirrors.look()
  assert.deepEqual([sent, await waiting()], [['b 1'], 2])
  assert.deepEqual(told, [
    'A copy of what is parked or dead waits: Kafka has no topic a.dlq: make it with `lonja topics create`.',
  ])
  world.answer = () => undefined
  await clock.advance(30_000, idle)
  await mirrors.look()
  assert.deepEqual([sent, await waiting()], [['b 1', 'a 0', 'a 2'], 0])
  await stop()
})

test('the one that is too large is told and left out, those beside it are sent', async () => {
  const { mirrors, world, sent, waiting, told, stop } = await startMirrors(['a', 'a', 'a'])
  world.answer = (records) =>
    records.some(({ value }) => value.toString() === 'a 1') ? kafkaError('MESSAGE_TOO_LARGE') : undefined
  await mirrors.look()
  assert.deepEqual([sent, await waiting()], [['a 0', 'a 2'], 0])
  assert.match(told.join(), /Kafka refuses the copy id-1 for its size/)
  await stop()
})

test('whoever has no lease sends nothing', async () => {
  const { mirrors, world, sent, waiting, stop } = await startMirrors(['a'])
  world.isOurs = false
  await mirrors.look()
  assert.deepEqual([sent, await waiting()], [[], 1])
  await stop()
})

test('without Kafka nobody writes copies, which nobody would take away', async () => {
  const [account = ''] = accountsOf(2, 1)
  const ledger = await startTroubledLedger({ bad: [account], thrown: () => new TypeError('broken') })
  await ledger.post(account, 1)
  await ledger.idle()
  assert.equal((await ledger.letters()).length, 1)
  assert.deepEqual(await ledger.store.query('SELECT id FROM lonja_mirrors'), [])
  await ledger.stop()
})
