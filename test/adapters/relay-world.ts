// A log of made-up transactions in the real PostgreSQL, its topic on the real Kafka, and relays and readers of both.
import assert from 'node:assert/strict'
import { Admin } from '@platformatic/kafka'
import { addressOptions, type KafkaAddress } from '../../src/platform/kafka/address.ts'
import { Fetcher, type Reading } from '../../src/platform/kafka/fetcher.ts'
import { fromKafka, type RelayedRecord } from '../../src/platform/kafka/record-headers.ts'
import { Relay } from '../../src/platform/kafka/relay.ts'
import { RELAY_SCOPE } from '../../src/platform/kafka/relay-statements.ts'
import { RelayStore } from '../../src/platform/kafka/relay-store.ts'
import { headsTopic } from '../../src/platform/kafka/heads-record.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { startRelay, type RelayPlan } from '../../src/testing/kafka/relayed.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const withinMs = 30_000

/** How many records of which body one transaction appends to each partition. */
export type Shares = Readonly<Record<number, number | readonly string[]>>

/** Each record's data: which transaction it is of, and how many of it there are. */
export interface Told {
  readonly transaction: number
  readonly of: number
  readonly text: string
}

export interface TopicPlan {
  /** On the brokers; where left out as many as are written, and 0 for no topic. */
  readonly partitionsThere?: number
  readonly maxBytes?: number
}

export interface Listener {
  readonly arrived: readonly RelayedRecord[]
  readonly failures: readonly unknown[]
  stop(): Promise<void>
}

export async function makeTopic(address: KafkaAddress, topic: string, partitions: number, maxBytes = 1_000_000) {
  const admin = new Admin({ ...addressOptions(address), retries: 2 })
  const configs = [{ name: 'max.message.bytes', value: String(maxBytes) }]
  await admin.createTopics({ topics: [{ topic, partitions, replicas: 1 }], configs })
  const isThere = async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.has(topic)
  await waitFor(() => isThere().catch(() => false), { withinMs, what: `${topic} is there` })
  await admin.close()
}

/** @param name of the service, and with `.events` of its topic, which has this many partitions in its log. */
export async function relayWorld(address: KafkaAddress, name: string, partitions: number, plan: TopicPlan = {}) {
  const topic = `${name}.events`
  const { partitionsThere = partitions, maxBytes } = plan
  const admin = new TopicAdmin(address)
  await admin.create([headsTopic], 1)
  await admin.close()
  if (partitionsThere > 0) await makeTopic(address, topic, partitionsThere, maxBytes)
  const url = await sharedPostgres()
  const store = await openPostgres({ url })
  await store.migrate([{ schema: name, version: 1, tables: [], topics: [{ name: topic, partitions }] }])
  let transactions = 0

  /** One transaction of the database. */
  async function append(shares: Shares): Promise<void> {
    const transaction = (transactions += 1)
    const texts = Object.entries(shares).map(([partition, share]) => {
      return [Number(partition), typeof share === 'number' ? Array<string>(share).fill('') : share] as const
    })
    const of = texts.reduce((sum, [, own]) => sum + own.length, 0)
    const appends = texts.map(([partition, own]) => {
      const data = own.map((text): Told => ({ transaction, of, text }))
      const body = JSON.stringify(data.map((each) => ({ type: 'T', key: 'k', data: each, cause: 'c' })))
      const place = { source: name, topic, partition, generation: 1, incarnation: 1, expected: undefined }
      return { ...place, count: own.length, body }
    })
    const batch = await store.begin()
    await batch.commit({ writes: [], appends, appendedAt: Date.now(), transaction })
  }

  function listen(): Listener {
    const [arrived, failures]: [RelayedRecord[], unknown[]] = [[], []]
    const failed = (error: unknown) => void failures.push(error)
    const readings = Array.from({ length: partitionsThere }, (_, partition): Reading => {
      return { topic, partition, offset: 0n, isFull: false }
    })
    const deliver: ConstructorParameters<typeof Fetcher>[0]['deliver'] = (_, records) => {
      for (const record of records.map(fromKafka)) {
        if ('stranger' in record) failed(new Error(record.stranger))
        else arrived.push(record)
      }
    }
    const fetcher = new Fetcher(
      { address, clock: systemClock, isolation: 'committed', deliver, outOfRange: failed, failed },
      () => readings,
    )
    fetcher.start()
    return { arrived, failures, stop: () => fetcher.stop() }
  }

  /** A relay that does not notice that it lost its lease, as if its process stood still; `pause` holds it up. */
  async function startZombie(pause: Partial<Record<'waiting' | 'mark', () => Promise<void>>>) {
    const membership = postgresMembership({ url, partitionCounts: [1], scope: RELAY_SCOPE })
    await membership.start()
    const own = new RelayStore({ url, sources: [name], holder: membership.id })
    await own.prepare()
    const failures: unknown[] = []
    let isHolder = true
    const relay = new Relay({
      store: {
        epoch: () => own.epoch(),
        name: () => own.name(),
        logIds: () => own.logIds(),
        heads: (epoch) => own.heads(epoch),
        tryStoppedAgain: (epoch) => own.tryStoppedAgain(epoch),
        lastShipped: () => own.lastShipped(),
        waiting: async (epoch) => {
          const rows = await own.waiting(epoch)
          await pause.waiting?.()
          return rows
        },
        mark: async (epoch, marks) => {
          await pause.mark?.()
          await own.mark(epoch, marks)
        },
      },
      membership: { holds: () => isHolder, onChange: () => undefined, onAnnounced: () => undefined },
      openProducer: (transactionalId) => TransactionalProducer.open({ address, transactionalId }),
      clock: systemClock,
      observer: { shipped: () => undefined, failed: (error) => failures.push(error), refused: () => undefined },
    })
    relay.start()
    return {
      failures,
      /** The database gives the lease to whoever asks for it next. */
      loseLease: () => membership.stop(),
      stop: async () => {
        isHolder = false
        await relay.stop()
        await own.close()
      },
    }
  }

  /** What its relay is called at the brokers, once one was there. */
  async function relayName(): Promise<string> {
    const first = await startRelay({ url, address, sources: [name] })
    const given = await first.store.name()
    await first.stop()
    return given
  }

  /** @param newcomers services that a later release brings to this database */
  async function start(observer: RelayPlan['observer'] = {}, newcomers: readonly string[] = []) {
    await store.migrate(newcomers.map((schema) => ({ schema, version: 1, tables: [], topics: [] })))
    return startRelay({ url, address, sources: [...newcomers, name], observer })
  }
  const close = () => store.close()
  return { url, topic, name, address, append, listen, relayName, start, startZombie, close }
}

/** All of the log arrived in each partition, in order; what came again lies below what was there already. */
export function assertNothingLost(arrived: readonly RelayedRecord[], counts: readonly number[]): void {
  for (const [partition, count] of counts.entries()) {
    let next = 0
    for (const { sequence } of arrived.filter((record) => record.partition === partition)) {
      assert.ok(sequence <= next, `${sequence} came at ${next} in partition ${partition}`)
      if (sequence === next) next += 1
    }
    assert.equal(next, count, `partition ${partition}`)
  }
}

export function hasAll(arrived: readonly RelayedRecord[], count: number): boolean {
  return new Set(arrived.map(({ partition, sequence }) => `${partition}/${sequence}`)).size >= count
}

function told(record: RelayedRecord | undefined): Told {
  return record?.data as Told
}

/** Every transaction of the database of which a record arrived has arrived as a whole. */
export function assertWhole(arrived: readonly RelayedRecord[]): void {
  for (const [transaction, records] of Map.groupBy(arrived, (record) => told(record).transaction)) {
    const seen = new Set(records.map(({ partition, sequence }) => `${partition}/${sequence}`))
    const { of } = told(records[0])
    assert.equal(seen.size, of, `of transaction ${transaction}`)
  }
}
