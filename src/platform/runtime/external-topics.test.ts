// Topics of others: numbers that only rise, a beginning that moves, and what is said where nothing can come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { entity } from '../../kernel/entity.ts'
import { on } from '../../kernel/handler.ts'
import { contract, external } from '../../kernel/message.ts'
import { projection } from '../../kernel/projection.ts'
import type { Route } from '../../kernel/route.ts'
import { service } from '../../kernel/service.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { offsetRoutes } from '../operations/offset-routes.ts'
import type { Head, Log, LogRow } from '../ports.ts'
import { membershipAlone } from '../store/membership-alone.ts'
import { openSqlite } from '../store/sqlite.ts'
import { systemRandom } from '../system.ts'
import { checkWiring } from './check-wiring.ts'
import { Lonja } from './lonja.ts'
import { silentObserver } from './observer.ts'

const topic = 'weather.stations'
const Measured = external(topic, {
  type: 'Measured',
  partitions: 1,
  key: 'station',
  body: { station: z.string(), degrees: z.int() },
})
const climate = contract('climate')
const station = entity<{ readonly degrees: readonly number[] }>('station', { initial: () => ({ degrees: [] }) })
const keep = on(Measured, {
  says: [],
  loads: (e) => [station.at(e.station)],
  handle: (e, held) => {
    held.put(station.at(e.station), { degrees: [...held.get(station.at(e.station)).degrees, e.degrees] })
  },
})
const declared = { name: 'climate', summary: 'keeps weather', contract: climate, codes: {}, publishes: [] } as const
const climateService = service({ ...declared, entities: [station], handlers: [keep] })

function rowAt(sequence: number): LogRow {
  const record = {
    type: 'Measured',
    key: 'S',
    data: { station: 'S', degrees: sequence },
    correlation: 'S',
    cause: 'c',
    traceparent: undefined,
  }
  const place = { topic, partition: 0, generation: 1, incarnation: 1, first: sequence, last: sequence }
  return { ...place, appendedAt: 1, body: '', record }
}

/** What Kafka keeps of the topic: these offsets, from a beginning on. */
async function startClimate(kept: { offsets: number[]; first: number } | undefined) {
  const heads = (): Head[] => {
    const { offsets = [], first = 0 } = kept ?? {}
    const place = { source: 'external', topic, partition: 0, generation: 1, made: 1, incarnation: 1, appendedAt: 1 }
    return [{ ...place, first, next: (offsets.at(-1) ?? -1) + 1 }]
  }
  const log: Log = {
    isElsewhere: true,
    heads: async () => heads(),
    readLog: async (_, [range]) => (kept?.offsets ?? []).filter((offset) => offset >= (range?.from ?? 0)).map(rowAt),
  }
  const alarms: string[] = []
  const clock = createVirtualClock()
  const store = openSqlite({ path: ':memory:' })
  const lonja = new Lonja({
    services: [climateService],
    chosen: ['climate'],
    databases: [{ store, membership: membershipAlone(), services: ['climate'] }],
    works: true,
    adapters: {},
    clock,
    random: systemRandom,
    observer: { ...silentObserver, alarm: (_, message) => void alarms.push(message) },
    ...(kept === undefined ? {} : { logOf: (source: string) => (source === 'external' ? log : undefined) }),
  })
  await lonja.start()
  await lonja.settled()
  const noticed = async () => {
    lonja.noticed(['external'])
    await lonja.settled()
  }
  return {
    lonja,
    alarms,
    noticed,
    degrees: async () => (await lonja.reader('climate').state(station.at('S'))).degrees,
    next: async () => (await lonja.lags()).find((lag) => lag.topic === topic)?.next,
    stop: async () => {
      await lonja.stop()
      await store.close()
    },
  }
}

test('numbers may leave others out, and each record counts once', async () => {
  const kept = { offsets: [0, 1, 4, 9], first: 0 }
  const { noticed, degrees, next, alarms, stop } = await startClimate(kept)
  assert.deepEqual([await degrees(), await next()], [[0, 1, 4, 9], 10])
  kept.offsets.push(12, 20)
  await noticed()
  assert.deepEqual([await degrees(), await next(), alarms], [[0, 1, 4, 9, 12, 20], 21, []])
  await stop()
})

test('a new group begins with what is kept, and one that has read stands still where records are gone', async () => {
  const kept = { offsets: [700, 702], first: 700 }
  const { lonja, noticed, degrees, alarms, stop } = await startClimate(kept)
  assert.deepEqual([await degrees(), alarms], [[700, 702], []])
  Object.assign(kept, { offsets: [900, 901], first: 900 })
  lonja.noticed(['external'])
  await new Promise((resolve) => void setImmediate(resolve))
  await noticed()
  assert.deepEqual(await degrees(), [700, 702])
  assert.match(alarms.join(), /^the records of weather\.stations from 703 to 899 are no longer kept on Kafka: go on/)

  // A person lets it go on behind them.
  const [route] = offsetRoutes(lonja)
  const asked = { to: 'earliest', dryRun: false, reason: 'they are gone' }
  const by = { principal: 'ana', role: 'operator', newId: () => lonja.newId() }
  const request = { params: { group: 'climate' }, body: asked, ...by }
  await route?.rules.handle(request as unknown as Parameters<Route['rules']['handle']>[0])
  await lonja.settled()
  assert.deepEqual(await degrees(), [700, 702, 900, 901])
  await stop()
})

test('a topic that ends before what was read of it is told', async () => {
  const kept = { offsets: [5], first: 0 }
  const { lonja, noticed, stop } = await startClimate(kept)
  kept.offsets.splice(0, 1, 1)
  await noticed()
  const group = (await lonja.health()).find(({ part }) => part === 'group climate')
  assert.match(group?.detail ?? '', /^weather\.stations\/0 ends at 2 and was read to 6: it was made anew/)
  await stop()
})

test('without Kafka the service runs, and health says what it waits for', async () => {
  const { lonja, stop } = await startClimate(undefined)
  const part = (await lonja.health()).find((each) => each.part === `external topic ${topic}`)
  assert.deepEqual([part?.status, part?.detail], ['degraded', 'needs Kafka: name one with --log kafka://host:9092'])
  await stop()
})

test('a projection of it does not fit together with rebuilds, nor does a topic that is declared twice', () => {
  const folding = projection('days', {
    key: ['station'],
    columns: { station: 'text' },
    folds: (fold) => [
      fold(
        Measured,
        (e) => [e.station],
        (_, e) => ({ station: e.station }),
      ),
    ],
  })
  assert.throws(
    () => checkWiring([service({ ...declared, projections: [folding] })]),
    /climate\.days reads weather\.stations, which is somebody else's: have a handler say an event/,
  )
  const again = external(topic, { type: 'MeasuredToo', partitions: 1, key: 'station', body: { station: z.string() } })
  const handlers = [keep, on(again, { says: [], handle: () => undefined })]
  assert.throws(
    () => checkWiring([service({ ...declared, entities: [station], handlers })]),
    /weather\.stations is declared 2 times/,
  )
})
