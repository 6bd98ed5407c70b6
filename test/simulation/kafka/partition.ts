// One partition of the simulated broker: batches, marks of transactions' ends, and what a reader may see of them.
import type { AbortedTransaction, FetchedBatch } from '../../../src/platform/kafka/visible-records.ts'
import type { OutgoingRecord } from '../../../src/platform/kafka/transactional-producer.ts'
import type { FetchAnswer } from './broker.ts'

const TRANSACTIONAL = 0b1_0000
const CONTROL = 0b11_0000
const VERSION_AND_TYPE_BYTES = 4
/** Batches in one answer: more come with the next. */
const BATCHES_A_FETCH = 40

interface Aborted extends AbortedTransaction {
  readonly lastOffset: bigint
}

export class BrokerPartition {
  readonly topic: string
  readonly partition: number
  end = 0n
  #batches: FetchedBatch[] = []
  /** The first offset of each transaction that has no end here, by its producer. */
  #open = new Map<bigint, bigint>()
  #aborted: Aborted[] = []

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  /** Up to here every transaction has ended. */
  get stableEnd(): bigint {
    let end = this.end
    for (const first of this.#open.values()) if (first < end) end = first
    return end
  }

  append(producerId: bigint, records: readonly OutgoingRecord[]): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, this.end)
    const firstTimestamp = records[0]?.timestamp ?? 0n
    this.#push({
      firstOffset: this.end,
      lastOffsetDelta: records.length - 1,
      attributes: TRANSACTIONAL,
      producerId,
      firstTimestamp,
      records: records.map(({ key, value, headers, timestamp }, offsetDelta) => {
        return { offsetDelta, timestampDelta: timestamp - firstTimestamp, key, value, headers: [...headers] }
      }),
    })
  }

  /** The mark of the end of a transaction. */
  finish(producerId: bigint, how: 'commit' | 'abort'): void {
    const first = this.#open.get(producerId)
    const key = Buffer.alloc(VERSION_AND_TYPE_BYTES)
    key.writeInt16BE(how === 'commit' ? 1 : 0, 2)
    if (first !== undefined && how === 'abort')
      this.#aborted.push({ producerId, firstOffset: first, lastOffset: this.end })
    this.#open.delete(producerId)
    const record = { offsetDelta: 0, timestampDelta: 0n, key, value: null, headers: [] }
    const place = { firstOffset: this.end, lastOffsetDelta: 0, producerId, firstTimestamp: 0n }
    this.#push({ ...place, attributes: CONTROL, records: [record] })
  }

  #push(batch: FetchedBatch): void {
    this.#batches.push(batch)
    this.end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
  }

  /** Whether there is anything at or behind the offset, or nothing like it. */
  hasNews(offset: bigint, isolation: 'committed' | 'uncommitted'): boolean {
    return offset !== (isolation === 'committed' ? this.stableEnd : this.end)
  }

  fetch(offset: bigint, isolation: 'committed' | 'uncommitted'): FetchAnswer {
    const { end } = this
    if (offset > end) return { isOutOfRange: true, end, batches: [], aborted: [] }
    const upTo = isolation === 'committed' ? this.stableEnd : end
    let at = this.#batches.length
    while (at > 0 && lastOf(this.#batches[at - 1] as FetchedBatch) >= offset) at -= 1
    const batches = this.#batches.slice(at, at + BATCHES_A_FETCH).filter(({ firstOffset }) => firstOffset < upTo)
    const aborted = isolation === 'committed' ? this.#aborted.filter(({ lastOffset }) => lastOffset >= offset) : []
    return { isOutOfRange: false, end, batches, aborted }
  }

  /** The last batches are gone. A transaction whose mark is among them has no end here any more. */
  loseTail(count: number): void {
    this.#batches = this.#batches.slice(0, -count)
    const last = this.#batches.at(-1)
    this.end = last === undefined ? 0n : lastOf(last) + 1n
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset < this.end)
    this.#open = new Map()
    for (const { attributes, producerId, firstOffset } of this.#batches) {
      if (attributes === CONTROL) this.#open.delete(producerId)
      else if (!this.#open.has(producerId)) this.#open.set(producerId, firstOffset)
    }
  }
}

function lastOf({ firstOffset, lastOffsetDelta }: FetchedBatch): bigint {
  return firstOffset + BigInt(lastOffsetDelta)
}
