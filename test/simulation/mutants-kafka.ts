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

/** A lane that has met a gap takes nothing of that source any more. */
function endedByGap(): () => void {
  const ended = new WeakMap<Lane, Set<string>>()
  return replaced(
    Lane.prototype,
    'add',
    (add) =>
      function once(this: Lane, fetched) {
        const sources = ended.get(this) ?? new Set()
        ended.set(this, sources)
        const changed = new Set<string>()
        for (const each of fetched) {
          const { source } = each.record
          if (sources.has(source)) continue
          for (const name of add.call(this, [each])) changed.add(name)
          if (this.looksBelow(source, Number.POSITIVE_INFINITY)) sources.add(source)
        }
        return changed
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
          async function cut(this: RelayStore) {
            return asRead(await waiting.call(this))
          },
      ),
  },
  { name: 'no scan behind a gap', favours: ['tail lost'], kafka: {}, install: endedByGap },
  {
    name: 'gap waited for by those who have read it',
    favours: ['tail lost'],
    kafka: {},
    install: () => replaced(Lane.prototype, 'looksBelow', () => () => false),
  },
  {
    name: 'lost record taken for a repetition',
    favours: ['tail lost'],
    kafka: {},
    install: () => replaced(Lane.prototype, 'want', () => () => undefined),
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
