// The decider, state by state: what each answer, refusal, stop and elapsed limit leads to.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  CalledBack,
  Cancel,
  Cancelled,
  Confirmed,
  Declined,
  GivenUp,
  Held,
  HoldExpired,
  HoldRefused,
  Paid,
  Placed,
  Refunded,
  Released,
  SendRefused,
  Sent,
  StopAsked,
  id,
  toySaga,
} from '../testing/toy-saga.ts'
import type { ToyType } from '../testing/toy-saga.ts'
import type { Message } from './message.ts'
import { decideSaga, isLive, needsPerson, newSaga } from './saga-decider.ts'
import { eventsOf, sagaProblems } from './saga.ts'

const LATE = 'late'
type Word = ToyType | typeof LATE

/** Walks a saga through events and elapsed limits; what it sent is listed by type. */
function walk(words: readonly Word[], definition = toySaga()) {
  let state = newSaga
  const sent: Message[] = []
  for (const word of words) {
    const input = word === LATE ? { lateTurn: state.turn } : { event: word(id) }
    const move = decideSaga(definition, state, input, 1000)
    if (move === undefined) continue
    state = move.state
    sent.push(...move.sends)
  }
  return { state, status: state.status, sent: sent.map(({ type }) => type), last: sent.at(-1), definition }
}

suite('the good road', () => {
  test('each step follows the answer of the one before, and the aggregate has the last word', () => {
    const { sent, status, state } = walk([Placed, Held, Paid, Sent])
    assert.deepEqual(sent, ['Hold', 'Pay', 'Tell', 'Send', 'Confirm'])
    assert.equal(status, 'succeeding')
    assert.equal(state.due, 0)
    assert.equal(walk([Placed, Held, Paid, Sent, Confirmed]).status, 'succeeded')
  })

  test('a step waits as long as it says, also where that depends on the order', () => {
    assert.equal(walk([Placed]).state.due, 31_000)
    assert.equal(walk([Placed, Held]).state.due, 301_000)
  })

  test('answers that were heard before, or belong to no step under way, move nothing', () => {
    const { state, definition } = walk([Placed, Held])
    for (const event of [Placed, Held, HoldRefused, Sent, Refunded, Released, Confirmed, Cancelled]) {
      assert.equal(decideSaga(definition, state, { event: event(id) }, 1), undefined, event.type)
    }
  })

  test('nothing moves a saga that has not begun or has ended', () => {
    const ends = [
      walk([]),
      walk([Placed, Held, Paid, Sent, Confirmed]),
      walk([Placed, HoldRefused, Cancelled]),
      walk([Placed, Held, LATE, LATE, LATE, GivenUp]),
    ]
    for (const { state, status, definition } of ends) {
      assert.equal(isLive(state), false)
      for (const [type, event] of eventsOf(definition)) {
        if (status === 'none' && type === 'Placed') continue
        const message = { type: event.type, data: id }
        assert.equal(decideSaga(definition, state, { event: message }, 1), undefined, `${status} ${type}`)
      }
      assert.equal(decideSaga(definition, state, { lateTurn: state.turn }, 1), undefined)
    }
  })
})

suite('undoing', () => {
  test('a refused step did nothing, so only the steps before it are undone', () => {
    const { sent, status, state } = walk([Placed, Held, Declined])
    assert.deepEqual(sent, ['Hold', 'Pay', 'Release'])
    assert.equal(status, 'undoing')
    assert.equal(state.reason, 'Declined')
  })

  test('the order is cancelled when the last undo was answered, not when it was sent', () => {
    const words = [Placed, Held, Declined, Released]
    assert.equal(walk(words.slice(0, -1)).sent.includes('Cancel'), false)
    assert.deepEqual(walk(words).last, Cancel({ ...id, reason: 'Declined' }))
    assert.equal(walk(words).status, 'failing')
    assert.equal(walk([...words, Cancelled]).status, 'failed')
  })

  test('a late step may still be under way, so it is undone as well, newest first', () => {
    const { sent, state } = walk([Placed, Held, Paid, LATE, CalledBack, Refunded, Released])
    assert.deepEqual(sent.slice(4), ['CallBack', 'Refund', 'Release', 'Cancel'])
    assert.equal(state.reason, 'SEND_LATE')
  })

  test('a stop undoes the step that it met half way', () => {
    assert.deepEqual(walk([Placed, Held, StopAsked]).sent.at(-1), 'Refund')
    assert.deepEqual(walk([Placed, Held, HoldExpired]).sent.at(-1), 'Refund')
  })

  test('the outcome of a step that is being undone changes nothing: its executor answers the undo after it', () => {
    const { sent } = walk([Placed, Held, StopAsked, Paid, Declined, Sent, StopAsked, HoldExpired, Confirmed])
    assert.deepEqual(sent, ['Hold', 'Pay', 'Refund'])
  })

  test('a timer of an earlier turn is void', () => {
    const { state, definition } = walk([Placed, Held])
    assert.equal(decideSaga(definition, state, { lateTurn: state.turn - 1 }, 1), undefined)
  })
})

suite('confirming', () => {
  test('no limit of time undoes what the aggregate may just be confirming', () => {
    const { state, definition } = walk([Placed, Held, Paid, Sent])
    assert.equal(decideSaga(definition, state, { lateTurn: state.turn }, 1), undefined)
  })

  test('a cancellation that the aggregate accepted first undoes everything', () => {
    const words = [Placed, Held, Paid, Sent, StopAsked, CalledBack, Refunded, Released, Cancelled]
    assert.deepEqual(walk(words).sent.slice(4), ['Confirm', 'CallBack', 'Refund', 'Release', 'Cancel'])
    assert.equal(walk(words).status, 'failed')
  })

  test('another service’s stop does not: the aggregate knows nothing of it and confirms', () => {
    assert.equal(walk([Placed, Held, Paid, Sent, HoldExpired]).status, 'succeeding')
  })
})

suite('what needs a person', () => {
  const silent = [Placed, Held, Declined, LATE] as const

  test('an undo that nobody answers is flagged, the next goes on, and the saga does not claim to be undone', () => {
    const { sent, state } = walk([Placed, Held, StopAsked, LATE, Released])
    assert.deepEqual(sent, ['Hold', 'Pay', 'Refund', 'Release', 'Flag'])
    assert.deepEqual(state.flagged, ['pay'])
    assert.equal(state.due, 0)
    assert.ok(needsPerson(state))
  })

  test('its late answer lets the saga end after all', () => {
    const { sent, status } = walk([...silent, Released])
    assert.deepEqual(sent.slice(-2), ['Flag', 'Cancel'])
    assert.equal(status, 'failing')
  })

  test('a flag that goes while others are being undone is not told to anybody', () => {
    const { sent, state } = walk([Placed, Held, StopAsked, LATE, Refunded, Released])
    assert.deepEqual(sent.slice(-2), ['Release', 'Cancel'])
    assert.deepEqual(state.flagged, [])
  })

  test('a person who gives the order up ends it, also when that crosses the late answer', () => {
    assert.equal(walk([...silent, GivenUp]).status, 'given-up')
    assert.equal(walk([...silent, Released, GivenUp, Cancelled]).status, 'given-up')
  })

  test('a late step that can not be undone may have happened: nothing is undone around it', () => {
    const pivot = toySaga([true, true, false])
    const { sent, status, state } = walk([Placed, Held, Paid, LATE], pivot)
    assert.equal(status, 'overdue')
    assert.deepEqual(sent.slice(-2), ['Send', 'Flag'])
    assert.deepEqual(state.flagged, ['send'])
    assert.equal(walk([Placed, Held, Paid, LATE, Sent], pivot).status, 'succeeding')
    assert.deepEqual(walk([Placed, Held, Paid, LATE, Sent], pivot).state.flagged, [])
    assert.deepEqual(walk([Placed, Held, Paid, LATE, SendRefused, Refunded, Released], pivot).sent.at(-1), 'Cancel')
  })

  test('a stop that meets such a step flags it and undoes the others', () => {
    const pivot = toySaga([true, true, false])
    const words = [Placed, Held, Paid, StopAsked, Refunded, Released]
    assert.deepEqual(walk(words, pivot).sent.slice(-3), ['Refund', 'Release', 'Flag'])
    assert.equal(walk(words, pivot).status, 'needs-person')
    assert.equal(walk([...words, Sent], pivot).status, 'needs-person')
    assert.equal(walk([...words, SendRefused], pivot).status, 'failing')
    assert.equal(walk([Placed, Held, Paid, LATE, StopAsked, Refunded, Released], pivot).state.flagged.length, 1)
  })
})

test('a saga that mixes its answers up, or holds too briefly, is told at start', () => {
  const sound = toySaga()
  assert.deepEqual(sagaProblems(sound), [])
  const twins = sound.steps.map((step) => ({ ...step, done: Held, name: 'hold' }))
  const mixed = { ...sound, steps: twins }
  assert.match(sagaProblems(mixed).join(' '), /Held twice.*hold twice/)
  const brief = { ...sound, holds: [{ name: 'stock', heldMs: 90_000, within: ['30 s', '1 min'] as const }] }
  assert.match(sagaProblems(brief).join(), /holds stock for 90000 ms, but its steps may take 90000 ms/)
})
