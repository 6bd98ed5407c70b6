// The decider, state by state; then against executors that answer late, refuse or fall silent, in any order.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import type { Message } from './message.ts'
import { contract } from './message.ts'
import type { SagaMove, SagaState } from './saga-decider.ts'
import { decideSaga, isLive, needsPerson, newSaga } from './saga-decider.ts'
import { eventsOf, saga, sagaProblems } from './saga.ts'

const shop = contract('decider-shop')
const depot = contract('decider-depot')
const options = { key: 'id', body: { id: z.string() } } as const

const Placed = shop.event('Placed', options)
const Confirmed = shop.event('Confirmed', options)
const Cancelled = shop.event('Cancelled', options)
const GivenUp = shop.event('GivenUp', options)
const StopAsked = shop.event('StopAsked', options)
const HoldExpired = depot.event('HoldExpired', options)
const Confirm = shop.command('Confirm', options)
const Cancel = shop.command('Cancel', { key: 'id', body: { id: z.string(), reason: z.string() } })
const Flag = shop.command('Flag', options)
const Tell = shop.command('Tell', options)

const [ItemHeld, ItemRefused, ItemReleased] = ['ItemHeld', 'ItemRefused', 'ItemReleased'].map((t) => depot.event(t, options)) as Three
const [Paid, Declined, Refunded] = ['Paid', 'Declined', 'Refunded'].map((t) => depot.event(t, options)) as Three
const [Sent, SendRefused, CalledBack] = ['Sent', 'SendRefused', 'CalledBack'].map((t) => depot.event(t, options)) as Three
type AnEvent = ReturnType<typeof depot.event<string, typeof options.body>>
type Three = [AnEvent, AnEvent, AnEvent]

const order = (name: string) => depot.command(name, options)
const [Hold, Pay, Send, UndoHold, UndoPay, UndoSend] = ['Hold', 'Pay', 'Send', 'UndoHold', 'UndoPay', 'UndoSend'].map(order)
const id = { id: '7' }

/** Which of the three steps can be undone. */
type Undoable = readonly [boolean, boolean, boolean]

function sagaWith([hold, pay, send]: Undoable) {
  const undoHold = { undo: () => UndoHold!(id), undone: ItemReleased, undoWithin: '1 min' } as const
  const undoPay = { undo: () => UndoPay!(id), undone: Refunded } as const
  const undoSend = { undo: () => UndoSend!(id), undone: CalledBack } as const
  return saga({
    name: 'decider_test',
    starts: Placed,
    key: 'id',
    says: [Hold!, Pay!, Send!, UndoHold!, UndoPay!, UndoSend!, Confirm, Cancel, Flag, Tell],
    remembers: () => id,
    steps: [
      { name: 'hold', send: () => Hold!(id), done: ItemHeld, refused: ItemRefused, ...(hold ? undoHold : {}), within: '30 s', late: 'HOLD_LATE' },
      { name: 'pay', send: () => Pay!(id), done: Paid, refused: Declined, ...(pay ? undoPay : {}), tells: () => Tell(id), within: () => '5 min', late: 'PAY_LATE' },
      { name: 'send', send: () => Send!(id), done: Sent, refused: SendRefused, ...(send ? undoSend : {}), within: '1 h', late: 'SEND_LATE' },
    ],
    stops: [StopAsked, HoldExpired],
    succeeds: { send: () => Confirm(id), done: Confirmed },
    fails: { send: (_, reason) => Cancel({ ...id, reason }), done: Cancelled },
    reasonOf: ({ type }) => type,
    flags: () => Flag(id),
    givenUp: GivenUp,
  })
}

const undoable: Undoable = [true, true, true]
const LATE = 'late'
type Word = AnEvent | typeof LATE

/** Walks a saga through events and elapsed limits; what it sent is listed by type. */
function walk(words: readonly Word[], definition = sagaWith(undoable)) {
  let state = newSaga
  const sent: Message[] = []
  for (const word of words) {
    const input = word === LATE ? { lateTurn: state.turn } : { event: word(id) }
    const move: SagaMove | undefined = decideSaga(definition, state, input, 1000)
    if (move === undefined) continue
    state = move.state
    sent.push(...move.sends)
  }
  return { state, status: state.status, sent: sent.map(({ type }) => type), last: sent.at(-1), definition }
}

suite('the good road', () => {
  test('each step follows the answer of the one before, and the aggregate has the last word', () => {
    const { sent, status, state } = walk([Placed, ItemHeld, Paid, Sent])
    assert.deepEqual(sent, ['Hold', 'Pay', 'Tell', 'Send', 'Confirm'])
    assert.equal(status, 'succeeding')
    assert.equal(state.due, 0)
    assert.equal(walk([Placed, ItemHeld, Paid, Sent, Confirmed]).status, 'succeeded')
  })

  test('a step waits as long as it says, also where that depends on the order', () => {
    assert.equal(walk([Placed]).state.due, 31_000)
    assert.equal(walk([Placed, ItemHeld]).state.due, 301_000)
  })

  test('answers that were heard before, or belong to no step under way, move nothing', () => {
    const { state, definition } = walk([Placed, ItemHeld])
    for (const event of [Placed, ItemHeld, ItemRefused, Sent, Refunded, ItemReleased, Confirmed, Cancelled]) {
      assert.equal(decideSaga(definition, state, { event: event(id) }, 1), undefined, event.type)
    }
  })

  test('nothing moves a saga that has not begun or has ended', () => {
    const ends = [
      walk([]),
      walk([Placed, ItemHeld, Paid, Sent, Confirmed]),
      walk([Placed, ItemRefused, Cancelled]),
      walk([Placed, ItemHeld, LATE, LATE, LATE, GivenUp]),
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
    const { sent, status, state } = walk([Placed, ItemHeld, Declined])
    assert.deepEqual(sent, ['Hold', 'Pay', 'UndoHold'])
    assert.equal(status, 'undoing')
    assert.equal(state.reason, 'Declined')
  })

  test('the order is cancelled when the last undo was answered, not when it was sent', () => {
    const words = [Placed, ItemHeld, Declined, ItemReleased]
    assert.equal(walk(words.slice(0, -1)).sent.includes('Cancel'), false)
    assert.deepEqual(walk(words).last, Cancel({ ...id, reason: 'Declined' }))
    assert.equal(walk(words).status, 'failing')
    assert.equal(walk([...words, Cancelled]).status, 'failed')
  })

  test('a late step may still be under way, so it is undone as well, newest first', () => {
    const { sent, state } = walk([Placed, ItemHeld, Paid, LATE, CalledBack, Refunded, ItemReleased])
    assert.deepEqual(sent.slice(4), ['UndoSend', 'UndoPay', 'UndoHold', 'Cancel'])
    assert.equal(state.reason, 'SEND_LATE')
  })

  test('a stop undoes the step that it met half way', () => {
    assert.deepEqual(walk([Placed, ItemHeld, StopAsked]).sent.at(-1), 'UndoPay')
    assert.deepEqual(walk([Placed, ItemHeld, HoldExpired]).sent.at(-1), 'UndoPay')
  })

  test('the outcome of a step that is being undone changes nothing: its executor answers the undo after it', () => {
    const { sent } = walk([Placed, ItemHeld, StopAsked, Paid, Declined, Sent, StopAsked, HoldExpired, Confirmed])
    assert.deepEqual(sent, ['Hold', 'Pay', 'UndoPay'])
  })

  test('a timer of an earlier turn is void', () => {
    const { state, definition } = walk([Placed, ItemHeld])
    assert.equal(decideSaga(definition, state, { lateTurn: state.turn - 1 }, 1), undefined)
  })
})

suite('confirming', () => {
  test('no limit of time undoes what the aggregate may just be confirming', () => {
    const { state, definition } = walk([Placed, ItemHeld, Paid, Sent])
    assert.equal(decideSaga(definition, state, { lateTurn: state.turn }, 1), undefined)
  })

  test('a cancellation that the aggregate accepted first undoes everything', () => {
    const words = [Placed, ItemHeld, Paid, Sent, StopAsked, CalledBack, Refunded, ItemReleased, Cancelled]
    assert.deepEqual(walk(words).sent.slice(4), ['Confirm', 'UndoSend', 'UndoPay', 'UndoHold', 'Cancel'])
    assert.equal(walk(words).status, 'failed')
  })

  test('another service’s stop does not: the aggregate knows nothing of it and confirms', () => {
    assert.equal(walk([Placed, ItemHeld, Paid, Sent, HoldExpired]).status, 'succeeding')
  })
})

suite('what needs a person', () => {
  const silent = [Placed, ItemHeld, Declined, LATE] as const

  test('an undo that nobody answers is flagged, the next goes on, and the saga does not claim to be undone', () => {
    const { sent, state } = walk([Placed, ItemHeld, StopAsked, LATE, ItemReleased])
    assert.deepEqual(sent, ['Hold', 'Pay', 'UndoPay', 'UndoHold', 'Flag'])
    assert.deepEqual(state.flagged, ['pay'])
    assert.equal(state.due, 0)
    assert.ok(needsPerson(state))
  })

  test('its late answer lets the saga end after all', () => {
    const { sent, status } = walk([...silent, ItemReleased])
    assert.deepEqual(sent.slice(-2), ['Flag', 'Cancel'])
    assert.equal(status, 'failing')
  })

  test('a flag that goes while others are being undone is not told to anybody', () => {
    const { sent, state } = walk([Placed, ItemHeld, StopAsked, LATE, Refunded, ItemReleased])
    assert.deepEqual(sent.slice(-2), ['UndoHold', 'Cancel'])
    assert.deepEqual(state.flagged, [])
  })

  test('a person who gives the order up ends it, also when that crosses the late answer', () => {
    assert.equal(walk([...silent, GivenUp]).status, 'given-up')
    assert.equal(walk([...silent, ItemReleased, GivenUp, Cancelled]).status, 'given-up')
  })

  test('a late step that can not be undone may have happened: nothing is undone around it', () => {
    const pivot = sagaWith([true, true, false])
    const { sent, status, state } = walk([Placed, ItemHeld, Paid, LATE], pivot)
    assert.equal(status, 'overdue')
    assert.deepEqual(sent.slice(-2), ['Send', 'Flag'])
    assert.deepEqual(state.flagged, ['send'])
    assert.equal(walk([Placed, ItemHeld, Paid, LATE, Sent], pivot).status, 'succeeding')
    assert.deepEqual(walk([Placed, ItemHeld, Paid, LATE, Sent], pivot).state.flagged, [])
    assert.deepEqual(walk([Placed, ItemHeld, Paid, LATE, SendRefused, Refunded, ItemReleased], pivot).sent.at(-1), 'Cancel')
  })

  test('a stop that meets such a step flags it and undoes the others', () => {
    const pivot = sagaWith([true, true, false])
    const words = [Placed, ItemHeld, Paid, StopAsked, Refunded, ItemReleased]
    assert.deepEqual(walk(words, pivot).sent.slice(-3), ['UndoPay', 'UndoHold', 'Flag'])
    assert.equal(walk(words, pivot).status, 'needs-person')
    assert.equal(walk([...words, Sent], pivot).status, 'needs-person')
    assert.equal(walk([...words, SendRefused], pivot).status, 'failing')
    assert.equal(walk([Placed, ItemHeld, Paid, LATE, StopAsked, Refunded, ItemReleased], pivot).state.flagged.length, 1)
  })
})

test('a saga that mixes its answers up, or holds too briefly, is told at start', () => {
  const sound = sagaWith(undoable)
  const [first, second, third] = sound.steps
  assert.deepEqual(sagaProblems(sound), [])
  const mixed = { ...sound, steps: [first!, { ...second!, done: ItemHeld }, { ...third!, name: 'hold' }] }
  assert.match(sagaProblems(mixed).join(' '), /ItemHeld twice.*hold twice/)
  const brief = { ...sound, holds: [{ name: 'stock', heldMs: 90_000, within: ['30 s', '1 min'] as const }] }
  assert.match(sagaProblems(brief).join(), /holds stock for 90000 ms, but its steps may take 90000 ms/)
})

// ---- the world around a saga, for the property below

/** What an executor of a step knows; `silent` ones never answer anything after they got the message. */
type Executed = 'nothing' | 'under-way' | 'done' | 'refused' | 'undone'
interface Executor {
  state: Executed
  readonly fate: 'does' | 'refuses' | 'silent'
  undoAsked: boolean
}
const ANSWERS = [
  { done: ItemHeld, refused: ItemRefused, undone: ItemReleased },
  { done: Paid, refused: Declined, undone: Refunded },
  { done: Sent, refused: SendRefused, undone: CalledBack },
] as const
const DOS = ['Hold', 'Pay', 'Send']
const UNDOS = ['UndoHold', 'UndoPay', 'UndoSend']

class World {
  readonly sent: string[] = []
  readonly executors: Executor[]
  /** Events by publisher: ordered inside, in any order between. */
  readonly queues: Message[][] = [[Placed(id)], [], [], []]
  order: 'open' | 'cancelling' | 'confirmed' | 'cancelled' | 'given-up' = 'open'
  flagged = false
  saga: SagaState = newSaga
  readonly definition: ReturnType<typeof sagaWith>
  readonly can: Undoable

  constructor(can: Undoable, fates: readonly Executor['fate'][]) {
    this.can = can
    this.definition = sagaWith(can)
    this.executors = fates.map((fate) => ({ state: 'nothing', fate, undoAsked: false }))
  }

  /** Takes the next step that a number chooses; says whether anything was left to do. */
  step(choice: number, meddling: boolean): boolean {
    const possible: (() => void)[] = []
    for (const queue of this.queues) if (queue.length > 0) possible.push(() => this.deliver(queue))
    for (const at of [0, 1, 2]) if (this.canProgress(at)) possible.push(() => this.progress(at))
    // A timer fires only when all that was said before has been read.
    if (this.saga.due > 0 && this.queues.every((queue) => queue.length === 0)) possible.push(() => this.elapse())
    if (meddling) {
      possible.push(() => this.askToStop())
      possible.push(() => this.expire())
      if (this.flagged && this.order !== 'confirmed' && this.order !== 'cancelled') possible.push(() => this.giveUp())
    }
    const chosen = possible[choice % Math.max(1, possible.length)]
    chosen?.()
    return chosen !== undefined
  }

  private elapse() {
    this.apply(decideSaga(this.definition, this.saga, { lateTurn: this.saga.turn }, 1000))
  }

  private deliver(queue: Message[]) {
    const event = queue.shift()
    if (event !== undefined) this.apply(decideSaga(this.definition, this.saga, { event }, 1000))
  }

  private apply(move: SagaMove | undefined) {
    if (move === undefined) return
    for (const { type } of move.sends) {
      if (type !== 'Flag') assert.equal(this.sent.includes(type), false, `${type} was sent twice`)
      if (UNDOS.includes(type)) this.checkUndoOrder(UNDOS.indexOf(type))
      if (type === 'Cancel') assert.deepEqual(move.state.flagged, [], 'cancelled with a flag')
      this.sent.push(type)
      this.receive(type)
    }
    this.saga = move.state
  }

  /** Everything newer is known to be harmless, or flagged, before an older step is undone. */
  private checkUndoOrder(at: number) {
    for (const newer of [0, 1, 2].filter((one) => one > at && this.sent.includes(DOS[one] ?? ''))) {
      const { state } = this.executors[newer]!
      const name = ['hold', 'pay', 'send'][newer]!
      const known = state === 'undone' || state === 'refused' || !this.can[newer]
      assert.ok(known || this.saga.flagged.includes(name) || this.saga.step === newer, `undo of ${at} before ${name}`)
    }
  }

  private receive(type: string) {
    if (DOS.includes(type)) this.executors[DOS.indexOf(type)]!.state = 'under-way'
    if (UNDOS.includes(type)) this.executors[UNDOS.indexOf(type)]!.undoAsked = true
    if (type === 'Flag') this.flagged = true
    if (type === 'Confirm' && this.order === 'open') this.end('confirmed', Confirmed)
    if (type === 'Cancel' && (this.order === 'open' || this.order === 'cancelling')) this.end('cancelled', Cancelled)
  }

  private end(order: World['order'], event: AnEvent) {
    this.order = order
    this.queues[0]?.push(event(id))
  }

  private canProgress(at: number) {
    const { state, fate, undoAsked } = this.executors[at]!
    if (fate === 'silent') return false
    return state === 'under-way' || (undoAsked && state !== 'undone')
  }

  private progress(at: number) {
    const executor = this.executors[at]!
    const { done, refused, undone } = ANSWERS[at]!
    const queue = this.queues[at + 1]!
    if (executor.state === 'under-way') {
      executor.state = executor.fate === 'does' ? 'done' : 'refused'
      queue.push((executor.fate === 'does' ? done : refused)(id))
    } else {
      executor.state = 'undone'
      queue.push(undone(id))
    }
  }

  private askToStop() {
    if (this.order === 'open') this.end('cancelling', StopAsked)
  }

  private expire() {
    // As a reservation that runs out: only while it is held, and the step after it was not yet done.
    if (this.executors[0]!.state === 'done' && this.executors[1]!.state !== 'done') this.queues[1]!.push(HoldExpired(id))
  }

  private giveUp() {
    this.end('given-up', GivenUp)
    this.flagged = false
  }
}

test('whatever answers, falls silent, stops or is late: it ends or is flagged, and what it claims is true', () => {
  const fates = fc.tuple(...[0, 1, 2].map(() => fc.constantFrom('does', 'does', 'refuses', 'silent')))
  const can = fc.constantFrom<Undoable>(undoable, undoable, [true, true, false], [true, false, true], [false, true, true])
  const ends = new Map<string, number>()
  fc.assert(
    fc.property(can, fates, fc.array(fc.nat(1000), { maxLength: 40 }), (can, fates, choices) => {
      const world = new World(can, fates as Executor['fate'][])
      for (const choice of choices) world.step(choice, true)
      for (let steps = 0; world.step(0, false); steps += 1) assert.ok(steps < 100, 'it never comes to rest')
      checkEnd(world)
      ends.set(world.saga.status, (ends.get(world.saga.status) ?? 0) + 1)
    }),
    { numRuns: 5000 },
  )
  assert.deepEqual([...ends.keys()].toSorted(), ['failed', 'given-up', 'needs-person', 'overdue', 'succeeded'])
})

function checkEnd(world: World) {
  const { status, flagged } = world.saga
  const effective = ['hold', 'pay', 'send'].filter((_, at) => ['done', 'under-way'].includes(world.executors[at]!.state))
  if (status === 'succeeded') assert.deepEqual([world.order, effective.length], ['confirmed', 3])
  else if (status === 'failed') assert.deepEqual([world.order, effective], ['cancelled', []])
  else if (status === 'given-up') assert.equal(world.order, 'given-up')
  else if (status === 'overdue') assert.equal(flagged.length, 1)
  else {
    assert.equal(status, 'needs-person')
    assert.ok(flagged.length > 0)
    assert.deepEqual(effective.filter((name) => !flagged.includes(name)), [], 'something is left that is not flagged')
  }
  if (world.order === 'confirmed') assert.equal(status, 'succeeded')
  if (world.order === 'cancelled') assert.equal(status, 'failed')
}
