// Which records of fetched batches a reader may see: those of aborted transactions are dropped, as Java's client does.
import type { FetchedRecord } from './record-headers.ts'

/** A batch as the client decodes it. */
export interface FetchedBatch {
  readonly firstOffset: bigint
  readonly lastOffsetDelta: number
  readonly attributes: number
  readonly producerId: bigint
  readonly firstTimestamp: bigint
  readonly maxTimestamp?: bigint
  readonly records: readonly {
    readonly offsetDelta: number
    readonly timestampDelta: bigint
    readonly key: Buffer | null
    readonly value: Buffer | null
    readonly headers: readonly [Buffer | null, Buffer | null][]
  }[]
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

export interface Fetched {
  readonly topic: string
  readonly partition: number
  readonly batches: readonly FetchedBatch[]
  readonly aborted: readonly AbortedTransaction[]
  /** The offset that was asked for: a batch may begin below it. */
  readonly from: bigint
}

/** The broker has put its own time on the whole batch: `message.timestamp.type=LogAppendTime`. */
const IS_BROKERS_TIME = 0b1000
const IS_TRANSACTIONAL = 0b1_0000
const IS_CONTROL = 0b10_0000
/** The key of a control record is a version and a type; 0 ends a transaction that was aborted. */
const ABORT = 0

/**
 * Drops what belongs to aborted transactions: from the first offset of each, of its producer, up to the producer's next
 * abort marker, as `org.apache.kafka.clients.consumer.internals.CompletedFetch` does (Apache Kafka 4.3.1). The client's
 * own filter delivers aborted records and drops committed ones.
 *
 * @returns the records, and the offset to ask for next: past markers and dropped records, too.
 */
export function visibleRecords({ topic, partition, batches, aborted, from }: Fetched): {
  readonly records: readonly FetchedRecord[]
  readonly next: bigint
} {
  const records: FetchedRecord[] = []
  const open = new Set<bigint>()
  const begun = aborted.toSorted((one, other) => Number(one.firstOffset - other.firstOffset))
  let next = from
  for (const batch of batches) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta)
    while (begun[0] !== undefined && begun[0].firstOffset <= last)
      open.add((begun.shift() as AbortedTransaction).producerId)
    if ((batch.attributes & IS_CONTROL) !== 0) {
      if (batch.records[0]?.key?.readInt16BE(2) === ABORT) open.delete(batch.producerId)
    } else if ((batch.attributes & IS_TRANSACTIONAL) === 0 || !open.has(batch.producerId)) {
      records.push(...recordsOf(batch, { topic, partition, from }))
    }
    if (last >= next) next = last + 1n
  }
  return { records, next }
}

function recordsOf(
  { firstOffset, firstTimestamp, maxTimestamp = firstTimestamp, attributes, records }: FetchedBatch,
  { topic, partition, from }: Pick<Fetched, 'topic' | 'partition' | 'from'>,
): FetchedRecord[] {
  const isBrokersTime = (attributes & IS_BROKERS_TIME) !== 0
  return records.flatMap(({ offsetDelta, timestampDelta, key, value, headers }) => {
    const offset = firstOffset + BigInt(offsetDelta)
    if (offset < from) return []
    const timestamp = Number(isBrokersTime ? maxTimestamp : firstTimestamp + timestampDelta)
    return [{ topic, partition, offset, key, value, headers, timestamp }]
  })
}
