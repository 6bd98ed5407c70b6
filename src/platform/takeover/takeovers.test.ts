// Lives that end over a message, one after the other on one database: what is found out, after how many, and as what.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { effect, onAnswer } from '../../kernel/effect.ts'
import { entity } from '../../kernel/entity.ts'
import { on, schedule } from '../../kernel/handler.ts'
import { contract } from '../../kernel/message.ts'
import { service } from '../../kernel/service.ts'
import { partitionFor } from '../log/murmur2.ts'
import { StoreUnavailable } from '../ports.ts'
import type { Store } from '../ports.ts'
import { Lonja } from '../runtime/lonja.ts'
import { silentObserver } from '../runtime/observer.ts'
import { membershipAlone } from '../store/membership-alone.ts'
import { openSqlite } from '../store/sqlite.ts'
import { systemRandom } from '../system.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { pausableStore } from '../../testing/pausable-store.ts'
import type { TroubledOptions } from '../../testing/troubled-ledger.ts'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'
import { lotOf, recordName } from './item.ts'
import { writeHand } from './stored-hand.ts'

const HOUR_MS = 3_600_000
const LIFE_MS = 10_000

/** The database as one process sees it: from its death on nothing of it gets through. */
function mortal(store: Store) {
  const pausable = pausableStore(store)
  const state = { isDead: false }
  const begin: Store['begin'] = async (locks) => {
    const transaction = await pausable.begin(locks)
    const commit: typeof transaction.commit = (plan) =>
      state.isDead ? Promise.reject(new StoreUnavailable('the process is dead')) : transaction.commit(plan)
    return { ...transaction, commit }
  }
  const die = (): never => {
    state.isDead = true
    pausable.goAway()
    throw new StoreUnavailable('the process is dead')
  }
  return { store: { ...pausable, begin }, state, die }
}

interface LiveOptions extends TroubledOptions {
  /** Whoever handles this account dies. */
  readonly killer?: string
  readonly hasDied?: boolean
}

async function live(database: Store, { killer, hasDied = true, bad = [], ...options }: LiveOptions = {}) {
  const { store, state, die } = mortal(database)
  const found: string[] = []
  const alone: number[] = []
  const ledger = await startTroubledLedger({
    store,
    membership: membershipAlone({ hasDied }),
    ...options,
    trouble: (account) => {
      if (account === killer) die()
      if (bad.includes(account)) throw new Error('trouble')
    },
    observer: {
      foundInHand: ({ hand, error }) => void found.push(`${hand.kind} ${error.name}`),
      tookOver: (takeover) => void alone.push(takeover.alone),
    },
  })
  await ledger.idle()
  // Who died is left behind as he was.
  const leave = () => (state.isDead ? Promise.resolve() : ledger.lonja.stop())
  return { ...ledger, state, found, alone, leave }
}

/** Lives until one comes through; the deaths before it. */
async function livesUntilWell(database: Store, options: Parameters<typeof live>[1]) {
  for (let deaths = 0; deaths < 10; deaths += 1) {
    const life = await live(database, { ...options, hasDied: deaths > 0 })
    if (!life.state.isDead) return { deaths, life }
  }
  throw new Error('It dies for ever.')
}

async function postUnhandled(database: Store, posts: readonly (readonly [account: string, entry: number])[]) {
  const desk = await startTroubledLedger({ store: database, works: false })
  for (const [account, entry] of posts) await desk.post(account, entry)
  await desk.lonja.stop()
}

test('after three takeovers without progress all goes one by one, and what was in hand is dead', async () => {
  const database = openSqlite({ path: ':memory:' })
  await postUnhandled(database, [
    ['a', 1],
    ['k', 1],
    ['b', 1],
    ['k', 2],
    ['a', 2],
  ])
  const { deaths, life } = await livesUntilWell(database, { killer: 'k' })
  assert.equal(deaths, 4)
  assert.deepEqual(life.found, ['record ProcessDied'])
  assert.deepEqual(await life.letters(), ['k dead ProcessDied'])
  assert.deepEqual(await life.keys(), ['k held 1'])
  assert.deepEqual([await life.entries('a'), await life.entries('b')], [[1, 2], [1]])
  assert.ok((await life.lonja.lags()).every(({ oneByOne, next, head }) => oneByOne === undefined && next === head))
  await life.post('a', 3)
  await life.idle()
  assert.deepEqual(await life.entries('a'), [1, 2, 3])
  await life.leave()
  await database.close()
})

test('while it goes one by one it says so, and whose fault throws then is parked as ever', async () => {
  const database = openSqlite({ path: ':memory:' })
  await postUnhandled(database, [
    ['a', 1],
    ['k', 1],
  ])
  const seen: string[] = []
  for (const hasDied of [false, true, true]) await live(database, { killer: 'k', hasDied })
  const last = await live(database, { bad: ['a'] })
  for (const { oneByOne } of await last.lonja.lags()) if (oneByOne !== undefined) seen.push(oneByOne)
  const health = await last.lonja.health()
  await last.pass(1000)
  assert.deepEqual(seen, ['one by one up to 2: 3 processes died here without getting on'])
  assert.ok(health.some(({ detail }) => detail.includes('one by one')))
  assert.deepEqual((await last.letters()).length, 0)
  assert.deepEqual(await last.entries('k'), [1], 'what killed only the lives before is handled')
  const hands = await database.query<{ readonly kind: string }>('SELECT kind FROM lonja_in_hand')
  assert.ok(
    hands.every(({ kind }) => kind === 'none'),
    'nothing is in hand once its handler came back',
  )
  await last.leave()
  await database.close()
})

test('deaths with progress in between, and stops in order, count nothing', async () => {
  const database = openSqlite({ path: ':memory:' })
  for (let life = 0; life < 6; life += 1) {
    await postUnhandled(database, [
      ['k', life],
      ['a', life],
    ])
    // Dies over the newest one, which the next life can handle.
    const { state } = await live(database, { killer: 'k' })
    assert.ok(state.isDead)
    const next = await live(database)
    assert.deepEqual(
      next.alone.filter((count) => count > 0),
      [],
    )
    await next.leave()
  }
  for (let life = 0; life < 10; life += 1) await (await live(database, { hasDied: false })).leave()
  const last = await live(database)
  assert.deepEqual([await last.letters(), await last.keys()], [[], []])
  assert.deepEqual(await last.entries('k'), [0, 1, 2, 3, 4, 5])
  await last.leave()
  await database.close()
})

test('a parked message that kills its retries is dead after the fourth, and redriven it kills but once', async () => {
  const database = openSqlite({ path: ':memory:' })
  const first = await live(database, { bad: ['k'], hasDied: false })
  await first.post('k', 1)
  await first.post('k', 2)
  await first.pass(1000)
  assert.deepEqual(await first.keys(), ['k retrying 2'])
  await first.leave()
  const later = { killer: 'k', startsAt: first.clock.now() + HOUR_MS }
  const { deaths, life } = await livesUntilWell(database, later)
  assert.equal(deaths, 4)
  assert.deepEqual(life.found, ['retry ProcessDied'])
  assert.deepEqual(await life.letters(), ['k dead ProcessDied'])
  const [letter] = await life.rows('dead_letters')
  await life.lonja.redrive('ledger', { id: String(letter?.['id']), reason: 'let us see' })
  await life.idle()
  assert.ok(life.state.isDead, 'it kills again')
  const next = await live(database, later)
  assert.deepEqual([next.state.isDead, next.found], [false, ['retry ProcessDied']], 'and is found at once')
  assert.deepEqual(await next.letters(), ['k dead ProcessDied'])
  assert.deepEqual(await next.keys(), ['k held 1'])
  await next.leave()
  await database.close()
})

test('what a watchdog noted is given up by the next, without another death', async () => {
  const database = openSqlite({ path: ':memory:' })
  await postUnhandled(database, [
    ['a', 1],
    ['k', 1],
  ])
  const partition = partitionFor('k', 6)
  await writeHand(database, {
    lot: lotOf(['ledger', 'desk'], { partitions: 6, partition }),
    kind: 'record',
    name: recordName({ group: 'ledger', topic: 'desk.events', partition, source: 'desk' }),
    at: 0,
    code: 'HandlerHung',
    writtenAt: 0,
  })
  const life = await live(database, { killer: 'k' })
  assert.equal(life.state.isDead, false)
  assert.deepEqual(life.found, ['record HandlerHung'])
  assert.deepEqual(await life.letters(), ['k dead HandlerHung'])
  assert.deepEqual([await life.entries('a'), await life.folded('k')], [[1], [1]])
  await life.leave()
  await database.close()
})

const post = contract('post')
const body = { parcel: z.string() }
const Send = post.command('Send', { key: 'parcel', body })
const Ring = post.command('Ring', { key: 'parcel', body })
const Called = post.event('Called', { key: 'parcel', body })
interface Line {
  call(): Promise<string>
}
const call = effect<Line>()('call', {
  adapter: 'line',
  key: (request: { readonly parcel: string }) => request.parcel,
  part: () => 'call',
  call: (line) => line.call(),
  timeoutMs: 1000,
  concurrency: 8,
  retryDelaysMs: [1000],
  keyLifetimeMs: 86_400_000,
})
const rung = entity<{ readonly by: readonly string[] }>('rung', { initial: () => ({ by: [] }) })

type Where = 'timer' | 'answer' | 'event'

/** A parcel is announced by a call and by a bell that rings later; the parcel `k` kills its handler at one place. */
interface PostOptions {
  readonly killer?: Where
  /** How many lives were before it. */
  readonly life?: number
  /** Nobody answers the calls. */
  readonly isSilent?: boolean
}

async function livePost(database: Store, { killer, life = 0, isSilent = false }: PostOptions) {
  const { store, state, die } = mortal(database)
  const found: string[] = []
  const alone: number[] = []
  const meet = (where: Where, parcel: string): void => {
    if (where === killer && parcel === 'k') die()
  }
  const loads = ({ parcel }: { readonly parcel: string }) => [rung.at(parcel)]
  const bell = service({
    name: 'post',
    summary: 'announces parcels',
    contract: post,
    codes: {},
    publishes: [Called],
    entities: [rung],
    handlers: [
      on(Send, {
        says: [call, Ring],
        handle: ({ parcel }, _, { now }) => [call({ parcel }), schedule(Ring({ parcel }), now + 1000)],
      }),
      on(Ring, {
        says: [],
        loads,
        handle: ({ parcel }, held) => {
          meet('timer', parcel)
          held.put(rung.at(parcel), { by: [...held.get(rung.at(parcel)).by, 'bell'] })
        },
      }),
      on(Called, {
        says: [],
        loads,
        handle: ({ parcel }, held) => {
          meet('event', parcel)
          held.put(rung.at(parcel), { by: [...held.get(rung.at(parcel)).by, 'call'] })
        },
      }),
    ],
    answers: [
      onAnswer(call, {
        says: [Called],
        handle: ({ parcel }) => {
          meet('answer', parcel)
          return Called({ parcel })
        },
      }),
    ],
  })
  // Each life begins later than the one before.
  const clock = createVirtualClock(Date.UTC(2026, 1, 1) + life * LIFE_MS)
  const lonja = new Lonja({
    services: [bell],
    chosen: ['post'],
    databases: [{ store, membership: membershipAlone({ hasDied: life > 0 }), services: ['post'] }],
    works: true,
    adapters: { line: { call: () => (isSilent ? new Promise<string>(() => undefined) : Promise.resolve('done')) } },
    clock,
    random: systemRandom,
    observer: {
      ...silentObserver,
      foundInHand: ({ hand, error }) => void found.push(`${hand.kind} ${error.name}`),
      tookOver: (takeover) => void alone.push(takeover.alone),
    },
    strict: true,
  })
  await lonja.start()
  const idle = async () => {
    for (let calm = 0; calm < 3; calm += 1) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      // Who is dead keeps what he has in his hands for ever.
      if (!state.isDead && !lonja.runtimes.every((runtime) => runtime.isIdle())) calm = -1
    }
  }
  const send = (parcel: string) =>
    lonja.submit({
      service: 'post',
      command: Send({ parcel }),
      reply: () => ({ status: 201, body: {} }),
      principal: 'tester',
      role: 'clerk',
      scope: undefined,
      bodyHash: '',
      traceparent: undefined,
    })
  return {
    lonja,
    state,
    found,
    alone,
    send,
    pass: (ms: number) => clock.advance(ms, idle),
    by: async (parcel: string) => (await lonja.reader('post').state(rung.at(parcel))).by.toSorted(),
    rows: (table: string) => database.query<Readonly<Record<string, string | number>>>(`SELECT * FROM post_${table}`),
  }
}

/** Sends two parcels, and lives until a life comes through two seconds. */
async function dieOver(database: Store, killer: Where) {
  let life = await livePost(database, { killer })
  await Promise.all([life.send('a'), life.send('k')])
  for (let deaths = 0; deaths < 12; deaths += 1) {
    await life.pass(2000)
    if (!life.state.isDead) return { deaths, life }
    life = await livePost(database, { killer, life: deaths + 1 })
  }
  throw new Error('It dies for ever.')
}

test('a timer whose handler kills moves to the back by an hour, and all others ring', async () => {
  const database = openSqlite({ path: ':memory:' })
  const { deaths, life } = await dieOver(database, 'timer')
  assert.deepEqual([deaths, life.found], [4, ['timer ProcessDied']])
  assert.deepEqual([await life.by('a'), await life.by('k')], [['bell', 'call'], ['call']])
  const [timer, ...others] = await life.rows('timers')
  assert.deepEqual(others, [])
  assert.ok(Number(timer?.['due']) > life.lonja.now() + HOUR_MS - 10_000)
  await life.lonja.stop()
  const mended = await livePost(database, { life: 20 })
  await mended.pass(HOUR_MS + 10_000)
  assert.deepEqual(await mended.by('k'), ['bell', 'call'])
  await mended.lonja.stop()
  await database.close()
})

test('an answer whose handler kills is put off by an hour, and all others are taken', async () => {
  const database = openSqlite({ path: ':memory:' })
  const { deaths, life } = await dieOver(database, 'answer')
  assert.deepEqual([deaths, life.found], [4, ['answer ProcessDied']])
  assert.deepEqual([await life.by('a'), await life.by('k')], [['bell', 'call'], ['bell']])
  const [row] = await life.rows('effects')
  assert.equal(row?.['last_error'], 'its process died over the answer')
  await life.lonja.stop()
  const mended = await livePost(database, { life: 20 })
  await mended.pass(HOUR_MS + 10_000)
  assert.deepEqual(await mended.by('k'), ['bell', 'call'])
  await mended.lonja.stop()
  await database.close()
})

test('what waits for the outside world, or for its time, through many deaths is no suspect', async () => {
  const database = openSqlite({ path: ':memory:' })
  for (let life = 0; life < 8; life += 1) {
    const post = await livePost(database, { life, isSilent: true })
    if (life === 0) await post.send('a')
    assert.deepEqual(
      post.alone.filter((count) => count > 0),
      [],
    )
    // It is left as a kill -9 leaves it.
  }
  const last = await livePost(database, { life: 8 })
  await last.pass(2000)
  assert.deepEqual(await last.by('a'), ['bell', 'call'])
  await last.lonja.stop()
  await database.close()
})

test('the end of a cascade that kills is found behind the answer that it came from', async () => {
  const database = openSqlite({ path: ':memory:' })
  const { deaths, life } = await dieOver(database, 'event')
  assert.deepEqual([deaths, life.found], [4, ['record ProcessDied']])
  assert.deepEqual([await life.by('a'), await life.by('k')], [['bell', 'call'], ['bell']])
  const letters = await life.rows('dead_letters')
  assert.deepEqual(
    letters.map(({ type, key, code }) => [type, key, code]),
    [['Called', 'k', 'ProcessDied']],
  )
  await life.lonja.stop()
  await database.close()
})
