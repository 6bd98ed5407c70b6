// The relay's loop on a virtual clock, with a log, a lease and a broker in memory: what it ships, repeats and gives up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bodyOf,
  type Call,
  placeOf,
  relayWorld,
  settled,
  source,
  tooLarge,
  topic,
} from '../../testing/relay-in-memory.ts'
import { HEADS_TOPIC } from './heads-record.ts'
import type { RelayRow } from './relay-store.ts'
import { MissingPartition, type OutgoingRecord } from './transactional-producer.ts'

test('ships what waits in one transaction, says how far, and asks again only when the poll is due', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1, 2], 1: [3] })
  world.append('b', { 1: [4] })
  world.relay.start()
  await world.advance(0)
  assert.deepEqual(world.transactions(), [['0/0', '0/1', '1/0', '1/1']])
  assert.deepEqual(
    [...world.marks.values()].map(({ partition, next }) => [partition, next]),
    [
      [0, 2],
      [1, 2],
    ],
  )
  assert.deepEqual([world.told.shipped, world.broker.opened], [[4], 1])

  world.append('c', { 0: [5] })
  await world.advance(999)
  assert.equal(world.transactions().length, 1)
  await world.advance(1)
  assert.deepEqual(world.transactions()[1], ['0/2'])
  await world.relay.stop()
  assert.deepEqual([world.broker.closed, world.armed()], [1, []])
})

test('is woken by an announcement, by what this process appended, and by the lease', async () => {
  const world = relayWorld()
  world.relay.start()
  await world.advance(0)
  const wakes = [() => world.relay.wake(), () => world.membership.announced(), () => world.membership.changed()]
  for (const [index, wake] of wakes.entries()) {
    world.append(`${index}`, { 0: [index] })
    wake()
    await settled()
    assert.equal(world.transactions().length, index + 1)
  }
  await world.relay.stop()
})

test('a wake-up while a round finds nothing is not lost', async () => {
  const world = relayWorld()
  const { waiting } = world.store
  world.store.waiting = async () => {
    const found = await waiting()
    world.store.waiting = waiting
    world.append('a', { 0: [1] })
    world.relay.wake()
    return found
  }
  world.relay.start()
  await world.advance(0)
  assert.deepEqual(world.transactions(), [['0/0']])
  await world.relay.stop()
})

test('a row of which a part was shipped is shipped from there', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1, 2, 3] })
  world.marks.set(0, { source, topic, partition: 0, next: 2 })
  world.relay.start()
  await world.advance(0)
  assert.deepEqual(world.transactions(), [['0/2']])
  await world.relay.stop()
})

test('without the lease nothing is opened; as it goes the producer is closed, as it comes one is opened', async () => {
  const world = relayWorld()
  world.membership.isHolder = false
  world.append('a', { 0: [1] })
  world.relay.start()
  await world.advance(3000)
  assert.equal(world.broker.opened, 0)

  world.membership.isHolder = true
  world.membership.changed()
  await settled()
  assert.deepEqual([world.transactions().length, world.broker.opened, world.broker.closed], [1, 1, 0])

  world.membership.isHolder = false
  world.membership.changed()
  await settled()
  assert.equal(world.broker.closed, 1)

  world.membership.isHolder = true
  world.append('b', { 0: [2] })
  world.membership.changed()
  await settled()
  assert.deepEqual([world.transactions().length, world.broker.opened], [2, 2])
  await world.relay.stop()
})

test('held by the membership and not yet by the database: no producer, so nobody is fenced', async () => {
  const world = relayWorld()
  world.lease.epoch = undefined
  world.append('a', { 0: [1] })
  world.relay.start()
  await world.advance(2500)
  assert.deepEqual([world.broker.opened, world.told.failed], [0, []])
  await world.relay.stop()
})

test('a lease that another process took while we sent: no mark is written, and nothing is told as failed', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.broker.onSend = async () => void (world.lease.epoch = 2)
  world.relay.start()
  await world.advance(0)
  assert.deepEqual([world.marks.size, world.broker.closed, world.told.failed], [0, 1, []])
  // The lease is ours again under another epoch: what may have arrived is sent once more.
  await world.advance(100)
  assert.deepEqual([world.transactions(), world.broker.opened], [[['0/0'], ['0/0']], 2])
  assert.equal(world.marks.get(0)?.next, 1)
  await world.relay.stop()
})

test('after any error of the producer a new one is opened, and the rows are read afresh', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.append('b', { 0: [2], 1: [3] })
  world.broker.onSend = async () => {
    world.broker.onSend = async () => undefined
    // Another process ships the first one meanwhile: what was in hand is old news.
    world.marks.set(0, { source, topic, partition: 0, next: 1 })
    throw new Error('the connection broke')
  }
  world.relay.start()
  await world.advance(0)
  assert.deepEqual([world.broker.opened, world.broker.closed, world.told.failed.length], [1, 1, 1])
  await world.advance(100)
  assert.deepEqual([world.transactions(), world.broker.opened], [[['0/1', '1/0']], 2])
  await world.relay.stop()
})

test('waits ever longer while Kafka is away, whoever wakes it, and no longer than five seconds', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  const tries: number[] = []
  world.broker.onOpen = async () => {
    tries.push(world.clock.now())
    throw new Error('nobody listens')
  }
  world.relay.start()
  for (let step = 0; step < 300; step += 1) {
    world.relay.wake()
    await world.advance(100)
  }
  const waits = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
  assert.deepEqual(waits.slice(0, 8), [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  await world.relay.stop()
})

test('after one success it begins with short waits again, and a stop cuts a wait short', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.broker.onOpen = async () => {
    if (world.broker.opened < 5) throw new Error('nobody listens')
  }
  world.relay.start()
  await world.advance(1500)
  assert.equal(world.transactions().length, 1)
  world.append('b', { 0: [2] })
  world.broker.onSend = async () => {
    throw new Error('gone again')
  }
  world.relay.wake()
  await settled()
  world.broker.onSend = async () => undefined
  await world.advance(100)
  assert.equal(world.transactions().length, 2)

  world.append('c', { 0: [3] })
  world.broker.onSend = async () => {
    throw new Error('gone again')
  }
  world.relay.wake()
  await settled()
  await world.relay.stop()
})

test('a record that the broker refuses stops its partition under a sentence; the others flow on', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1], 1: [2] })
  world.append('b', { 0: ['huge'], 2: [3] })
  world.append('c', { 0: [4], 2: [5] })
  world.broker.onSend = refusing('huge', tooLarge)
  world.relay.start()
  await world.advance(0)
  assert.equal(world.marks.get(0)?.next, 1)
  const sentence =
    'Kafka refuses what orders appended to orders.events/0 as 1 to 1: MESSAGE_TOO_LARGE (see `lonja topics check`)'
  assert.deepEqual([world.marks.get(0)?.stopped, world.told.refused], [sentence, [sentence]])
  assert.deepEqual(
    [1, 2].map((partition) => world.marks.get(partition)?.next),
    [1, 2],
  )
  assert.deepEqual([...new Set(world.transactions().flat())].toSorted(), ['0/0', '1/0', '2/0', '2/1'])
  assert.deepEqual(world.told.failed, [])

  world.append('d', { 0: [6], 1: [7] })
  world.relay.wake()
  await settled()
  assert.deepEqual(world.transactions().at(-1), ['1/1'])
  await world.relay.stop()
})

test('a stopped partition is tried again each minute, and goes on once the broker takes it', async () => {
  const world = relayWorld()
  let isRefusing = true
  world.broker.onSend = async ({ records }) => {
    if (isRefusing && records.some(({ partition }) => partition === 0)) throw tooLarge
  }
  world.append('a', { 0: [1] })
  world.relay.start()
  await world.advance(50_000)
  assert.deepEqual([world.told.refused.length, world.transactions()], [1, []])
  await world.advance(60_000)
  assert.equal(world.told.refused.length, 2)

  isRefusing = false
  world.append('b', { 0: [2] })
  await world.advance(61_000)
  assert.deepEqual(world.transactions(), [['0/0', '0/1']])
  await world.relay.stop()
})

test('whoever begins sends the last shipped record of each partition once more, before anything else', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1, 2], 1: [3] })
  world.marks.set(0, { source, topic, partition: 0, next: 2 })
  const row = (await world.store.waiting())[0] as RelayRow
  world.store.lastShipped = async () => [{ ...row, partition: 0, first: 0, last: 1, start: 1, body: bodyOf(1, 2) }]
  world.relay.start()
  await world.advance(0)
  assert.deepEqual(world.transactions(), [['0/1'], ['1/0']])
  await world.relay.stop()
})

test('a topic that is refused keeps none of the others from being shipped, also when all begins anew', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.marks.set(0, { source, topic, partition: 0, next: 1 })
  world.append('b', { 0: [2] })
  const row = { ...(await world.store.waiting())[0], partition: 0, first: 0, last: 0, start: 0, body: bodyOf(1) }
  world.store.lastShipped = async () => [row as RelayRow, { ...row, topic: 'refused.events' } as RelayRow]
  world.broker.onSend = async ({ records }) => {
    if (records.some((record) => record.topic === 'refused.events')) throw tooLarge
  }
  world.relay.start()
  await world.advance(0)
  assert.deepEqual([world.transactions(), world.told.failed], [[['0/0'], ['0/1']], []])
  await world.relay.stop()
  assert.equal(world.broker.closed, world.broker.opened)
})

test('a stop does not wait for a broker that does not answer', async () => {
  const world = relayWorld()
  const answer = Promise.withResolvers<void>()
  world.broker.onSend = () => answer.promise
  world.append('a', { 0: [1] })
  world.relay.start()
  await world.advance(0)
  const stopping = world.relay.stop()
  await world.advance(1999)
  assert.equal(world.broker.closed, 0)
  await world.advance(1)
  assert.equal(world.broker.closed, 1)
  // Closing is what makes the client give its answer.
  answer.reject(new Error('closed'))
  await stopping
  assert.deepEqual([world.transactions(), world.marks.size], [[], 0])
})

test('only the transaction with the refused record is torn; those beside it stay whole', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1], 1: [2] })
  world.append('b', { 1: [3], 2: ['huge'], 3: [4] })
  world.append('c', { 0: [5], 3: [6] })
  world.broker.onSend = refusing('huge', tooLarge)
  world.relay.start()
  await world.advance(1000)
  const transactions = world.transactions()
  const isWhole = (places: readonly string[]): boolean => {
    return transactions.every((sent) =>
      places.every((place) => sent.includes(place) === sent.includes(places[0] ?? '')),
    )
  }
  assert.ok(isWhole(['0/0', '1/0']), JSON.stringify(transactions))
  assert.ok(isWhole(['0/1', '3/1']), JSON.stringify(transactions))
  assert.deepEqual([...new Set(transactions.flat())].toSorted(), ['0/0', '0/1', '1/0', '1/1', '3/0', '3/1'])
  await world.relay.stop()
})

test('a partition that the broker does not have is told with its own sentence', async () => {
  const world = relayWorld()
  world.append('a', { 5: ['lost'] })
  world.broker.onSend = refusing('lost', new MissingPartition(topic, 'Kafka has 3 partitions of orders.events.'))
  world.relay.start()
  await world.advance(4900)
  assert.deepEqual(world.told.refused, [], 'a broker that has just begun may know it soon')
  await world.advance(5000)
  assert.match(world.told.refused[0] ?? '', /orders\.events\/5 as 0 to 0: Kafka has 3 partitions of orders\.events\.$/)
  await world.relay.stop()
})

test('rows that are refused together and taken alone are all shipped, and it is told', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.append('b', { 0: [2] })
  world.broker.onSend = async ({ records }) => {
    if (records.length > 1) throw tooLarge
  }
  world.relay.start()
  await world.advance(0)
  assert.deepEqual([world.transactions(), world.told.refused], [[['0/0'], ['0/1']], []])
  assert.deepEqual([world.marks.get(0)?.next, world.told.failed], [2, [tooLarge]])
  await world.relay.stop()
})

test('the lease that is lost in the search for a refused record ends the search', async () => {
  const world = relayWorld()
  world.append('a', { 0: [1] })
  world.append('b', { 0: ['huge'] })
  world.broker.onSend = async (call) => {
    world.lease.epoch = undefined
    return refusing('huge', tooLarge)(call)
  }
  world.relay.start()
  await world.advance(2000)
  assert.deepEqual([world.transactions(), world.marks.size, world.told.failed], [[], 0, []])
  await world.relay.stop()
})

test('a transaction above the cap goes alone, the small ones before and behind it', async () => {
  const world = relayWorld()
  const many = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
  world.append('a', { 0: [1] })
  world.append('large', { 0: many(3000), 1: many(2000) })
  world.append('b', { 1: [2] })
  world.relay.start()
  await world.advance(0)
  assert.deepEqual(
    world.transactions().map(({ length }) => length),
    [1, 5000, 1],
  )
  await world.relay.stop()
})

test('no request holds more of a partition than the broker takes, and the batches keep the order', async () => {
  const world = relayWorld()
  const text = 'x'.repeat(1000)
  world.append('large', { 0: Array(5000).fill(1), 1: Array(1200).fill(text), 2: [text] })
  world.relay.start()
  await world.advance(0)
  const [sent] = world.broker.committed
  assert.equal(world.broker.committed.length, 1)
  assert.ok((sent?.batches.length ?? 0) > 1)
  for (const batch of sent?.batches ?? []) {
    for (const records of Map.groupBy(batch, ({ partition }) => partition).values()) {
      assert.ok(bytesOf(records) < 900_000, `${bytesOf(records)} bytes in one request`)
    }
  }
  const order = (sent?.batches.flat() ?? []).map(placeOf)
  for (const [partition, count] of [5000, 1200, 1].entries()) {
    const own = order.filter((place) => place.startsWith(`${partition}/`))
    assert.deepEqual(
      own,
      Array.from({ length: count }, (_, sequence) => `${partition}/${sequence}`),
    )
  }
  await world.relay.stop()
})

test('says once a second where the logs end, also while nothing is appended', async () => {
  const world = relayWorld()
  let announcements = 0
  const { openProducer } = world.broker
  world.broker.openProducer = async () => {
    const producer = await openProducer()
    return {
      ...producer,
      send: async (batches) => {
        announcements += batches.flat().filter((record) => record.topic === HEADS_TOPIC).length
        await producer.send(batches)
      },
    }
  }
  world.relay.start()
  await world.advance(0)
  assert.equal(announcements, 1)
  world.relay.wake()
  await world.advance(500)
  assert.equal(announcements, 1)
  await world.advance(10_000)
  assert.ok(announcements >= 10 && announcements <= 12, `${announcements} announcements`)
  await world.relay.stop()
})

test('logs that have no heads yet are no reason to fail', async () => {
  const world = relayWorld()
  world.store.heads = async () => []
  world.relay.start()
  await world.advance(2000)
  assert.deepEqual([world.told.failed, world.broker.opened], [[], 1])
  await world.relay.stop()
})

test('a stop finishes the transaction in hand and says how far it came', async () => {
  const world = relayWorld()
  const [sending, { promise, resolve }] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  world.broker.onSend = () => {
    sending.resolve()
    return promise
  }
  world.append('a', { 0: [1] })
  world.relay.start()
  await sending.promise
  const stopped = world.relay.stop()
  resolve()
  await stopped
  assert.deepEqual([world.marks.get(0)?.next, world.broker.closed], [1, 1])
})

/** Fails whatever is sent together with this body. */
function refusing(body: string, error: Error) {
  return async ({ records }: Call): Promise<void> => {
    if (records.some(({ value }) => value.toString() === JSON.stringify(body))) throw error
  }
}

function bytesOf(records: readonly OutgoingRecord[]): number {
  const ofOne = ({ key, value, headers }: OutgoingRecord): number => {
    return [...headers].reduce((sum, [name, text]) => sum + name.length + text.length + 4, key.length + value.length)
  }
  return records.reduce((sum, record) => sum + ofOne(record), 0)
}

test('Kafka is compared before all else, each half minute, and sooner where a topic is missing', async () => {
  const compared: number[] = []
  let isBlind = true
  let missing: readonly string[] = []
  const compare = async (epoch: number): Promise<ReadonlySet<string>> => {
    if (isBlind) throw new Error('no answer')
    compared.push(epoch)
    return new Set(missing)
  }
  const world = relayWorld({ compare })
  world.append('t1', { 0: ['a'] })
  world.relay.start()
  await world.advance(1000)
  assert.deepEqual([world.transactions(), world.broker.closed], [[], world.broker.opened])
  isBlind = false
  await world.advance(5000)
  assert.deepEqual([compared, world.transactions()], [[1], [['0/0']]])
  missing = ['others.events']
  await world.advance(31_000)
  assert.ok(compared.length >= 2)
  const before = compared.length
  await world.advance(3000)
  assert.ok(compared.length >= before + 2, 'a missing topic is looked for again after a second')
  await world.relay.stop()
})

test('a topic that was missing when Kafka was compared gets nothing before it was seen there', async () => {
  let missing = [topic]
  const world = relayWorld({ compare: async () => new Set(missing) })
  world.append('t1', { 0: ['a'] })
  world.relay.start()
  await world.advance(4000)
  assert.deepEqual(world.transactions(), [], 'the broker would take it')
  missing = []
  await world.advance(6000)
  assert.deepEqual([world.transactions(), world.told.refused], [[['0/0']], []])
  await world.relay.stop()
})

test('a stop does not wait for a comparison that hangs', async () => {
  const world = relayWorld({ compare: () => new Promise(() => undefined) })
  world.relay.start()
  await world.advance(0)
  let isStopped = false
  void world.relay.stop().then(() => (isStopped = true))
  await world.advance(1900)
  assert.equal(isStopped, false)
  await world.advance(200)
  assert.deepEqual([isStopped, world.told.failed, world.broker.closed], [true, [], world.broker.opened])
})

test('whoever lost its connection in between compares before it ships more, and says nothing', async () => {
  const compared: number[] = []
  const compare = async (epoch: number): Promise<ReadonlySet<string>> => {
    compared.push(epoch)
    return new Set()
  }
  const world = relayWorld({ compare })
  world.append('t1', { 0: ['a'] })
  world.relay.start()
  await world.advance(100)
  world.broker.cutOff = world.broker.opened
  world.append('t2', { 0: ['b'] })
  world.membership.announced()
  await world.advance(100)
  assert.deepEqual([compared.length, world.broker.opened, world.broker.closed], [2, 2, 1])
  assert.deepEqual([world.transactions(), world.told.failed], [[['0/0'], ['0/1']], []])
  await world.relay.stop()
})
