// The decider against executors that answer late, refuse or fall silent, and callers who stop it, in any order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as toy from '../testing/toy-saga.ts'
import type { ToyType, Undoable } from '../testing/toy-saga.ts'
import type { Message } from './message.ts'
import type { SagaMove, SagaState } from './saga-decider.ts'
import { decideSaga, newSaga } from './saga-decider.ts'

const WORDS = [
  { name: 'hold', asked: 'Hold', undo: 'Release', done: toy.Held, refused: toy.HoldRefused, undone: toy.Released },
  { name: 'pay', asked: 'Pay', undo: 'Refund', done: toy.Paid, refused: toy.Declined, undone: toy.Refunded },
  { name: 'send', asked: 'Send', undo: 'CallBack', done: toy.Sent, refused: toy.SendRefused, undone: toy.CalledBack },
] as const

/** Who silently takes messages never answers one: nobody learns whether he did anything. */
type Fate = 'does' | 'refuses' | 'silent'

/** Carries out one step, as finding 3 of the protocol wants it: an undo waits for the outcome, then reverses it. */
interface Executor {
  readonly words: (typeof WORDS)[number]
  readonly fate: Fate
  readonly canUndo: boolean
  /** What it said and the saga has not read; in order here, in any order towards the others. */
  readonly said: Message[]
  state: 'nothing' | 'under way' | 'done' | 'refused' | 'undone'
  undoAsked: boolean
}

/** The order's own word is final: whichever command it accepted first wins. */
interface Order {
  state: 'open' | 'cancelling' | 'confirmed' | 'cancelled' | 'given up'
  flagged: boolean
  readonly said: Message[]
}

interface World {
  readonly definition: ReturnType<typeof toy.toySaga>
  readonly executors: readonly Executor[]
  readonly order: Order
  readonly sent: string[]
  saga: SagaState
}

function worldOf(undoable: Undoable, fates: readonly Fate[]): World {
  return {
    definition: toy.toySaga(undoable),
    executors: WORDS.map((words, at) => ({
      words,
      fate: fates[at] ?? 'does',
      canUndo: undoable[at] ?? true,
      said: [],
      state: 'nothing',
      undoAsked: false,
    })),
    order: { state: 'open', flagged: false, said: [toy.Placed(toy.id)] },
    sent: [],
    saga: newSaga,
  }
}

/** Everything that could happen next. */
function possibilities(world: World): (() => void)[] {
  const unread = [world.order, ...world.executors].filter(({ said }) => said.length > 0)
  const reads = unread.map(({ said }) => () => {
    const event = said.shift()
    if (event !== undefined) apply(world, decideSaga(world.definition, world.saga, { event }, 1000))
  })
  // A limit is over only when all that was said before has been read (finding 6).
  const isTimed = world.saga.due > 0 && unread.length === 0
  const elapses = () => apply(world, decideSaga(world.definition, world.saga, { lateTurn: world.saga.turn }, 1000))
  const works = world.executors.filter(canWork).map((executor) => () => work(executor))
  return [...reads, ...works, ...(isTimed ? [elapses] : [])]
}

/** What callers and clocks do to it at any moment. */
function disturbances({ order, executors: [hold, pay] }: World): (() => void)[] {
  const open = order.state === 'open' || order.state === 'cancelling'
  const expires = hold?.state === 'done' && pay?.state !== 'done'
  return [
    ...(order.state === 'open' ? [() => turn(order, 'cancelling', toy.StopAsked)] : []),
    ...(open && order.flagged ? [() => turn(order, 'given up', toy.GivenUp)] : []),
    ...(expires ? [() => void hold.said.push(toy.HoldExpired(toy.id))] : []),
  ]
}

function turn(order: Order, state: Order['state'], event: ToyType): void {
  order.state = state
  order.said.push(event(toy.id))
}

function canWork({ fate, state, undoAsked }: Executor): boolean {
  return fate !== 'silent' && (state === 'under way' || (undoAsked && state !== 'undone'))
}

function work(executor: Executor): void {
  const { done, refused, undone } = executor.words
  const does = executor.fate === 'does'
  const wasUnderWay = executor.state === 'under way'
  executor.state = wasUnderWay ? (does ? 'done' : 'refused') : 'undone'
  executor.said.push((wasUnderWay ? (does ? done : refused) : undone)(toy.id))
}

function apply(world: World, move: SagaMove | undefined): void {
  for (const { type } of move?.sends ?? []) {
    if (type !== 'Flag') assert.equal(world.sent.includes(type), false, `${type} was sent twice`)
    if (type === 'Cancel') assert.deepEqual(move?.state.flagged, [], 'cancelled with a flag')
    checkUndoOrder(world, type)
    world.sent.push(type)
    receive(world, type)
  }
  if (move !== undefined) world.saga = move.state
}

/** Before a step is undone, each newer one is undone, refused, flagged, or answers at this moment. */
function checkUndoOrder({ executors, saga, sent }: World, type: string): void {
  const at = executors.findIndex(({ words }) => words.undo === type)
  if (at === -1) return
  for (const [index, { words, state, canUndo }] of executors.entries()) {
    if (index <= at || !sent.includes(words.asked) || !canUndo) continue
    const isKnown = state === 'undone' || state === 'refused' || saga.flagged.includes(words.name)
    const justGivenUp = saga.status === 'undoing' && saga.step === index
    assert.ok(isKnown || justGivenUp, `${type} was sent while ${words.name} was ${state}`)
  }
}

function receive({ executors, order }: World, type: string): void {
  for (const executor of executors) {
    if (type === executor.words.asked) executor.state = 'under way'
    if (type === executor.words.undo) executor.undoAsked = true
  }
  if (type === 'Flag') order.flagged = true
  if (type === 'Confirm' && order.state === 'open') turn(order, 'confirmed', toy.Confirmed)
  const canCancel = order.state === 'open' || order.state === 'cancelling'
  if (type === 'Cancel' && canCancel) turn(order, 'cancelled', toy.Cancelled)
}

function checkEnd({ saga: { status, flagged }, order, executors }: World): void {
  const left = executors.filter(({ state }) => state === 'done' || state === 'under way').map(({ words }) => words.name)
  const expected = {
    confirmed: () => assert.deepEqual([status, left], ['succeeded', ['hold', 'pay', 'send']]),
    cancelled: () => assert.deepEqual([status, left], ['failed', []]),
    'given up': () => assert.equal(status, 'given-up'),
    open: () => assert.ok(status === 'needs-person' || status === 'overdue', status),
    cancelling: () => assert.ok(status === 'needs-person', status),
  }
  expected[order.state]()
  if (status === 'overdue') assert.equal(flagged.length, 1)
  if (status !== 'needs-person') return
  assert.ok(flagged.length > 0)
  assert.deepEqual(
    left.filter((name) => !flagged.includes(name)),
    [],
    'something is left that is not flagged',
  )
}

test('whatever answers, falls silent, stops or is late: it ends or is flagged, and what it claims is true', () => {
  const fate = fc.constantFrom<Fate>('does', 'does', 'refuses', 'silent')
  const undoable = fc.oneof(
    fc.constant<Undoable>([true, true, true]),
    fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  )
  const choices = fc.array(fc.nat(1000), { maxLength: 40 })
  const ends = new Set<string>()
  fc.assert(
    fc.property(undoable, fc.array(fate, { minLength: 3, maxLength: 3 }), choices, (undoable, fates, choices) => {
      const world = worldOf(undoable, fates)
      for (const choice of choices) {
        const possible = [...possibilities(world), ...disturbances(world)]
        possible[choice % Math.max(1, possible.length)]?.()
      }
      for (
        let steps = 0, [next] = possibilities(world);
        next !== undefined;
        steps += 1, [next] = possibilities(world)
      ) {
        assert.ok(steps < 100, 'it never comes to rest')
        next()
      }
      checkEnd(world)
      ends.add(world.saga.status)
    }),
    { numRuns: 5000 },
  )
  assert.deepEqual([...ends].toSorted(), ['failed', 'given-up', 'needs-person', 'overdue', 'succeeded'])
})
