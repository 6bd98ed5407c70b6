// The player's order of play: a client's steps one after the other, all others side by side, so many at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOf, inTurns } from './in-turns.ts'

const steps = Array.from({ length: 300 }, (_, at) => ({ at, clientId: `client ${at % 7 === 0 ? 0 : at % 40}` }))

/** Lets every other promise go on first, so that steps really overlap. */
const aTurn = () => new Promise<void>((resolve) => void setImmediate(resolve))

test('a client goes on when his earlier step has ended, in the order of the file', async () => {
  const busy = new Set<string>()
  const played = new Map<string, number[]>()
  let most = 0
  await inTurns(steps, 16, async ({ at, clientId }) => {
    assert.ok(!busy.has(clientId), `${clientId} has two steps at once`)
    busy.add(clientId)
    most = Math.max(most, busy.size)
    await aTurn()
    played.set(clientId, [...(played.get(clientId) ?? []), at])
    busy.delete(clientId)
  })
  assert.equal([...played.values()].flat().length, steps.length)
  for (const own of played.values()) {
    const inOrder = own.toSorted((one, other) => one - other)
    assert.deepEqual(own, inOrder)
  }
  assert.equal(most, 16)
})

test('one client with everything is played step by step', async () => {
  const played: number[] = []
  const own = steps.map(({ at }) => ({ at, clientId: 'the only one' }))
  await inTurns(own, 16, async ({ at }) => void played.push(at))
  assert.deepEqual(
    played,
    own.map(({ at }) => at),
  )
})

test('the first error ends the play, and nothing new is begun', async () => {
  let begun = 0
  const playing = inTurns(steps, 4, async ({ at }) => {
    begun += 1
    await aTurn()
    if (at === 5) throw new Error('The server is gone.')
  })
  await assert.rejects(playing, /The server is gone/)
  const atTheError = begun
  await aTurn()
  await aTurn()
  assert.equal(begun, atTheError)
})

test('no steps are over at once', async () => {
  await inTurns([], 4, async () => assert.fail('there is nothing to play'))
})

test('the same work for all is done once for each, so many at once', async () => {
  let [atOnce, most] = [0, 0]
  const done: number[] = []
  await allOf([1, 2, 3, 4, 5, 6, 7], 3, async (each) => {
    atOnce += 1
    most = Math.max(most, atOnce)
    await aTurn()
    done.push(each)
    atOnce -= 1
  })
  assert.deepEqual([done.length, most], [7, 3])
})
