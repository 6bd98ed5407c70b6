// Somebody else who listens on Kafka for what is committed: he sees whole transactions, repetitions, and never a jump.
import type { OutgoingRecord } from '../../../src/platform/kafka/transactional-producer.ts'
import type { Committed, Fail, Oracle } from '../oracle.ts'
import type { RareCounts } from '../rare.ts'
import type { Broker } from './broker.ts'
import { numbersOf } from './kafka-mutant.ts'
import { visibleRecords } from '../../../src/platform/kafka/visible-records.ts'

export interface ListenerOptions {
  /** Another one once a database has gone back. */
  readonly oracle: () => Pick<Oracle, 'logs'>
  readonly broker: () => Broker
  readonly fail: Fail
  readonly rare: RareCounts
}

/** The records of one transaction of a database, and how many of them nobody has seen yet. */
interface Together {
  readonly places: readonly string[]
  unseen: number
}

type Shipped = ReturnType<typeof numbersOf>[number]

export class Listener {
  readonly #options: ListenerOptions
  /** The next number of each place. */
  readonly #next = new Map<string, number>()
  readonly #together = new Map<string, Together>()
  /** Partitions that have lost records. */
  readonly #lost = new Set<string>()

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** What is there already he has seen, or it is none of his. */
  begin(): void {
    for (const [place, log] of this.#options.oracle().logs) this.#next.set(place, log.length)
  }

  /** A database has committed: whoever sees a part of it has to see all. */
  appended({ plan, firsts }: Committed): void {
    const names = plan.appends.flatMap(({ source, topic, partition, count }, index) => {
      const first = firsts[index] ?? 0
      return Array.from({ length: count }, (_, at) => `${source}/${topic}/${partition}/${first + at}`)
    })
    const together = { places: names, unseen: names.length }
    for (const name of names) this.#together.set(name, together)
  }

  /** A transaction of Kafka was committed. */
  committed = (records: readonly OutgoingRecord[]): void => {
    const touched = new Set<Together>()
    for (const record of numbersOf(records)) this.#see(record, touched)
    for (const { places, unseen } of touched) {
      if (unseen === 0 || places.some((name) => this.#options.broker().refused.has(partitionOf(name)))) continue
      this.#options.fail(
        'torn transaction',
        `of ${places.join(', ')} ${unseen} are not on Kafka together with the rest`,
      )
    }
  }

  #see(record: Shipped, touched: Set<Together>): void {
    const { fail, rare, oracle } = this.#options
    const { source, topic, partition, sequence, type } = record
    const place = `${source}/${topic}/${partition}`
    const next = this.#next.get(place) ?? 0
    const logged = oracle().logs.get(place)?.[sequence]
    if (logged?.type !== type) fail('shipped something else', `${place}/${sequence} is ${type} on Kafka`)
    if (sequence > next) fail('sequence jumps', `${place} goes from ${next - 1} to ${sequence} on Kafka`)
    if (sequence < next) rare.hit('record shipped again')
    if (sequence !== next) return
    this.#next.set(place, next + 1)
    const together = this.#together.get(`${place}/${sequence}`)
    if (together === undefined) return
    together.unseen -= 1
    touched.add(together)
  }

  lost = (topic: string, partition: number): void => {
    this.#lost.add(`${topic}/${partition}`)
  }

  /** At rest all is on Kafka, and whoever begins to read there now meets every number in its turn. */
  checkAtRest(): void {
    const { oracle, fail, broker } = this.#options
    for (const [place, log] of oracle().logs) {
      const next = this.#next.get(place) ?? 0
      if (next !== log.length) fail('not shipped', `${place} has ${log.length} records, ${next} are on Kafka`)
    }
    for (const partition of broker().partitions.values()) {
      const name = `${partition.topic}/${partition.partition}`
      // With its last records it may have lost the mark behind what is left.
      if (this.#lost.has(name)) continue
      if (partition.stableEnd !== partition.end)
        fail('transaction without an end', `readers of ${name} wait at ${partition.stableEnd} of ${partition.end}`)
      this.#checkFromStart(name)
    }
  }

  #checkFromStart(name: string): void {
    const { fail, broker } = this.#options
    const place = broker().partitions.get(name)
    if (place === undefined) return
    const next = new Map<string, number>()
    let from = 0n
    while (place.hasNews(from, 'committed')) {
      const { topic, partition } = place
      const { batches, aborted } = place.fetch(from, 'committed')
      const seen = visibleRecords({ topic, partition, from, batches, aborted })
      for (const { source, sequence } of numbersOf(
        seen.records.map((record) => ({ ...record, headers: new Map(record.headers) }) as never),
      )) {
        const expected = next.get(source) ?? sequence
        if (sequence > expected) fail('sequence jumps', `from the start of ${name} ${source} misses ${expected}`)
        next.set(source, Math.max(expected, sequence + 1))
      }
      from = seen.next
    }
  }
}

function partitionOf(name: string): string {
  return name.split('/').slice(1, 3).join('/')
}
