// What Kafka has lost is told and sent again on demand; a database that went back goes on under a new incarnation.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Admin, Producer } from '@platformatic/kafka'
import { Client } from 'pg'
import { addressOptions, type KafkaAddress } from '../../src/platform/kafka/address.ts'
import { toKafka, type RelayedRecord } from '../../src/platform/kafka/record-headers.ts'
import { RelayDesk } from '../../src/platform/kafka/relay-desk.ts'
import { Relays } from '../../src/platform/kafka/relays.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { systemClock } from '../../src/platform/system.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { auditTable } from '../../src/platform/store/tables.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { kafkaIsHere, sharedKafka } from '../../src/testing/kafka/kafka.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { assertNothingLost, hasAll, makeTopic, relayWorld } from './relay-world.ts'

const timeout = 120_000
const withinMs = 40_000

type World = Awaited<ReturnType<typeof relayWorld>>

/** The relays of a process, with what they say to people. */
async function startRelays({ url, address, name }: World) {
  const told: string[] = []
  const log = createLogger({
    level: 'warn',
    format: 'json',
    destination: { write: (line: string) => void told.push(line) },
  })
  const databases = [{ url, services: [name] }]
  const relays = new Relays({
    address,
    databases,
    clock: systemClock,
    log,
    metrics: createMetrics(),
    backlogLimit: 1000,
  })
  await relays.start()
  return { told, relays, isShipped: async () => (await relays.backlog()).length === 0, stop: () => relays.stop() }
}

async function sql(url: string, ...texts: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const text of texts) rows = (await client.query<Record<string, unknown>>(text)).rows
    return rows
  } finally {
    await client.end()
  }
}

/** Everything that a reader of the topic has by now, as partition, incarnation and sequence. */
const placesIn = (arrived: ReturnType<World['listen']>['arrived']) =>
  arrived.map(({ partition, incarnation, sequence }) => `${partition}:${incarnation}/${sequence}`)

async function makeAnew(address: KafkaAddress, topic: string, partitions: number): Promise<void> {
  const admin = new Admin({ ...addressOptions(address), retries: 2 })
  await admin.deleteTopics({ topics: [topic] })
  const isThere = () =>
    admin.metadata({ topics: [topic], forceUpdate: true }).then(
      ({ topics }) => topics.has(topic),
      () => false,
    )
  await waitFor(async () => !(await isThere()), { withinMs })
  await admin.close()
  await makeTopic(address, topic, partitions)
}

/** In one transaction of a predecessor, which ends it or gives it up. */
async function produce(
  address: KafkaAddress,
  records: readonly RelayedRecord[],
  end: 'commit' | 'cancel',
): Promise<void> {
  const producer = new Producer({
    ...addressOptions(address),
    idempotent: true,
    transactionalId: 'predecessor',
    producerId: -1n,
    producerEpoch: -1,
    retries: 15,
    retryDelay: 50,
  })
  const transaction = await producer.beginTransaction()
  await transaction.send({ messages: records.map((record) => toKafka(record, record.logId)) })
  await transaction[end]()
  await producer.close()
  // Answers when the marks of its end are written.
  const successor = await TransactionalProducer.open({ address, transactionalId: 'predecessor' })
  await successor.close()
}

suite('what Kafka has lost', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await sharedKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'losses' }

  test(
    'stops its partitions with the command that mends it, and is sent again without a jump',
    { timeout },
    async () => {
      const world = await relayWorld(address, 'wiped', 2)
      const store = await openPostgres({ url: world.url })
      await store.migrate([{ schema: auditTable.schema, version: 1, tables: [auditTable], topics: [] }])
      await world.append({ 0: 3, 1: 2 })
      const before = await startRelays(world)
      await waitFor(before.isShipped, { withinMs })
      await before.stop()
      await makeAnew(address, world.topic, 2)
      await world.append({ 0: 2 })

      const after = await startRelays(world)
      const listener = world.listen()
      const desk = new RelayDesk([{ url: world.url, services: [world.name] }])
      const deed = () =>
        ({ id: crypto.randomUUID(), at: 1, principal: 'olga', role: 'operator', reason: 'new disk' }) as const
      const ask = (from: number | 'first', more: object = {}) =>
        desk.resend({ topic: world.topic, from, dryRun: false, ...more }, deed())
      try {
        const stopped = await waitFor(
          async () => (await after.relays.backlog()).length === 2 && after.relays.backlog(),
          {
            withinMs,
          },
        )
        const command = 'lonja relay resend --topic wiped.events --partition 0 --source wiped --from 0 --reason "WHY"'
        const sentence = `Kafka has lost what wiped appended to wiped.events/0 as 0 to 2: send it again with ${command}`
        assert.deepEqual(
          stopped.map(({ partition, records }) => [partition, records]),
          [
            [0, 2],
            [1, 0],
          ],
        )
        assert.equal(stopped[0]?.stopped, sentence)
        assert.match((await after.relays.health())[0]?.detail ?? '', /Kafka has lost what wiped appended/)
        assert.ok(
          after.told.some((line) => line.includes('Kafka has lost what wiped appended to wiped.events/0 as 0 to 2')),
          after.told.join(),
        )
        assert.deepEqual([...(await after.relays.marks()).values()], [0, 0])

        await assert.rejects(ask(0, { topic: 'nobody.events' }), /RELAY_PLACE_NOT_FOUND/)
        await assert.rejects(ask(9), /RELAY_NOT_SHIPPED/)
        const counted = await ask('first', { dryRun: true })
        assert.deepEqual(
          counted.map(({ partition, from, records }) => [partition, from, records]),
          [
            [0, 0, 3],
            [1, 0, 2],
          ],
        )
        // From within the loss it stays stopped: what lies below would be a jump.
        await ask(1, { partition: 0 })
        assert.equal((await desk.standing())[0]?.places[0]?.lostFrom, 0)
        await ask('first')
        await waitFor(after.isShipped, { withinMs })
        await waitFor(() => hasAll(listener.arrived, 7), { withinMs })
        assert.deepEqual(placesIn(listener.arrived).toSorted(), [
          '0:1/0',
          '0:1/1',
          '0:1/2',
          '0:1/3',
          '0:1/4',
          '1:1/0',
          '1:1/1',
        ])
        const [place] = (await desk.standing())[0]?.places ?? []
        assert.deepEqual([place?.mark, place?.stopped, place?.lostFrom], [5, undefined, undefined])
        const audit = await sql(world.url, 'SELECT principal, action, target, reason, details FROM lonja.audit')
        const details = JSON.stringify({ from: 'first', partitions: 2, records: 3 })
        assert.deepEqual(audit.at(-1), {
          principal: 'olga',
          action: 'relay.resend',
          target: world.topic,
          reason: 'new disk',
          details,
        })
        await sql(
          world.url,
          'DELETE FROM wiped.log WHERE last < 3',
          'UPDATE wiped.heads SET first = 3 WHERE partition = 0',
        )
        await assert.rejects(ask(2, { partition: 0 }), /RELAY_BELOW_FIRST/)
      } finally {
        await desk.close()
        await after.stop()
        await listener.stop()
        await store.close()
        await world.close()
      }
    },
  )

  test('a relay under way takes up what is sent again; its marks of before do not undo that', { timeout }, async () => {
    const world = await relayWorld(address, 'again', 1)
    const store = await openPostgres({ url: world.url })
    await store.migrate([{ schema: auditTable.schema, version: 1, tables: [auditTable], topics: [] }])
    await world.append({ 0: 4 })
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let isHeld = false
    const zombie = await world.startZombie({
      mark: () => {
        if (!isHeld) return Promise.resolve()
        reached.resolve()
        return goOn.promise
      },
    })
    const listener = world.listen()
    const desk = new RelayDesk([{ url: world.url, services: [world.name] }])
    try {
      await waitFor(async () => (await desk.standing())[0]?.places[0]?.mark === 4, { withinMs })
      isHeld = true
      await world.append({ 0: 1 })
      await reached.promise
      const deed = { id: '1', at: 1, principal: 'olga', role: 'operator', reason: 'test' } as const
      await desk.resend({ topic: world.topic, from: 1, dryRun: false }, deed)
      isHeld = false
      goOn.resolve()
      await waitFor(() => listener.arrived.filter(({ sequence }) => sequence === 1).length === 2, { withinMs })
      await waitFor(async () => (await desk.standing())[0]?.places[0]?.mark === 5, { withinMs })
      await waitFor(() => listener.arrived.filter(({ sequence }) => sequence === 4).length >= 2, { withinMs })
      const numbers = listener.arrived.map(({ sequence }) => sequence)
      const again = numbers.lastIndexOf(1)
      assert.deepEqual(
        [numbers.slice(0, 5), numbers.slice(again)],
        [
          [0, 1, 2, 3, 4],
          [1, 2, 3, 4],
        ],
      )
    } finally {
      goOn.resolve()
      await desk.close()
      await zombie.loseLease()
      await zombie.stop()
      await listener.stop()
      await store.close()
      await world.close()
    }
  })
})

suite('what nobody sees on Kafka', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await sharedKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'aborted' }

  /** Four records were shipped, and the broker has two of them; the others as far as it has them were aborted. */
  async function abortedWorld(name: string, aborted: number): Promise<World> {
    const world = await relayWorld(address, name, 1)
    await world.append({ 0: 4 })
    const before = await startRelays(world)
    await waitFor(before.isShipped, { withinMs })
    const listener = world.listen()
    await waitFor(() => hasAll(listener.arrived, 4), { withinMs })
    await before.stop()
    await listener.stop()
    await makeAnew(address, world.topic, 1)
    const shipped = [0, 1, 2, 3].map((wanted) => listener.arrived.find(({ sequence }) => sequence === wanted))
    const records = shipped.filter((record) => record !== undefined)
    await produce(address, records.slice(0, 2), 'commit')
    await produce(address, records.slice(2, 2 + aborted), 'cancel')
    return world
  }

  test('what lies on Kafka in a transaction that was aborted is shipped again', { timeout }, async () => {
    const world = await abortedWorld('undone', 2)
    const listener = world.listen()
    const after = await startRelays(world)
    try {
      await waitFor(() => hasAll(listener.arrived, 4), { withinMs })
      assertNothingLost(listener.arrived, [4])
      await waitFor(after.isShipped, { withinMs })
      const [told, ...more] = after.told
      assert.match(
        told ?? '',
        /has aborted what it had acknowledged of undone in undone.events\/0 from 2 on: .* shipped again/,
      )
      assert.deepEqual(more, [])
    } finally {
      await after.stop()
      await listener.stop()
      await world.close()
    }
  })

  test('where more is gone than what was aborted, a person decides', { timeout }, async () => {
    // As a broker has it that was set back to the moment at which the last transaction was open.
    const world = await abortedWorld('aborted', 1)
    const after = await startRelays(world)
    try {
      const isTold = () => after.told.some((line) => line.includes('appended to aborted.events/0 as 2 to 3'))
      await waitFor(isTold, { withinMs, what: 'the loss from 2 on' })
    } finally {
      await after.stop()
      await world.close()
    }
  })
})

suite('a database that went back', async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await sharedKafka()
  const address: KafkaAddress = { brokers: kafka.brokers, clientId: 'went-back' }

  test('a database that is an earlier copy goes on under a new incarnation where it parts', { timeout }, async () => {
    const world = await relayWorld(address, 'restored', 2)
    await world.append({ 0: 3, 1: 2 })
    const before = await startRelays(world)
    await waitFor(before.isShipped, { withinMs })
    const copied = 'CREATE TABLE copied AS SELECT * FROM lonja.relay_marks'
    await sql(world.url, copied)
    await world.append({ 0: 2 })
    await world.append({ 0: 4, 1: 1 })
    before.relays.wake()
    await waitFor(before.isShipped, { withinMs })
    await before.stop()
    // As it was when its first transaction was shipped; and something was appended before any relay looked.
    await sql(
      world.url,
      'DELETE FROM restored.log WHERE (partition, first) IN ((0, 3), (0, 5), (1, 2))',
      'UPDATE restored.heads SET next = CASE partition WHEN 0 THEN 3 ELSE 2 END',
      'DELETE FROM lonja.relay_marks',
      'INSERT INTO lonja.relay_marks SELECT * FROM copied',
    )
    await world.append({ 0: 1 })
    const after = await startRelays(world)
    const listener = world.listen()
    try {
      await world.append({ 0: 1, 1: 2 })
      after.relays.wake()
      await waitFor(after.isShipped, { withinMs })
      await waitFor(() => new Set(placesIn(listener.arrived)).has('1:2/3'), { withinMs })
      const anew = listener.arrived.filter(({ incarnation }) => incarnation === 2)
      assert.deepEqual(placesIn(anew).toSorted(), ['0:2/3', '0:2/4', '1:2/2', '1:2/3'])
      assert.deepEqual(
        new Set(anew.map(({ partition, began }) => `${partition} from ${began}`)),
        new Set(['0 from 3', '1 from 2']),
      )
      assert.equal(after.told.filter((line) => line.includes('is an earlier one than Kafka knows')).length, 2)
      assert.deepEqual(await sql(world.url, `SELECT incarnation FROM lonja.schemas WHERE name = 'restored'`), [
        { incarnation: 2 },
      ])
    } finally {
      await after.stop()
      await listener.stop()
      await world.close()
    }
  })

  test('a relay that begins again where all is well changes nothing', { timeout }, async () => {
    const world = await relayWorld(address, 'well', 1)
    await world.append({ 0: 40 })
    for (let run = 0; run < 3; run += 1) {
      const relays = await startRelays(world)
      await world.append({ 0: 2 })
      relays.relays.wake()
      await waitFor(relays.isShipped, { withinMs })
      assert.deepEqual(relays.told, [])
      // A crash before the mark: what is on Kafka is more than is known, and all of it is in the log.
      await relays.stop()
      await sql(world.url, 'UPDATE lonja.relay_marks SET next = next - 1')
    }
    assert.deepEqual(await sql(world.url, 'SELECT * FROM lonja.incarnations'), [])
    await world.close()
  })
})
