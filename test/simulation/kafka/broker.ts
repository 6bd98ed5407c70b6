// A Kafka of one broker in memory: partitions with offsets, transactions under ids that fence, marks of their ends.
import { HEADS_TOPIC } from '../../../src/platform/kafka/heads-record.ts'
import type { AbortedTransaction, FetchedBatch } from '../../../src/platform/kafka/visible-records.ts'
import type { OutgoingRecord } from '../../../src/platform/kafka/transactional-producer.ts'
import type { RareCounts } from '../rare.ts'
import type { World } from '../world.ts'
import { newLife } from '../world.ts'
import { BrokerPartition } from './partition.ts'

/** A transaction that its producer left open this long is ended by the broker. */
const TRANSACTION_TIMEOUT_MS = 60_000
/** How many of its last batches a partition loses at most. */
const MOST_LOST = 6
const LATEST = 4

/** As Kafka's client says that another one has taken the transactional id over. */
export class ProducerFenced extends Error {
  override readonly name = 'ProducerFenced'
  readonly apiId = 'INVALID_PRODUCER_EPOCH'
}

/** As Kafka's client says that a record will not be taken. */
class Refused extends Error {
  override readonly name = 'Refused'
  readonly apiId = 'TOPIC_AUTHORIZATION_FAILED'
}

/** A transactional id: whoever asks for it last has its epoch, and nobody else sends under it. */
interface Transactions {
  readonly id: string
  readonly producerId: bigint
  epoch: number
  /** What is sent in the open transaction. */
  open: OutgoingRecord[]
  /** The broker has died since the last call: the next one finds that out. */
  isCut: boolean
  cancelTimeout: () => void
}

/** The right to send under a transactional id, as long as nobody asks for it after. */
export interface Epoch {
  readonly id: string
  readonly epoch: number
}

export interface BrokerEvents {
  /** The records of a transaction, in the order in which they were sent. */
  readonly committed: (records: readonly OutgoingRecord[]) => void
  /** A partition has lost all from an offset on. */
  readonly lost: (topic: string, partition: number) => void
}

export interface FetchAnswer {
  readonly isOutOfRange: boolean
  readonly end: bigint
  readonly batches: readonly FetchedBatch[]
  readonly aborted: readonly AbortedTransaction[]
}

export class Broker {
  awayUntil = 0
  /** Partitions of which records were refused for a while, as `topic/partition`. */
  readonly refused = new Set<string>()
  readonly partitions = new Map<string, BrokerPartition>()
  /** Whoever waits at the broker for something new. */
  readonly #waiting = new Set<() => void>()
  readonly #producers = new Map<string, Transactions>()
  readonly #world: World
  readonly #rare: RareCounts
  readonly #events: BrokerEvents
  readonly #life = newLife('broker')
  #refusing = { place: '', until: 0 }
  #loses: number | undefined
  /** Those that were written last: what they lose may not have been read yet. */
  #latest: readonly BrokerPartition[] = []

  constructor(world: World, rare: RareCounts, events: BrokerEvents) {
    this.#world = world
    this.#rare = rare
    this.#events = events
  }

  #check(): void {
    if (this.#world.now >= this.awayUntil) return
    this.#rare.hit('broker away')
    throw new Error('The simulated broker does not answer.')
  }

  partition(topic: string, partition: number): BrokerPartition {
    const name = `${topic}/${partition}`
    let found = this.partitions.get(name)
    if (found === undefined) this.partitions.set(name, (found = new BrokerPartition(topic, partition)))
    return found
  }

  /** Takes an id over: what its last owner left open is aborted, and what he sends from now on is refused. */
  takeOver(id: string): Epoch {
    this.#check()
    const known = this.#producers.get(id) ?? this.#newProducer(id)
    if (known.open.length > 0) this.#rare.hit("predecessor's transaction aborted")
    this.#end(known, 'abort')
    known.epoch += 1
    known.isCut = false
    return { id, epoch: known.epoch }
  }

  #newProducer(id: string): Transactions {
    const producerId = BigInt(this.#producers.size + 1)
    const made = { id, producerId, epoch: 0, open: [], isCut: false, cancelTimeout: () => undefined }
    this.#producers.set(id, made)
    return made
  }

  /** @throws {ProducerFenced} */
  #ofEpoch({ id, epoch }: Epoch): Transactions {
    this.#check()
    const known = this.#producers.get(id)
    if (known?.isCut === true && known.epoch === epoch) throw new Error('The broker was started anew.')
    if (known?.epoch === epoch) return known
    this.#rare.hit('zombie relay fenced')
    throw new ProducerFenced('A newer producer has taken the transactional id over.')
  }

  /** Sends into the open transaction, or begins one. */
  send(as: Epoch, records: readonly OutgoingRecord[]): void {
    const producer = this.#ofEpoch(as)
    this.#checkRefused(records)
    if (producer.open.length === 0) {
      const run = () => {
        this.#rare.hit('transaction ended by its timeout')
        producer.epoch += 1
        this.#end(producer, 'abort')
      }
      producer.cancelTimeout = this.#world.after(this.#life, 'timeout', { delayMs: TRANSACTION_TIMEOUT_MS, run })
    }
    producer.open.push(...records)
    const places = Map.groupBy(records, ({ topic, partition }) => this.partition(topic, partition))
    for (const [partition, own] of places) {
      partition.append(producer.producerId, own)
      this.#latest = [...this.#latest.filter((each) => each !== partition), partition].slice(-LATEST)
    }
    this.#wake()
  }

  #checkRefused(records: readonly OutgoingRecord[]): void {
    const { place, until } = this.#refusing
    if (this.#world.now >= until) return
    if (!records.some(({ topic, partition }) => place === `${topic}/${partition}`)) return
    this.#rare.hit('record refused by the broker')
    throw new Refused('The simulated broker refuses this topic.')
  }

  commit(as: Epoch): void {
    const producer = this.#ofEpoch(as)
    const records = [...producer.open]
    this.#end(producer, 'commit')
    this.#events.committed(records)
  }

  #end(producer: Transactions, how: 'commit' | 'abort'): void {
    producer.cancelTimeout()
    const places = new Set(producer.open.map(({ topic, partition }) => this.partition(topic, partition)))
    producer.open = []
    const loses = how === 'commit' ? this.#loses : undefined
    if (loses !== undefined) {
      this.#loses = undefined
      for (const each of this.#producers.values()) each.isCut = true
    }
    for (const [index, partition] of [...places].entries()) {
      if (loses !== undefined && (loses + index) % 2 === 0) this.#rare.hit('end of a transaction not marked')
      else partition.finish(producer.producerId, how)
    }
    this.#wake()
  }

  /** Fetches from an offset. @throws where the broker is away. */
  fetch(place: BrokerPartition, offset: bigint, isolation: 'committed' | 'uncommitted'): FetchAnswer {
    this.#check()
    return place.fetch(offset, isolation)
  }

  /** Told once when there may be something new. */
  whenNews(call: () => void): () => void {
    this.#waiting.add(call)
    return () => void this.#waiting.delete(call)
  }

  #wake(): void {
    const calls = [...this.#waiting]
    this.#waiting.clear()
    for (const call of calls) call()
  }

  away(forMs: number): void {
    this.awayUntil = this.#world.now + forMs
  }

  refuse(forMs: number, salt: number): void {
    const names = [...this.partitions.keys()].filter((name) => !name.startsWith(HEADS_TOPIC))
    const place = names[salt % Math.max(1, names.length)]
    if (place === undefined) return
    this.refused.add(place)
    this.#refusing = { place, until: this.#world.now + forMs }
  }

  loseMarker(salt: number): void {
    this.#loses = salt
  }

  /** The last records of a partition are gone, as after a leader was elected that had not got them. */
  loseTail(salt: number): BrokerPartition | undefined {
    const filled = this.#latest.filter((each) => each.topic !== HEADS_TOPIC && each.end > 0n)
    const partition = filled[salt % Math.max(1, filled.length)]
    if (partition === undefined) return undefined
    partition.loseTail(1 + (salt % MOST_LOST))
    this.#rare.hit('tail of a partition lost')
    this.#world.note(`${partition.topic}/${partition.partition} ends at ${partition.end} now`)
    this.#events.lost(partition.topic, partition.partition)
    this.#wake()
    return partition
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.awayUntil = 0
    this.#refusing = { place: '', until: 0 }
    this.#loses = undefined
  }
}
