// Two processes at the same step of a job: the slower one meets a conflict, and nothing is written over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { severedStore } from '../../testing/severed-store.ts'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { Conflict } from '../ports.ts'
import { draftsOf } from './redrive-draft.ts'
import { freeze } from './redrive-freeze.ts'
import { readJobLetters } from './redrive-job.ts'
import { takeStep } from './redrive-step.ts'
import { selectLetters } from './selection.ts'

const request = {
  id: 'job',
  action: 'redrive' as const,
  selection: { all: true as const },
  rate: null,
  stopAfter: 10,
  maxRedrives: 3,
  reason: 'the handler is mended',
}
const asker = { principal: 'olga', role: 'operator' as const }

/** A job that is written down, and on which nobody works yet. */
async function start() {
  const ledger = await startTroubledLedger({ bad: ['a'], thrown: () => new TypeError('never') })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const { lonja, store, clock } = ledger
  const letters = await selectLetters(lonja.letterPlaces, request.selection, clock.now())
  const moment = { askedAt: clock.now(), newId: () => lonja.newId(), fallback: store }
  const [draft] = draftsOf({ request, asker }, letters, moment)
  assert.ok(draft !== undefined)
  const options = { registry: lonja.registry, store, clock, failuresElsewhere: async () => 0 }
  const job = await freeze(options, draft)
  return { ...ledger, options, job }
}

test('who read before another one sent a letter takes his step again', async () => {
  const { options, job, store, bad, stop } = await start()
  const between = { isDone: false }
  const handle = severedStore(store)
  const slow = {
    ...handle,
    query: async <Row>(sql: string, values?: Parameters<typeof handle.query>[1]) => {
      if (!between.isDone && sql.includes('FROM ledger_dead_letters')) {
        between.isDone = true
        const step = await takeStep(options, job.id, 1)
        assert.deepEqual([step.hasSent, step.isOver], [true, false])
      }
      return handle.query<Row>(sql, values)
    },
  }
  await assert.rejects(takeStep({ ...options, store: slow }, job.id, 1), Conflict)
  const [letter] = await readJobLetters(store, job, { state: 'under-way', limit: 10 })
  assert.equal(letter?.why, null)
  bad.clear()
  await stop()
})

test('a step that finds nothing new writes nothing', async () => {
  const { options, job, store, stop } = await start()
  await takeStep(options, job.id, 1)
  const before = await store.query('SELECT * FROM lonja_redrives')
  const step = await takeStep(options, job.id, 1)
  assert.deepEqual([step.hasMoved, step.hasSent, step.isOver], [false, false, false])
  assert.deepEqual(await store.query('SELECT * FROM lonja_redrives'), before)
  await stop()
})
