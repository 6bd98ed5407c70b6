// The relay under faults, between the real PostgreSQL and Kafka: killed, raced, refused, and its broker killed.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Producer } from '@platformatic/kafka'
import { addressOptions, type KafkaAddress } from '../../src/platform/kafka/address.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { Relays } from '../../src/platform/kafka/relays.ts'
import { systemClock } from '../../src/platform/system.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { kafkaIsHere, sharedKafka, startKafka } from '../../src/testing/kafka/kafka.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { assertNothingLost, assertWhole, hasAll, makeTopic, relayWorld } from './relay-world.ts'

const timeout = 120_000
const withinMs = 40_000

/** The relays of a process as it runs them, with all that they say to people. */
async function startRelays({ url, address, name }: { url: string; address: KafkaAddress; name: string }) {
  const told: string[] = []
  const destination = { write: (line: string) => void told.push(line) }
  const log = createLogger({ level: 'warn', format: 'json', destination })
  const databases = [{ url, services: [name] }]
  const [clock, metrics, backlogLimit] = [systemClock, createMetrics(), 1000]
  const relays = new Relays({ address, databases, clock, log, metrics, backlogLimit })
  await relays.start()
  const health = async () => (await relays.health())[0]
  return { told, health, backlog: () => relays.backlog(), wake: () => relays.wake(), stop: () => relays.stop() }
}

suite('the relay under faults', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await sharedKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'faults' }

  const successors = [
    { of: 'the same release', newcomers: [] },
    { of: 'a release with a service that comes before all others', newcomers: ['a_newcomer'] },
  ] as const
  for (const { of, newcomers } of successors) {
    test(`killed before it commits: the next one, of ${of}, fences it; all comes once`, { timeout }, async () => {
      const world = await relayWorld(address, `killed-${newcomers.length}`, 2)
      const listener = world.listen()
      // The client alone, as our own producer always ends what it began.
      const identity = {
        transactionalId: await world.relayName(),
        idempotent: true,
        producerId: -1n,
        producerEpoch: -1,
      }
      await world.append({ 0: 2, 1: 1 })
      const dead = new Producer({
        ...addressOptions(address),
        ...identity,
        timeout: 60_000,
        retries: 15,
        retryDelay: 10,
      })
      const transaction = await dead.beginTransaction()
      const value = Buffer.from('of the dead')
      await transaction.send({ messages: [0, 1].map((partition) => ({ topic: world.topic, partition, value })) })
      const relay = await world.start({}, newcomers)
      try {
        await waitFor(() => hasAll(listener.arrived, 3), { withinMs })
        assert.deepEqual([listener.arrived.length, listener.failures], [3, []])
        assertNothingLost(listener.arrived, [2, 1])
        await assert.rejects(transaction.commit())
        await world.append({ 1: 1 })
        relay.relay.wake()
        await waitFor(() => hasAll(listener.arrived, 4), { withinMs })
        assert.deepEqual([listener.arrived.length, listener.failures], [4, []])
      } finally {
        await dead.close(true)
        await relay.stop()
        await listener.stop()
        await world.close()
      }
    })
  }

  const standstills = [
    { place: 'waiting', when: 'before it sends', repeats: 0 },
    // What it had sent is sent again by its successor, who was not told.
    { place: 'mark', when: 'before it says how far it is', repeats: 4 },
  ] as const
  for (const { place, when, repeats } of standstills) {
    test(`a relay that stands still ${when}, and is overtaken: nothing lost or out of order`, { timeout }, async () => {
      const world = await relayWorld(address, `zombie-${place}`, 2)
      const listener = world.listen()
      const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const zombie = await world.startZombie({
        [place]: () => {
          reached.resolve()
          return goOn.promise
        },
      })
      await world.append({ 0: 2, 1: 1 })
      await world.append({ 0: 1 })
      await reached.promise
      await zombie.loseLease()
      const relay = await world.start()
      try {
        await waitFor(() => hasAll(listener.arrived, 4), { withinMs })
        await world.append({ 0: 1, 1: 2 })
        relay.relay.wake()
        await waitFor(() => hasAll(listener.arrived, 7), { withinMs })
        goOn.resolve()
        await zombie.stop()
        await world.append({ 0: 1, 1: 1 })
        relay.relay.wake()
        await waitFor(() => hasAll(listener.arrived, 9), { withinMs })
        assertNothingLost(listener.arrived, [5, 4])
        assertWhole(listener.arrived)
        assert.deepEqual(listener.failures, [])
        await waitFor(async () => (await relay.store.backlog()).length === 0, { withinMs })
        assert.equal(listener.arrived.length, 9 + repeats)
      } finally {
        goOn.resolve()
        await zombie.stop()
        await relay.stop()
        await listener.stop()
        await world.close()
      }
    })
  }

  test('a transaction of five thousand records arrives as a whole, in order', { timeout }, async () => {
    const world = await relayWorld(address, 'large', 3)
    const listener = world.listen()
    await world.append({ 0: 1 })
    await world.append({ 0: 2500, 1: 2000, 2: 500 })
    await world.append({ 0: 1, 2: 1 })
    const shipped: number[] = []
    const relay = await world.start({ shipped: (records) => shipped.push(records) })
    try {
      await waitFor(() => hasAll(listener.arrived, 5003), { withinMs })
      assertNothingLost(listener.arrived, [2502, 2000, 501])
      assertWhole(listener.arrived)
      await waitFor(() => shipped.length >= 3, { withinMs })
      assert.deepEqual([shipped, listener.arrived.length], [[1, 5000, 2], 5003])
    } finally {
      await relay.stop()
      await listener.stop()
      await world.close()
    }
  })

  test('a record that is too large stops its partition under an alarm; the others flow on', { timeout }, async () => {
    const world = await relayWorld(address, 'huge', 3, { maxBytes: 4000 })
    const listener = world.listen()
    await world.append({ 0: 1, 1: 1 })
    await world.append({ 0: [incompressible(10_000)], 1: 1 })
    await world.append({ 0: 1, 2: 1 })
    const relays = await startRelays(world)
    try {
      await waitFor(() => hasAll(listener.arrived, 4), { withinMs })
      await world.append({ 0: 1, 1: 1, 2: 1 })
      relays.wake()
      await waitFor(() => hasAll(listener.arrived, 6), { withinMs })
      assertNothingLost(listener.arrived, [1, 3, 2])
      const sentence =
        'Kafka refuses what huge appended to huge.events/0 as 1 to 1: MESSAGE_TOO_LARGE (see `lonja topics check`)'
      const place = { source: 'huge', topic: 'huge.events', partition: 0, records: 3, stopped: sentence }
      const [standing, ...others] = await relays.backlog()
      assert.deepEqual([{ ...place, oldestAt: standing?.oldestAt }, []], [standing, others])
      const health = await relays.health()
      assert.deepEqual(health, { part: 'relay of huge', status: 'degraded', detail: `${sentence}; 3 records wait` })
      assert.ok(
        relays.told.some((line) => line.includes(sentence) && line.includes('"level":"error"')),
        relays.told.join(),
      )
    } finally {
      await relays.stop()
      await listener.stop()
      await world.close()
    }
  })

  test('a topic with too few partitions: what fits is shipped, what does not says so', { timeout }, async () => {
    const world = await relayWorld(address, 'narrow', 3, { partitionsThere: 2 })
    const listener = world.listen()
    await world.append({ 0: 1, 1: 1 })
    await world.append({ 1: 1, 2: 1 })
    const relays = await startRelays(world)
    try {
      await waitFor(() => hasAll(listener.arrived, 3), { withinMs })
      assertNothingLost(listener.arrived, [1, 2])
      const stopped = await waitFor(async () => (await relays.backlog())[0]?.stopped, { withinMs })
      assert.match(stopped, /narrow\.events\/2 as 0 to 0: Kafka has 2 partitions of narrow\.events, and partition 2 /)
      assert.match((await relays.health())?.detail ?? '', /1 records wait/)
    } finally {
      await relays.stop()
      await listener.stop()
      await world.close()
    }
  })

  test('a topic that is missing stops its partitions, each under a sentence', { timeout }, async () => {
    const world = await relayWorld(address, 'missing', 2, { partitionsThere: 0 })
    await world.append({ 0: 1, 1: 1 })
    const relays = await startRelays(world)
    try {
      const stopped = await waitFor(
        async () => {
          const sentences = (await relays.backlog()).map((each) => each.stopped)
          return sentences.length === 2 && sentences.every((each) => each !== undefined) && sentences
        },
        // The client asks again and again for a topic that is missing; meanwhile everything else would wait, too.
        { withinMs: 10_000 },
      )
      for (const sentence of stopped) assert.match(sentence ?? '', /Kafka has 0 partitions of missing\.events/)
      assert.equal((await relays.health())?.status, 'degraded')
    } finally {
      await relays.stop()
      await world.close()
    }
  })
})

/** Text that lz4 can't make any smaller. */
function incompressible(length: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(length)))
    .toString('base64')
    .slice(0, length)
}

suite('a broker that is killed under the relay', async () => {
  if (!(await kafkaIsHere())) return

  test('is not ridden out by the client: it may have lost what it had acknowledged', { timeout }, async () => {
    const kafka = await startKafka()
    const address = { brokers: kafka.brokers, clientId: 'ridden-out' }
    await makeTopic(address, 'ridden.out', 1)
    const producer = await TransactionalProducer.open({ address, transactionalId: 'ridden-out' })
    const [key, value] = [Buffer.from('k'), Buffer.from('v')]
    const record = { topic: 'ridden.out', partition: 0, key, value, headers: new Map(), timestamp: 0n }
    try {
      await producer.send([[record]])
      await kafka.kill()
      const sent = producer.send([[record]])
      sent.catch(() => undefined)
      await kafka.restart()
      await assert.rejects(sent, /was lost, so it is not known what it has/)
    } finally {
      await producer.close()
      await kafka.stop()
    }
  })

  test('leaves each transaction of the database in Kafka as a whole or not at all', { timeout }, async () => {
    const kafka = await startKafka()
    const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'faults' }
    const world = await relayWorld(address, 'torn', 3)
    let appended = 0
    /** One transaction after the other, until the broker was killed under them. */
    async function appendUntil(isOver: () => boolean, shipped: () => void): Promise<void> {
      for (let count = 0; count < 100 || !isOver(); count += 1) {
        await world.append({ 0: 1 + (count % 3), 1: 2, 2: 1 })
        appended += 4 + (count % 3)
        shipped()
      }
    }
    try {
      for (let round = 0; round < 2; round += 1) {
        let isKilled = false
        const watching = world.listen()
        const relay = await world.start()
        const appending = appendUntil(
          () => isKilled,
          () => relay.relay.wake(),
        )
        // In the midst of what the relay sends, as soon as a reader sees something of it.
        const known = await waitFor(() => watching.failures.length === 3 * round && watching.arrived.length, {
          withinMs,
        })
        await waitFor(() => watching.arrived.length > known + 50, { withinMs })
        await kafka.kill()
        isKilled = true
        await Promise.all([appending, watching.stop()])
        await relay.stop()
        await kafka.restart()
        // What the relay had in hand is ended, so that a reader comes past it.
        const next = await TransactionalProducer.open({ address, transactionalId: world.url })
        await next.send([[0, 1, 2].map((partition) => ({ topic: world.topic, partition, ...endMark }))])
        await next.close()
        const listener = world.listen()
        await waitFor(() => listener.failures.length === 3 * (round + 1), {
          withinMs,
          what: 'the end of what is there',
        })
        await listener.stop()
        assertWhole(listener.arrived)
      }
      const relay = await world.start()
      const listener = world.listen()
      await waitFor(() => hasAll(listener.arrived, appended), { withinMs })
      await relay.stop()
      await listener.stop()
      assertWhole(listener.arrived)
    } finally {
      await world.close()
      await kafka.stop()
    }
  })
})

/** No relay's record: whoever reads takes it for a stranger, and so knows that it came so far. */
const endMark = { key: Buffer.from('end'), value: Buffer.from('end'), headers: new Map(), timestamp: 1000n }
