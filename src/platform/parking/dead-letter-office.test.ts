// What a person does with dead letters: sent again they keep the order of their key, given up they hold up nobody.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'

/** An account whose first message is dead, with two behind it. */
async function startHeld(options: Parameters<typeof startTroubledLedger>[0] = {}) {
  const ledger = await startTroubledLedger({ bad: ['a'], thrown: () => new TypeError('never'), ...options })
  for (const entry of [1, 2, 3]) await ledger.post('a', entry)
  await ledger.pass(0)
  const [letter] = await ledger.rows('dead_letters')
  return { ...ledger, id: String(letter?.['id']) }
}

test('a dead letter that is redriven goes before those that wait behind it', async () => {
  const ledger = await startHeld()
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  ledger.bad.clear()
  const decided = await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'the handler is mended' })
  assert.deepEqual([decided?.status, decided?.redriveCount], ['redriving', 1])
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3])
  assert.deepEqual(await ledger.letters(), ['a redriven TypeError'])
  assert.deepEqual(await ledger.keys(), [])
  const [letter] = await ledger.rows('dead_letters')
  assert.equal(letter?.['reason'], 'the handler is mended')
  await ledger.stop()
})

test('redriven in vain it is the same dead letter again, and holds its key as before', async () => {
  const ledger = await startHeld()
  await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'let us see' })
  await ledger.pass(0)
  assert.deepEqual(await ledger.keys(), ['a held 2'])
  const letters = await ledger.rows('dead_letters')
  assert.deepEqual(
    letters.map(({ id, status, redrive_count, attempts }) => [id, status, redrive_count, attempts]),
    [[ledger.id, 'dead', 1, 2]],
  )
  ledger.bad.clear()
  await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'again' })
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3])
  await ledger.stop()
})

test('asked twice, a dead letter is redriven once', async () => {
  const ledger = await startHeld()
  ledger.bad.clear()
  const answers = [
    await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'one' }),
    await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'two' }),
  ]
  assert.deepEqual(
    answers.map((answer) => answer?.status),
    ['redriving', undefined],
  )
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3])
  await ledger.stop()
})

test('a dead letter that is discarded lets its followers go on', async () => {
  const ledger = await startHeld({
    trouble: (account, entry) => {
      if (account === 'a' && entry === 1) throw new TypeError('never')
    },
  })
  const decided = await ledger.lonja.discard('ledger', { id: ledger.id, reason: 'a test entry' })
  assert.equal(decided?.status, 'discarded')
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [2, 3])
  assert.deepEqual(await ledger.keys(), [])
  assert.equal(await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'too late' }), undefined)
  await ledger.stop()
})

test('a dead letter without followers frees its key when it is discarded', async () => {
  const ledger = await startTroubledLedger({ bad: ['a'], thrown: () => new TypeError('never') })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const [letter] = await ledger.rows('dead_letters')
  await ledger.lonja.discard('ledger', { id: String(letter?.['id']), reason: 'a test entry' })
  ledger.bad.clear()
  await ledger.post('a', 2)
  await ledger.pass(0)
  assert.deepEqual(await ledger.entries('a'), [2])
  assert.deepEqual(await ledger.keys(), [])
  await ledger.stop()
})

test('what was skipped joins the end of its key, as its followers have gone on', async () => {
  const ledger = await startHeld({ parking: { whenDead: 'skip' } })
  assert.deepEqual(await ledger.letters(), ['a dead TypeError', 'a dead TypeError', 'a dead TypeError'])
  ledger.bad.clear()
  await ledger.post('a', 4)
  await ledger.pass(0)
  await ledger.lonja.redrive('ledger', { id: ledger.id, reason: 'the handler is mended' })
  await ledger.lonja.settled()
  assert.equal((await ledger.entries('a'))[0], 4)
  assert.equal((await ledger.entries('a')).length, 2)
  await ledger.stop()
})

test('a redriven letter goes before whoever waits, also where the queue began anew meanwhile', async () => {
  const thrown = new Map<number, Error>([
    [1, new Error('passing')],
    [2, new TypeError('never')],
  ])
  const trouble = (account: string, entry: number) => {
    const error = thrown.get(entry)
    if (account === 'a' && error !== undefined) throw error
  }
  const ledger = await startTroubledLedger({ trouble, parking: { whenDead: 'skip' } })
  for (const entry of [1, 2]) await ledger.post('a', entry)
  await ledger.pass(200)
  thrown.delete(1)
  await ledger.pass(60_000)
  const [letter] = await ledger.rows('dead_letters')
  assert.equal(letter?.['position'], 2)
  thrown.set(3, new Error('passing'))
  for (const entry of [3, 4]) await ledger.post('a', entry)
  await ledger.pass(200)
  assert.deepEqual(await ledger.keys(), ['a retrying 2'])
  thrown.clear()
  await ledger.lonja.redrive('ledger', { id: String(letter['id']), reason: 'the handler is mended' })
  await ledger.lonja.settled()
  assert.deepEqual(await ledger.entries('a'), [1, 2, 3, 4])
  await ledger.stop()
})

test('a letter that does not hold its key leaves it held when it is discarded', async () => {
  const ledger = await startTroubledLedger({
    bad: ['a'],
    thrown: () => new TypeError('never'),
    parking: { whenDead: 'skip' },
  })
  await ledger.post('a', 1)
  await ledger.pass(0)
  const [skipped] = await ledger.rows('dead_letters')
  // The program that comes after it holds.
  const store = ledger.store
  await ledger.lonja.stop()
  const holding = await startTroubledLedger({ store, bad: ['a'], thrown: () => new TypeError('never') })
  for (const entry of [2, 3]) await holding.post('a', entry)
  await holding.pass(0)
  const younger = (await holding.rows('dead_letters')).find(({ id }) => id !== skipped?.['id'])
  const asked = holding.lonja.redrive('ledger', { id: String(younger?.['id']), reason: 'too early' })
  await assert.rejects(asked, { name: 'LetterHindered' })
  await holding.lonja.discard('ledger', { id: String(younger?.['id']), reason: 'a test entry' })
  await holding.pass(0)
  assert.deepEqual(await holding.keys(), ['a held 1'])
  holding.bad.clear()
  await holding.lonja.discard('ledger', { id: String(skipped?.['id']), reason: 'a test entry' })
  await holding.lonja.settled()
  assert.deepEqual(await holding.entries('a'), [3])
  await holding.stop()
})
