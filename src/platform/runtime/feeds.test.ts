// Feeds in the runtime: what an event can't be mapped to holds its key alone, and what would break a feed is refused.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { fed, feed, type FeedRule } from '../../kernel/feed.ts'
import { on } from '../../kernel/handler.ts'
import { contract, type TopicOptions } from '../../kernel/message.ts'
import { type Service, service, withFeeds } from '../../kernel/service.ts'
import { recordsIn } from '../../testing/feeding.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { membershipAlone } from '../store/membership-alone.ts'
import { openSqlite } from '../store/sqlite.ts'
import { systemRandom } from '../system.ts'
import { checkWiring } from './check-wiring.ts'
import { Lonja } from './lonja.ts'
import { silentObserver } from './observer.ts'

const body = { box: z.string(), letter: z.int() }
const kept = { partitions: 2, keep: '1 d', compression: 'none' } as const

const post = contract('mailroom')
const Send = post.command('Send', { key: 'box', body })
const Sent = post.event('Sent', { key: 'box', body })
const abroad = post.outward('letters-abroad', kept)
const bank = contract('counting-house')
const Booked = bank.event('Booked', { key: 'box', body })

function postWith(...rules: readonly FeedRule[]): Service {
  const declared = service({
    name: 'mailroom',
    summary: 'sends letters',
    contract: post,
    codes: {},
    publishes: [Sent],
    handlers: [on(Send, { says: [Sent], handle: (letter) => Sent(letter) })],
    feeds: [feed('abroad', rules)],
    // Of its own handlers; what is fed holds.
    parking: { whenDead: 'skip' },
  })
  return withFeeds(declared, ['abroad'])
}

async function startPost(rule: FeedRule) {
  const [store, clock] = [openSqlite({ path: ':memory:' }), createVirtualClock()]
  const lonja = new Lonja({
    services: [postWith(rule)],
    chosen: ['mailroom'],
    databases: [{ store, membership: membershipAlone(), services: ['mailroom'] }],
    works: true,
    adapters: {},
    clock,
    random: systemRandom,
    observer: silentObserver,
    strict: true,
  })
  await lonja.start()
  const idle = async (): Promise<void> => {
    do await new Promise((resolve) => void setImmediate(resolve))
    while (lonja.runtimes.some((runtime) => !runtime.isIdle()))
  }
  const send = (box: string, letter: number) =>
    lonja.submit({
      service: 'mailroom',
      command: Send({ box, letter }),
      scope: undefined,
      bodyHash: '',
      principal: 'tester',
      role: 'admin',
      reply: () => ({ status: 200, body: {} }),
      traceparent: undefined,
    })
  const stop = async (): Promise<void> => {
    await lonja.stop()
    await store.close()
  }
  const arrived = async () =>
    (await recordsIn(store, 'mailroom', 'letters-abroad')).map(({ key, data }) => ({ key, data }))
  return { lonja, clock, idle, send, stop, arrived }
}

suite('an event that a feed can not map', () => {
  test('is parked, its key waits behind it, all others flow on, and redriven it comes first', async () => {
    const trouble = { isOn: true }
    const { lonja, clock, idle, send, stop, arrived } = await startPost(
      fed(Sent, { to: abroad, as: 'letter' }, ({ box, letter }) => {
        if (trouble.isOn && box === 'A' && letter === 1) throw new TypeError('no such country')
        return { letter }
      }),
    )
    for (const letter of [1, 2]) for (const box of ['A', 'B']) await send(box, letter)
    await clock.advance(1000, idle)
    assert.deepEqual(await arrived(), [
      { key: 'B', data: { letter: 1 } },
      { key: 'B', data: { letter: 2 } },
    ])
    assert.deepEqual(lonja.parked('mailroom.abroad'), { keys: 1, held: 1, messages: 1 })
    trouble.isOn = false
    const [letter] = await lonja
      .storeOf('mailroom')
      .query<{ readonly id: string }>('SELECT id FROM mailroom_dead_letters')
    await lonja.redrive('mailroom', { id: letter?.id ?? '', reason: 'mended' })
    await clock.advance(1000, idle)
    const ofA = (await arrived()).filter(({ key }) => key === 'A')
    assert.deepEqual(ofA, [
      { key: 'A', data: { letter: 1 } },
      { key: 'A', data: { letter: 2 } },
    ])
    await stop()
  })

  test('is news to nobody: what is fed must not move what happens here', async () => {
    const { lonja, clock, idle, send, stop } = await startPost(
      fed(Sent, { to: abroad, as: 'letter' }, () => {
        throw new TypeError('no such country')
      }),
    )
    await send('A', 1)
    await clock.advance(1000, idle)
    assert.equal(lonja.parked('mailroom.abroad').keys, 1)
    assert.deepEqual(
      (await recordsIn(lonja.storeOf('mailroom'), 'mailroom', 'mailroom.events')).map(({ type }) => type),
      ['Sent'],
    )
    await stop()
  })
})

suite('a feed is refused at the start', () => {
  const rule = (event: typeof Sent) => fed(event, { to: abroad, as: 'letter' }, ({ letter }) => ({ letter }))
  const problemOf = (...services: readonly Service[]): string => {
    try {
      checkWiring(services)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }

  test('when it reads what another service says, for then no order by key is known', () => {
    const booked = fed(Booked, { to: abroad, as: 'letter' }, ({ letter }) => ({ letter }))
    assert.equal(problemOf(postWith(rule(Sent))), '')
    assert.match(
      problemOf(postWith(booked)),
      /mailroom\.abroad reads Booked: a feed reads the events of its own service/,
    )
    const asked = fed(Send, { to: abroad, as: 'letter' }, ({ letter }) => ({ letter }))
    assert.match(problemOf(postWith(asked)), /mailroom\.abroad reads Send: a feed reads the events of its own/)
  })

  test('when nobody publishes what it reads', () => {
    const Lost = post.event('Lost', { key: 'box', body })
    const lost = fed(Lost, { to: abroad, as: 'letter' }, ({ letter }) => ({ letter }))
    assert.match(problemOf(postWith(lost)), /mailroom\.abroad reads Lost, which nobody publishes/)
  })

  test('when its events go after some time', () => {
    const memo = (events: TopicOptions): Service => {
      const own = contract('notice-board', { events })
      const Noted = own.event('Noted', { key: 'box', body })
      const out = own.outward('memos', kept)
      const notes = feed('notes', [fed(Noted, { to: out, as: 'memo' }, ({ letter }) => ({ letter }))])
      return service({
        name: 'notice-board',
        summary: 'm',
        contract: own,
        codes: {},
        publishes: [Noted],
        feeds: [notes],
      })
    }
    assert.equal(problemOf(memo({})), '')
    assert.match(
      problemOf(memo({ keep: '30 d' })),
      /notice-board\.notes reads notice-board\.events, which is not kept for ever/,
    )
  })

  test('when its topic is another one’s, or one of the log', () => {
    const theirs = bank.outward('statements', kept)
    const stolen = fed(Sent, { to: theirs, as: 'letter' }, ({ letter }) => ({ letter }))
    assert.match(problemOf(postWith(stolen)), /mailroom\.abroad writes to statements, which is no outward topic of its/)
    // Of a service of its own: this declaration takes the other's place.
    const clashing = contract('clashing')
    const Clashed = clashing.event('Clashed', { key: 'box', body })
    const own = clashing.outward('clashing.events', { ...kept, keep: 'for ever' })
    const clash = service({
      name: 'clashing',
      summary: 'c',
      contract: clashing,
      codes: {},
      publishes: [Clashed],
      feeds: [feed('clash', [fed(Clashed, { to: own, as: 'letter' }, ({ letter }) => ({ letter }))])],
    })
    assert.match(problemOf(clash), /The topic clashing\.events is declared by clashing and by clashing/)
  })
})
