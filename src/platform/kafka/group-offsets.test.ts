// What is written down for Kafka's tools: only what moved, never under a name that somebody else uses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import type { Log, LogRow } from '../ports.ts'
import type { Channel } from '../runtime/channels.ts'
import { GroupOffsets } from './group-offsets.ts'
import type { MirroredRuntime } from './mirrored-places.ts'
import type { CommittedOffset, NewOffset, OffsetQuestion } from './offset-admin.ts'

const topic = 'shop.events'

interface Place {
  readonly group: string
  readonly source: string
  readonly next: number
  readonly head: number
}

function runtimeOf(places: readonly Place[], log: Partial<Log> = {}): MirroredRuntime {
  const all = places.map(({ group, source, next, head }) => {
    const channel = { source, topic, partition: 0, next: head, cursors: [] as unknown[] }
    channel.cursors.push({ group: { name: group }, channel, next })
    return channel as unknown as Channel
  })
  const logOf = (): Log => ({ heads: async () => [], readLog: async () => [], ...log })
  return { channels: { all }, isOurs: () => true, options: { works: true, logOf } }
}

/** A broker whose partition ends at 100, and where record n lies at 10 * n since the moment n. */
function brokerWith({ committed = [], refuses }: { committed?: readonly CommittedOffset[]; refuses?: string } = {}) {
  const written: (NewOffset & { readonly group: string })[] = []
  const openAdmin = () => ({
    offsets: async (questions: readonly OffsetQuestion[]) =>
      new Map(
        questions.map((asked) => [`${asked.topic}/0`, BigInt(asked.since === undefined ? 100 : asked.since * 10)]),
      ),
    committed: async () => committed,
    commit: async (group: string, offsets: readonly NewOffset[]) => {
      if (refuses !== undefined) throw Object.assign(new Error('refused'), { apiId: refuses })
      written.push(...offsets.map((offset) => ({ group, ...offset })))
    },
    close: async () => undefined,
  })
  return { openAdmin, written }
}

function rowAt(first: number): LogRow {
  return { topic, partition: 0, generation: 1, incarnation: 1, first, last: first, appendedAt: first, body: '[]' }
}

const behind: Log['readLog'] = async (_, ranges) => ranges.map(({ from }) => rowAt(from))
const unread = () => undefined

test('whoever has read all stands at the end, and others at the time of their next record', async () => {
  const { openAdmin, written } = brokerWith()
  const places = [
    { group: 'all', source: 'shop', next: 9, head: 9 },
    { group: 'some', source: 'shop', next: 4, head: 9 },
    { group: 'few', source: 'shop', next: 2, head: 9 },
  ]
  const runtimes = [runtimeOf(places, { readLog: behind })]
  await new GroupOffsets({ openAdmin, clock: createVirtualClock(), prefix: 'eu.', runtimes, unread }).look()
  assert.deepEqual(
    written.map(({ group, offset }) => [group, offset]),
    [
      ['eu.all', 100n],
      ['eu.some', 40n],
      ['eu.few', 20n],
    ],
  )
})

test('of a log elsewhere counts what was fetched, and what is not known is not written', async () => {
  const { openAdmin, written } = brokerWith()
  const runtimes = [
    runtimeOf(
      [
        { group: 'known', source: 'far', next: 3, head: 9 },
        { group: 'unknown', source: 'far', next: 1, head: 9 },
      ],
      { isElsewhere: true },
    ),
  ]
  const fetched = (_: unknown, nextOf: ReadonlyMap<string, number>) => (nextOf.get('far') === 3 ? 33n : undefined)
  await new GroupOffsets({ openAdmin, clock: createVirtualClock(), prefix: '', runtimes, unread: fetched }).look()
  assert.deepEqual(written, [{ group: 'known', topic, partition: 0, offset: 33n }])
})

test('what has not moved is not written again before an hour is over', async () => {
  const { openAdmin, written } = brokerWith()
  const clock = createVirtualClock()
  const runtimes = [runtimeOf([{ group: 'all', source: 'shop', next: 9, head: 9 }])]
  const offsets = new GroupOffsets({ openAdmin, clock, prefix: '', runtimes, unread })
  await offsets.look()
  await offsets.look()
  assert.equal(written.length, 1)
  await clock.advance(3_600_000, () => Promise.resolve())
  await offsets.look()
  assert.equal(written.length, 2)
})

test('a name that somebody else uses is told, and nothing is written', async () => {
  const theirs = { topic, partition: 0, offset: 5n, isOurs: false }
  const runtimes = [runtimeOf([{ group: 'orders', source: 'shop', next: 9, head: 9 }])]
  for (const [kind, why] of [
    [{ committed: [theirs] }, 'somebody else keeps offsets as orders'],
    [{ refuses: 'UNKNOWN_MEMBER_ID' }, 'orders has members that are not ours'],
  ] as const) {
    const { openAdmin, written } = brokerWith(kind)
    const offsets = new GroupOffsets({ openAdmin, clock: createVirtualClock(), prefix: '', runtimes, unread })
    await offsets.look()
    const { status, detail } = offsets.health()
    assert.deepEqual([status, written, detail.startsWith(`${why}; `)], ['degraded', [], true], detail)
  }
})

test('what fails is told, with the command where a right is missing', async () => {
  const { openAdmin } = brokerWith({ refuses: 'GROUP_AUTHORIZATION_FAILED' })
  const runtimes = [runtimeOf([{ group: 'orders', source: 'shop', next: 9, head: 9 }])]
  const offsets = new GroupOffsets({ openAdmin, clock: createVirtualClock(), prefix: '', runtimes, unread })
  await offsets.look()
  assert.match(offsets.health().detail, /^the offsets .* GROUP_AUTHORIZATION_FAILED.*`lonja acls` lists the rights$/)
})
