// For tests of the relay: what lies in a database's logs, what arrived on Kafka, and a relay between them.
import { topicNamed } from '../../kernel/message.ts'
import type { KafkaAddress } from '../../platform/kafka/address.ts'
import { Fetcher, type Reading } from '../../platform/kafka/fetcher.ts'
import { fromKafka, type RelayedRecord } from '../../platform/kafka/record-headers.ts'
import { topicsOnKafka } from '../../platform/kafka/open-kafka.ts'
import { Relay, type RelayObserver } from '../../platform/kafka/relay.ts'
import { RELAY_SCOPE } from '../../platform/kafka/relay-statements.ts'
import { RelayStore } from '../../platform/kafka/relay-store.ts'
import { TopicAdmin } from '../../platform/kafka/topics.ts'
import { TransactionalProducer } from '../../platform/kafka/transactional-producer.ts'
import { recordsOf, type LogRecord } from '../../platform/log/record.ts'
import type { Store } from '../../platform/ports.ts'
import { postgresMembership } from '../../platform/store/postgres-membership.ts'
import { systemClock } from '../../platform/system.ts'
import { services } from '../../services.ts'

/** Every topic that the services declare. */
export const topicNames: readonly string[] = services.flatMap(({ topics }) => topics.map(({ name }) => name))

/** @param known the services of another version, where its topics are to be made. */
export async function makeTopics(address: KafkaAddress, replicas = 1, known = services): Promise<void> {
  const admin = new TopicAdmin(address)
  await admin.create(topicsOnKafka(known), replicas)
  await admin.close()
}

export interface RelayUnderTest {
  readonly relay: Relay
  readonly store: RelayStore
  stop(): Promise<void>
}

export interface RelayPlan {
  readonly url: string
  readonly address: KafkaAddress
  readonly sources: readonly string[]
  readonly observer?: Partial<RelayObserver>
}

/** A process's relay of one database, on the system's clock. */
export async function startRelay({ url, address, sources, observer }: RelayPlan) {
  const membership = postgresMembership({ url, partitionCounts: [1], scope: RELAY_SCOPE })
  await membership.start()
  const store = new RelayStore({ url, sources, holder: membership.id })
  await store.prepare()
  const relay = new Relay({
    store,
    membership,
    openProducer: (transactionalId) => TransactionalProducer.open({ address, transactionalId }),
    clock: systemClock,
    observer: { shipped: () => undefined, failed: () => undefined, refused: () => undefined, ...observer },
  })
  relay.start()
  const stop = async (): Promise<void> => {
    await relay.stop()
    await membership.stop()
    await store.close()
  }
  return { relay, store, stop } satisfies RelayUnderTest
}

/** Everything that these services appended, by partition. */
export async function loggedBy(store: Store, sources: readonly string[]): Promise<Map<string, LogRecord[]>> {
  const logged = new Map<string, LogRecord[]>()
  for (const source of sources) {
    for (const { topic, partition, next } of await store.heads(source)) {
      if (next === 0) continue
      const rows = await store.readLog(source, [{ topic, partition, from: 0 }], 100_000)
      logged.set(
        `${source}/${topic}/${partition}`,
        rows.flatMap((row) => recordsOf(source, row, 0)),
      )
    }
  }
  return logged
}

/** Every partition of these topics, to be read from its beginning. */
export function fromTheBeginning(topics: readonly string[]): readonly Reading[] {
  return topics.flatMap((topic) =>
    Array.from({ length: topicNamed(topic).partitions }, (_, partition): Reading => {
      return { topic, partition, offset: 0n, isFull: false }
    }),
  )
}

export type Listener = ReturnType<typeof listenTo>

/** Reads all partitions of these topics from their beginning, as somebody else's read_committed consumer does. */
export function listenTo(address: KafkaAddress, topics: readonly string[]) {
  const arrived: RelayedRecord[] = []
  const strangers: string[] = []
  const readings = fromTheBeginning(topics)
  const failures: unknown[] = []
  const topicIds = new Map<Reading, string>()
  const fetcher = new Fetcher(
    {
      address,
      clock: systemClock,
      isolation: 'committed',
      deliver: (reading, records, topicId) => {
        const isAnew = (topicIds.get(reading) ?? topicId) !== topicId
        topicIds.set(reading, topicId)
        // The offset was one of a topic that is gone.
        if (isAnew) reading.offset = 0n
        else
          for (const record of records.map(fromKafka)) {
            if ('stranger' in record) strangers.push(record.stranger)
            else arrived.push(record)
          }
      },
      // What was heard before is heard again, and counts once.
      outOfRange: (reading, { first }) => {
        failures.push(new Error(`${reading.topic}/${reading.partition} has no offset ${reading.offset}`))
        reading.offset = first
      },
      failed: (error) => failures.push(error),
    },
    () => readings,
  )
  fetcher.start()
  const inPartitions = (): Map<string, RelayedRecord[]> =>
    Map.groupBy(arrived, ({ source, topic, partition }) => `${source}/${topic}/${partition}`)
  // A broker that came back with less has other records at offsets that were read, and no consumer can tell.
  const readAgain = (): void => {
    for (const reading of readings) reading.offset = 0n
  }
  return { arrived, strangers, failures, inPartitions, readAgain, stop: () => fetcher.stop() }
}
