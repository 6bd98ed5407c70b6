// What a projection reads must stay: records that go can't be folded again.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { contract, keptMs, topicNamed, type TopicOptions } from '../../kernel/message.ts'
import { projection } from '../../kernel/projection.ts'
import { service } from '../../kernel/service.ts'
import { checkWiring } from './check-wiring.ts'

const DAY_MS = 86_400_000

/** A service whose projection reads its own events. */
function reading(name: string, events: TopicOptions) {
  const own = contract(name, { events })
  const Noted = own.event('Noted', { key: 'id', body: { id: z.string() } })
  const notes = projection('notes', {
    key: ['id'],
    columns: { id: 'text' },
    folds: (fold) => [
      fold(
        Noted,
        ({ id }) => [id],
        (_, { id }) => ({ id }),
      ),
    ],
  })
  return service({ name, summary: 'notes', contract: own, codes: {}, publishes: [Noted], projections: [notes] })
}

suite('how long topics are kept', () => {
  test('events are kept for ever and commands for a week, unless the contract says otherwise', () => {
    reading('diary', {})
    contract('memo', { events: { keep: '30 d' }, commands: { keep: '1 d' } })
    const kept = ['diary.events', 'diary.commands', 'memo.events', 'memo.commands'].map((name) => {
      return keptMs(topicNamed(name)) / DAY_MS
    })
    assert.deepEqual(kept, [Number.POSITIVE_INFINITY, 7, 30, 1])
  })

  test('a projection over a topic that forgets does not start', () => {
    assert.doesNotThrow(() => checkWiring([reading('diary', {})]))
    assert.throws(
      () => checkWiring([reading('sieve', { keep: '30 d' })]),
      /The projection sieve\.notes reads sieve\.events, which is kept 30 d: keep it for ever\./,
    )
  })
})
