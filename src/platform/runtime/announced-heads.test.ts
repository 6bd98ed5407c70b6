// Limits whose answers come over Kafka: they wait until everything that was said in time, elsewhere, has been read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { depotService, shopService } from '../../testing/toy-shop.ts'
import type { Channel, Cursor } from './channels.ts'
import { Channels, endOf, NOTHING_TOLD } from './channels.ts'
import type { TimerRow } from './outbox.ts'
import { buildRegistry } from './registry.ts'
import { mayFire } from './round-timers.ts'

const due = 100_000
const timer = { service: 'orders', partition: 2, due } as TimerRow

interface Read {
  readonly next: number
  readonly announced: Channel['announced']
  /** The end of what has arrived, where that is not all that was read. */
  readonly arrived?: number
}

/** One partition of payments' events as orders reads it over Kafka: read up to `next`, all of what has arrived. */
function channels({ next, announced, arrived = next }: Read): Channels {
  const channel = { partition: 2, next: arrived, announced, cursors: [] as Cursor[] } as unknown as Channel
  const cursor = { group: { name: 'orders', service: 'orders' }, next } as Cursor
  return { all: [{ ...channel, cursors: [cursor] }] } as unknown as Channels
}

test('a limit waits for what was appended elsewhere and has not arrived', () => {
  assert.equal(mayFire(channels({ next: 7, announced: { next: 8, asOf: due + 5000 } }), timer), false)
  assert.equal(mayFire(channels({ next: 8, announced: { next: 8, asOf: due + 5000 } }), timer), true)
})

test('a limit waits for a head that was told after it came due, by a clock that may be a second ahead', () => {
  assert.equal(mayFire(channels({ next: 8, announced: { next: 8, asOf: due - 1 } }), timer), false)
  assert.equal(mayFire(channels({ next: 8, announced: { next: 8, asOf: due + 999 } }), timer), false)
  assert.equal(mayFire(channels({ next: 8, announced: { next: 8, asOf: due + 1000 } }), timer), true)
})

test('a limit does not wait for a quiet partition of which nothing has arrived since the start', () => {
  assert.equal(mayFire(channels({ next: 8, arrived: 0, announced: { next: 8, asOf: due + 1000 } }), timer), true)
  assert.equal(mayFire(channels({ next: 8, arrived: 9, announced: { next: 8, asOf: due + 1000 } }), timer), false)
  assert.equal(mayFire(channels({ next: 8, arrived: 0, announced: undefined }), timer), false)
})

test('a limit waits while nobody has told anything, and goes by the log itself where that is here', () => {
  assert.equal(mayFire(channels({ next: 8, announced: NOTHING_TOLD }), timer), false)
  assert.equal(mayFire(channels({ next: 8, announced: undefined }), timer), true)
})

test('lag counts what was told and has not arrived', () => {
  assert.equal(endOf({ next: 7, announced: { next: 9, asOf: due } }), 9)
  assert.equal(endOf({ next: 7, announced: NOTHING_TOLD }), 7)
  assert.equal(endOf({ next: 7 }), 7)
})

test('of a log elsewhere nothing is known before it has told', () => {
  const channels = new Channels(buildRegistry([shopService, depotService]), [])
  channels.doubt((source) => source === 'depot')
  const told = new Map(channels.all.map(({ source, announced }) => [source, announced]))
  assert.deepEqual([told.get('depot'), told.get('shop')], [NOTHING_TOLD, undefined])
})

test('a group that has read nothing begins where a log elsewhere begins, once that is told', () => {
  const registry = buildRegistry([shopService, depotService])
  const channels = new Channels(registry, registry.groups)
  const heard = channels.of('depot').find(({ cursors }) => cursors.length > 0) ?? assert.fail('nobody hears the depot')
  const { topic, partition, cursors } = heard
  const told = { source: 'depot', topic, partition, generation: 1, made: 1, incarnation: 1, next: 1500, appendedAt: 0 }
  channels.applyHeads([{ ...told, first: 0, next: 0 }], 0)
  const [cursor = assert.fail()] = cursors
  Object.assign(cursor, { stopped: 'record 0 is missing' })
  channels.applyHeads([{ ...told, first: 1200 }], 0)
  assert.deepEqual([cursor.next, cursor.beganAt, cursor.stopped], [1200, 'first 1200', undefined])
  Object.assign(cursor, { version: 3, next: 1210 })
  channels.applyHeads([{ ...told, first: 1300 }], 0)
  assert.deepEqual([cursor.next, cursor.beganAt], [1210, 'first 1200'])
})
