// A world around the decider of the toy saga: executors that answer late, refuse, fall silent or let messages die, an
// order whose word is final, callers who stop it, and a person who steps in; in any order.
import assert from 'node:assert/strict'
import type { Message } from '../kernel/message.ts'
import { Refusal } from '../kernel/refuse.ts'
import type { Intervention } from '../kernel/saga-intervention.ts'
import { interveneInSaga } from '../kernel/saga-intervention.ts'
import type { SagaInput, SagaMove, SagaState } from '../kernel/saga-decider.ts'
import { decideSaga, needsPerson, newSaga } from '../kernel/saga-decider.ts'
import * as toy from './toy-saga.ts'
import type { ToyType, Undoable } from './toy-saga.ts'

const WORDS = [
  { name: 'hold', asked: 'Hold', undo: 'Release', done: toy.Held, refused: toy.HoldRefused, undone: toy.Released },
  { name: 'pay', asked: 'Pay', undo: 'Refund', done: toy.Paid, refused: toy.Declined, undone: toy.Refunded },
  { name: 'send', asked: 'Send', undo: 'CallBack', done: toy.Sent, refused: toy.SendRefused, undone: toy.CalledBack },
] as const

/**
 * Who silently takes messages never answers one: nobody learns whether he did anything. Where messages die they are
 * never taken, and the saga hears that.
 */
export type Fate = 'does' | 'refuses' | 'silent' | 'dies'

/** Carries out one step, as finding 3 of the protocol wants it: an undo waits for the outcome, then reverses it. */
interface Executor {
  readonly words: (typeof WORDS)[number]
  readonly canUndo: boolean
  /** What the saga has not read; in order here, in any order towards the others. */
  readonly said: SagaInput[]
  fate: Fate
  state: 'nothing' | 'under way' | 'done' | 'refused' | 'undone'
  undoAsked: boolean
}

/** The order's own word is final: whichever command it accepted first wins. */
interface Order {
  state: 'open' | 'cancelling' | 'confirmed' | 'cancelled' | 'given up'
  flagged: boolean
  readonly said: SagaInput[]
}

export interface World {
  readonly definition: ReturnType<typeof toy.toySaga>
  readonly executors: readonly Executor[]
  readonly order: Order
  readonly sent: string[]
  saga: SagaState
  /** Whether the move in hand is a person's, who may have a message sent again. */
  isPersons: boolean
}

export function worldOf(undoable: Undoable, fates: readonly Fate[]): World {
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
    order: { state: 'open', flagged: false, said: [{ event: toy.Placed(toy.id) }] },
    sent: [],
    saga: newSaga,
    isPersons: false,
  }
}

/** Everything that could happen next. */
export function possibilities(world: World): (() => void)[] {
  const unread = [world.order, ...world.executors].filter(({ said }) => said.length > 0)
  const reads = unread.map(({ said }) => () => {
    const input = said.shift()
    if (input !== undefined) apply(world, decideSaga(world.definition, world.saga, input, 1000))
  })
  // A limit is over only when all that was said before has been read (finding 6).
  const isTimed = world.saga.due > 0 && unread.length === 0
  const elapses = () => apply(world, decideSaga(world.definition, world.saga, { lateTurn: world.saga.turn }, 1000))
  const works = world.executors.filter(canWork).map((executor) => () => work(executor))
  return [...reads, ...works, ...(isTimed ? [elapses] : [])]
}

/** What callers and clocks do to it at any moment. */
export function disturbances({ order, executors: [hold, pay] }: World): (() => void)[] {
  const open = order.state === 'open' || order.state === 'cancelling'
  const expires = hold?.state === 'done' && pay?.state !== 'done'
  return [
    ...(order.state === 'open' ? [() => turn(order, 'cancelling', toy.StopAsked)] : []),
    ...(open && order.flagged ? [() => turn(order, 'given up', toy.GivenUp)] : []),
    ...(expires ? [() => void hold.said.push({ event: toy.HoldExpired(toy.id) })] : []),
  ]
}

const ACTS: readonly Pick<Intervention, 'act' | 'step' | 'force'>[] = [
  { act: 'retry' },
  ...['hold', 'pay', 'send'].flatMap((step) => [
    { act: 'retry', step } as const,
    { act: 'skip', step, force: true } as const,
  ]),
  { act: 'skip' },
  { act: 'skip', force: true },
  { act: 'compensate' },
  { act: 'cancel' },
]

/** What a person does to it at any moment: whatever comes to his mind, and he mends what is broken. */
export function interventions(world: World): (() => void)[] {
  const acts = ACTS.map((wish) => () => intervene(world, { by: 'olga', reason: 'why not', ...wish }))
  const mends = world.executors
    .filter(({ fate }) => fate === 'dies' || fate === 'silent')
    .map((executor) => () => void (executor.fate = 'does'))
  return [...acts, ...mends]
}

/** What he may not do is refused, and changes nothing. */
function intervene(world: World, wish: Intervention): void {
  let move: SagaMove
  try {
    move = interveneInSaga(world.definition, world.saga, wish, 1000)
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error))
    return
  }
  world.isPersons = true
  apply(world, move)
  world.isPersons = false
}

function turn(order: Order, state: Order['state'], event: ToyType): void {
  order.state = state
  order.said.push({ event: event(toy.id) })
}

function canWork({ fate, state, undoAsked }: Executor): boolean {
  const mayWork = fate === 'does' || fate === 'refuses'
  return mayWork && (state === 'under way' || (undoAsked && state !== 'undone'))
}

function work(executor: Executor): void {
  const { done, refused, undone } = executor.words
  const does = executor.fate === 'does'
  const wasUnderWay = executor.state === 'under way'
  executor.state = wasUnderWay ? (does ? 'done' : 'refused') : 'undone'
  say(executor, wasUnderWay ? (does ? done : refused) : undone)
}

function say({ said }: Executor, event: ToyType): void {
  said.push({ event: event(toy.id) })
}

function apply(world: World, move: SagaMove | undefined): void {
  for (const message of move?.sends ?? []) {
    const { type } = message
    if (type !== 'Flag' && !world.isPersons) {
      // What a person had sent again is sent once more by nobody else.
      const times = world.sent.filter((sent) => sent === type).length
      assert.ok(times === 0 || wasPersons(world), `${type} was sent twice`)
    }
    if (type === 'Cancel') assert.deepEqual(move?.state.flagged, [], 'cancelled with a flag')
    checkUndoOrder(world, type)
    world.sent.push(type)
    receive(world, message)
  }
  if (move === undefined) return
  world.saga = move.state
  // Given up while its saga works, an order would leave stock and money behind.
  const mayBeGivenUp = world.order.flagged && (world.order.state === 'open' || world.order.state === 'cancelling')
  if (mayBeGivenUp) assert.ok(needsPerson(world.saga), `it may be given up while its saga is ${world.saga.status}`)
}

/** Whether a person ever stepped in: from then on a step may be sent by him and undone by the saga more than once. */
function wasPersons({ saga }: World): boolean {
  return saga.history.some(({ what }) => what.includes('by olga'))
}

/** Before a step is undone, each newer one is undone, refused, skipped, flagged, or answers at this moment. */
function checkUndoOrder({ executors, saga, sent }: World, type: string): void {
  const at = executors.findIndex(({ words }) => words.undo === type)
  if (at === -1) return
  for (const [index, { words, state, canUndo }] of executors.entries()) {
    if (index <= at || !sent.includes(words.asked) || !canUndo) continue
    const isTold = saga.flagged.includes(words.name) || saga.skipped?.includes(`undo of ${words.name}`) === true
    const isKnown = state === 'undone' || state === 'refused' || isTold
    const justGivenUp = saga.status === 'undoing' && saga.step === index
    assert.ok(isKnown || justGivenUp, `${type} was sent while ${words.name} was ${state}`)
  }
}

function receive({ executors, order }: World, message: Message): void {
  const { type } = message
  for (const executor of executors) {
    const { asked, undo } = executor.words
    if (type !== asked && type !== undo) continue
    if (executor.fate === 'dies') executor.said.push({ died: { type, code: 'BROKEN' } })
    else if (type === asked) doOnce(executor)
    else undoOnce(executor)
  }
  if (type === 'Flag') order.flagged = (message.data as { readonly steps: readonly string[] }).steps.length > 0
  if (type === 'Confirm' && order.state === 'open') turn(order, 'confirmed', toy.Confirmed)
  if (order.state !== 'open' && order.state !== 'cancelling') return
  if (type === 'Cancel') turn(order, 'cancelled', toy.Cancelled)
  if (type === 'GiveUp') {
    assert.ok(order.flagged, 'given up while nobody was called: the order would refuse it')
    turn(order, 'given up', toy.GivenUp)
  }
}

/** Asked twice, done once: whoever has answered says it again. What was undone before is refused for ever. */
function doOnce(executor: Executor): void {
  const { state, undoAsked, words } = executor
  if (state === 'nothing' && !undoAsked) executor.state = 'under way'
  else if (state === 'done') say(executor, words.done)
  else if (state === 'refused' || state === 'undone') say(executor, words.refused)
}

function undoOnce(executor: Executor): void {
  executor.undoAsked = true
  if (executor.state === 'undone') say(executor, executor.words.undone)
}

/** What the end claims is true, but for what a person took on himself. */
export function checkEnd({ saga, order, executors }: World): void {
  const { status, flagged, skipped = [] } = saga
  const isLeft = ({ state }: Executor) => state === 'done' || state === 'under way'
  const named = (some: readonly Executor[]) => some.map(({ words }) => words.name)
  const left = named(executors.filter(isLeft))
  const missing = named(
    executors.filter(({ words, ...one }) => !isLeft({ words, ...one }) && !skipped.includes(words.name)),
  )
  const unclaimed = left.filter((name) => !skipped.includes(`undo of ${name}`))
  const expected = {
    confirmed: () => assert.deepEqual([status, missing], ['succeeded', []]),
    cancelled: () => assert.deepEqual([status, unclaimed], ['failed', []]),
    'given up': () => assert.equal(status, 'given-up'),
    open: () => assert.ok(status === 'needs-person' || status === 'overdue', status),
    cancelling: () => assert.ok(status === 'needs-person', status),
  }
  expected[order.state]()
  if (order.state === 'open' || order.state === 'cancelling') {
    assert.equal(order.flagged, needsPerson(saga), 'the order is flagged if and only if its saga is')
  }
  if (status === 'overdue') assert.equal(flagged.length, 1)
  if (status !== 'needs-person') return
  assert.ok(flagged.length > 0)
  assert.deepEqual(
    unclaimed.filter((name) => !flagged.includes(name)),
    [],
    'something is left that is not flagged',
  )
}

/** Lets everything happen that can, without a person. */
export function untilRest(world: World): void {
  for (let steps = 0, [next] = possibilities(world); next !== undefined; steps += 1, [next] = possibilities(world)) {
    assert.ok(steps < 200, 'it never comes to rest')
    next()
  }
}
