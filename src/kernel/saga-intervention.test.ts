// What a person may do with a saga, status by status: what it sends, where it leads, and what is refused.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import * as toy from '../testing/toy-saga.ts'
import { id, toySaga } from '../testing/toy-saga.ts'
import { Refusal } from './refuse.ts'
import type { SagaState, SagaStatus } from './saga-decider.ts'
import { decideSaga, isLive, newSaga } from './saga-decider.ts'
import type { Intervention } from './saga-intervention.ts'
import { interveneInSaga, possibleActs } from './saga-intervention.ts'

const { Placed, Held, Paid, Sent, StopAsked, Confirmed, Cancelled, Declined } = toy
const LATE = 'late'
type Word = toy.ToyType | typeof LATE

function walked(words: readonly Word[], definition = toySaga()): SagaState {
  let state = newSaga
  for (const word of words) {
    const input = word === LATE ? { lateTurn: state.turn } : { event: word(id) }
    state = decideSaga(definition, state, input, 1000)?.state ?? state
  }
  return state
}

const DEAD_PAY = { died: { type: 'Pay', code: 'BROKEN' } }

/** A saga in each status, by the shortest way. */
const STATES = {
  running: walked([Placed, Held]),
  overdue: decideSaga(toySaga(), walked([Placed, Held]), DEAD_PAY, 1000)?.state ?? newSaga,
  undoing: walked([Placed, Held, Paid, StopAsked]),
  'needs-person': walked([Placed, Held, Paid, StopAsked, toy.CalledBack, LATE, toy.Released]),
  succeeding: walked([Placed, Held, Paid, Sent]),
  failing: walked([Placed, Held, Declined, toy.Released]),
  succeeded: walked([Placed, Held, Paid, Sent, Confirmed]),
  failed: walked([Placed, toy.HoldRefused, Cancelled]),
} as const satisfies Partial<Readonly<Record<SagaStatus, SagaState>>>

type Wish = Omit<Intervention, 'by' | 'reason'>

function ask(state: SagaState, wish: Wish, definition = toySaga()) {
  const move = interveneInSaga(definition, state, { by: 'olga', reason: 'why', ...wish }, 5000)
  return { ...move, status: move.state.status, types: move.sends.map(({ type }) => type) }
}

const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('each status allows exactly these acts', () => {
  const table = Object.entries(STATES).map(([status, state]) => {
    assert.equal(state.status, status)
    return [status, isLive(state) ? possibleActs(toySaga(), state) : []]
  })
  assert.deepEqual(Object.fromEntries(table), {
    running: ['retry', 'skip', 'compensate', 'cancel'],
    overdue: ['retry', 'skip', 'compensate', 'cancel'],
    undoing: ['retry', 'skip'],
    'needs-person': ['retry', 'skip', 'compensate', 'cancel'],
    succeeding: ['retry'],
    failing: ['retry'],
    succeeded: [],
    failed: [],
  })
})

test('nothing can be done with what never began or has ended', () => {
  for (const act of ['retry', 'skip', 'compensate', 'cancel'] as const) {
    assert.throws(() => ask(newSaga, { act }), refuses('SAGA_NOT_FOUND'))
    assert.throws(() => ask(STATES.succeeded, { act }), refuses('SAGA_ENDED'))
    assert.throws(() => ask(STATES.failed, { act }), refuses('SAGA_ENDED'))
  }
})

suite('retry', () => {
  test('sends the awaited step again, with a fresh limit; the old one is void', () => {
    const { types, state, status } = ask(STATES.running, { act: 'retry' })
    assert.deepEqual([types, status, state.due], [['Pay'], 'running', 305_000])
    assert.equal(decideSaga(toySaga(), state, { lateTurn: STATES.running.turn }, 6000), undefined)
    assert.equal(state.history.at(-1)?.what, 'retry by olga: why')
  })

  test('takes the flag off a step that a person was called for, and tells the aggregate first', () => {
    const { sends, state, status } = ask(STATES.overdue, { act: 'retry' })
    assert.deepEqual(sends[0], toy.Flag({ ...id, steps: [] }))
    assert.deepEqual([sends[1]?.type, status, state.flagged], ['Pay', 'running', []])
  })

  test('sends the awaited undo again', () => {
    const { types, status, state } = ask(STATES.undoing, { act: 'retry', step: 'send' })
    assert.deepEqual([types, status, state.due], [['CallBack'], 'undoing', 305_000])
  })

  test('sends the flagged undos again, newest first; the saga rests until they are answered', () => {
    const both = walked([Placed, Held, Paid, StopAsked, LATE, LATE, toy.Released])
    assert.deepEqual(both.flagged, ['send', 'pay'])
    assert.deepEqual(ask(both, { act: 'retry' }).types, ['CallBack', 'Refund'])
    const { types, status, state } = ask(both, { act: 'retry', step: 'pay' })
    assert.deepEqual([types, status, state.flagged], [['Refund'], 'needs-person', ['send', 'pay']])
    const answered = decideSaga(toySaga(), state, { event: toy.Refunded(id) }, 6000)
    assert.deepEqual(answered?.state.flagged, ['send'])
  })

  test('asks the aggregate again for its end', () => {
    assert.deepEqual(ask(STATES.succeeding, { act: 'retry' }).types, ['Confirm'])
    assert.deepEqual(ask(STATES.failing, { act: 'retry' }).types, ['Cancel'])
    const died = decideSaga(toySaga(), STATES.succeeding, { died: { type: 'Confirm', code: 'X' } }, 1)?.state ?? newSaga
    const { types, state } = ask(died, { act: 'retry' })
    assert.deepEqual([types, state.flagged], [['Flag', 'Confirm'], []])
  })

  test('is refused for a step that is not awaited, and where there is nothing to send', () => {
    assert.throws(() => ask(STATES.running, { act: 'retry', step: 'send' }), refuses('SAGA_STEP_MISMATCH'))
    assert.throws(() => ask(STATES['needs-person'], { act: 'retry', step: 'hold' }), refuses('SAGA_STEP_MISMATCH'))
    const pivot = toySaga([true, true, false])
    const flagged = walked([Placed, Held, Paid, StopAsked, toy.Refunded, toy.Released], pivot)
    assert.deepEqual(flagged.flagged, ['send'])
    assert.throws(() => ask(flagged, { act: 'retry' }, pivot), refuses('SAGA_STEP_NOT_UNDOABLE'))
  })
})

suite('skip', () => {
  test('counts the step as done, tells nobody else so, and keeps who said it', () => {
    const { types, state } = ask(STATES.running, { act: 'skip', force: true })
    assert.deepEqual([types, state.step, state.skipped], [['Send'], 2, ['pay']])
    assert.equal(state.history.at(-1)?.what, 'skip by olga: why')
  })

  test('of the last step has the aggregate confirm', () => {
    const last = walked([Placed, Held, Paid])
    assert.deepEqual(ask(last, { act: 'skip' }).types, ['Confirm'])
  })

  test('breaks a promise only when told to, and says which', () => {
    assert.throws(
      () => ask(STATES.running, { act: 'skip' }),
      (error: unknown) => {
        assert.ok(error instanceof Refusal)
        assert.deepEqual([error.code, error.details], ['SAGA_PROMISE_BROKEN', { step: 'pay', promise: 'It is paid.' }])
        return true
      },
    )
    const undoing = walked([Placed, Held, Paid, StopAsked, toy.CalledBack])
    assert.throws(() => ask(undoing, { act: 'skip' }), refuses('SAGA_PROMISE_BROKEN'))
    assert.deepEqual(ask(undoing, { act: 'skip', force: true }).types, ['Release'])
  })

  test('takes a flag off, and with the last one the aggregate may cancel', () => {
    const { types, status, state } = ask(STATES['needs-person'], { act: 'skip', force: true })
    assert.deepEqual([types, status, state.skipped], [['Cancel'], 'failing', ['undo of pay']])
    const both = walked([Placed, Held, Paid, StopAsked, LATE, LATE, toy.Released])
    const one = ask(both, { act: 'skip', step: 'send' })
    assert.deepEqual([one.types, one.status, one.state.flagged], [[], 'needs-person', ['pay']])
    assert.throws(() => ask(both, { act: 'skip', force: true }), refuses('SAGA_STEP_MISMATCH'))
  })

  test('of the end is refused: only the aggregate ends its saga', () => {
    for (const state of [STATES.succeeding, STATES.failing]) {
      assert.throws(() => ask(state, { act: 'skip', force: true }), refuses('SAGA_ENDING'))
    }
  })

  test('of a step that happened all the same is undone with the others', () => {
    const { state } = ask(STATES.running, { act: 'skip', force: true })
    const stopped = decideSaga(toySaga(), state, { event: StopAsked(id) }, 6000)
    assert.deepEqual(
      stopped?.sends.map(({ type }) => type),
      ['CallBack'],
    )
    const next = decideSaga(toySaga(), stopped?.state ?? newSaga, { event: toy.CalledBack(id) }, 6000)
    assert.deepEqual(
      next?.sends.map(({ type }) => type),
      ['Refund'],
    )
  })
})

suite('compensate and cancel', () => {
  test('undo from the present step back, with the operator as the reason', () => {
    for (const act of ['compensate', 'cancel'] as const) {
      const { types, status, state } = ask(STATES.running, { act })
      assert.deepEqual([types, status, state.reason], [['Refund'], 'undoing', 'OPERATOR'])
      assert.deepEqual(ask(STATES.overdue, { act }).types, ['Flag', 'Refund'])
    }
  })

  test('undo around a step that can not be undone, and call a person for it', () => {
    const pivot = toySaga([true, true, false])
    const overdue = walked([Placed, Held, Paid, LATE], pivot)
    const { types, state } = ask(overdue, { act: 'compensate' }, pivot)
    assert.deepEqual([types, state.flagged], [['Flag', 'Refund'], ['send']])
  })

  test('compensating one that needs a person sends its flagged undos again, cancelling it gives it up', () => {
    assert.deepEqual(ask(STATES['needs-person'], { act: 'compensate' }).types, ['Refund'])
    const { types, state } = ask(STATES['needs-person'], { act: 'cancel' })
    assert.deepEqual(types, ['GiveUp'])
    assert.equal(decideSaga(toySaga(), state, { event: toy.GivenUp(id) }, 6000)?.state.status, 'given-up')
    const { givesUp, ...other } = toySaga()
    assert.ok(givesUp !== undefined, 'the toy can be given up')
    assert.throws(() => ask(STATES['needs-person'], { act: 'cancel' }, other), refuses('SAGA_CAN_NOT_BE_GIVEN_UP'))
  })

  test('are refused while it is being undone, and while the aggregate may just be confirming', () => {
    for (const act of ['compensate', 'cancel'] as const) {
      assert.throws(() => ask(STATES.undoing, { act }), refuses('SAGA_UNDOING'))
      assert.throws(() => ask(STATES.failing, { act }), refuses('SAGA_UNDOING'))
      assert.throws(() => ask(STATES.succeeding, { act }), refuses('SAGA_ENDING'))
    }
  })
})

test('a history that people add to again and again keeps its newest lines', () => {
  let state: SagaState = STATES.running
  for (let turn = 0; turn < 300; turn += 1) ({ state } = ask(state, { act: 'retry' }))
  assert.equal(state.history.length, 200)
  assert.equal(state.history.at(-1)?.what, 'retry by olga: why')
})
