// Mutants of the way over Kafka: each takes one safeguard of relay, reader or timers away.
import { KafkaLog } from '../../src/platform/kafka/kafka-log.ts'
import { Lane } from '../../src/platform/kafka/lane.ts'
import { RelayStore } from '../../src/platform/kafka/relay-store.ts'
import type { RelayRow } from '../../src/platform/kafka/relay-store.ts'
import { numbersOf } from './kafka/kafka-mutant.ts'
import type { KafkaMutant } from './kafka/kafka-mutant.ts'
import type { Mutant } from './mutant.ts'
import { replaced } from './mutant.ts'

/** Says how far all is shipped, and then ships it. */
const markFirst: NonNullable<KafkaMutant['producer']> = (producer, place) => ({
  ...producer,
  send: async (batches) => {
    for (const { source, topic, partition, sequence } of numbersOf(batches.flat())) {
      const mark = place.markOf(source, topic, partition)
      if (sequence >= mark.next) place.mark({ ...mark, next: sequence + 1 })
    }
    await producer.send(batches)
  },
})

/** Each record in a transaction of its own. */
const oneByOne: NonNullable<KafkaMutant['producer']> = (producer) => ({
  ...producer,
  send: async (batches) => {
    for (const record of batches.flat()) await producer.send([[record]])
  },
})

/** What was read is all that a transaction wrote. */
function asRead(rows: readonly RelayRow[]): readonly RelayRow[] {
  const transactions = Map.groupBy(rows, ({ transaction }) => transaction)
  return rows.map((row) => ({ ...row, rows: transactions.get(row.transaction)?.length ?? 1 }))
}

/** A lane takes nothing below what it has seen of a source: what is sent again behind a gap counts as repeated. */
function deafBehindGaps(): () => void {
  const seen = new WeakMap<Lane, Map<string, number>>()
  return replaced(
    Lane.prototype,
    'add',
    (add) =>
      function upwards(this: Lane, fetched) {
        const highest = seen.get(this) ?? new Map<string, number>()
        seen.set(this, highest)
        const rising = fetched.filter(({ record: { source, sequence } }) => {
          const isHigher = sequence > (highest.get(source) ?? -1)
          if (isHigher) highest.set(source, sequence)
          return isHigher
        })
        return add.call(this, rising)
      },
  )
}

export const KAFKA_MUTANTS: readonly Mutant[] = [
  {
    name: 'mark before send',
    favours: ['crash before a relay call', 'send refused', 'broker away'],
    kafka: { producer: markFirst },
  },
  { name: 'no transaction of Kafka', kafka: { producer: oneByOne } },
  {
    name: 'LIMIT per partition',
    favours: ['broker away'],
    kafka: {},
    install: () =>
      replaced(
        RelayStore.prototype,
        'waiting',
        (waiting) =>
          async function cut(this: RelayStore, epoch) {
            return asRead(await waiting.call(this, epoch))
          },
      ),
  },
  { name: 'no scan behind a gap', favours: ['tail lost'], kafka: {}, install: deafBehindGaps },
  {
    name: 'gap waited for by those who have read it',
    favours: ['tail lost'],
    kafka: {},
    install: () =>
      replaced(
        Lane.prototype,
        'isAtGap',
        (isAtGap) =>
          function alone(this: Lane, source, sequence) {
            return isAtGap.call(this, source, sequence) && !isAtGap.call(this, source, sequence - 1)
          },
      ),
  },
  {
    name: 'last records not sent again',
    favours: ['marker lost'],
    kafka: {},
    install: () => replaced(RelayStore.prototype, 'lastShipped', () => async () => []),
  },
  {
    name: 'timer fired by what has arrived',
    favours: ['broker away'],
    kafka: {},
    install: () =>
      replaced(
        KafkaLog.prototype,
        'heads',
        (heads) =>
          async function untold(this: KafkaLog, source) {
            return (await heads.call(this, source)).map((head) => ({ ...head, announced: undefined }) as never)
          },
      ),
  },
]
