// Reads the last records of partitions, as deep as whoever asks needs, and then ends.
import { within } from './deadline.ts'
import { Fetcher, type FetcherOptions, type Reading } from './fetcher.ts'
import type { FetchedRecord } from './record-headers.ts'

export interface Tail {
  readonly topic: string
  readonly partition: number
  /** The first offset that is read, and the one before which it ends. */
  readonly from: number
  readonly end: number
}

/** Of some records of each partition; a broker that was just started may take some seconds more. */
const READ_WITHIN_MS = 15_000
const WAIT_MS = 50

/**
 * The records of these, in the order of each partition's offsets. Those of aborted transactions are left out where
 * `isolation` says so; then no tail may reach beyond where its partition is stable.
 */
export async function readTails(
  { address, clock, isolation }: Pick<FetcherOptions, 'address' | 'clock' | 'isolation'>,
  tails: readonly Tail[],
): Promise<readonly FetchedRecord[]> {
  const records: FetchedRecord[] = []
  const wanted = tails.filter(({ from, end }) => from < end)
  const readings = wanted.map(({ topic, partition, from, end }) => {
    const reading: Reading = { topic, partition, offset: BigInt(from), isFull: false }
    return { reading, end: BigInt(end) }
  })
  const { promise: isRead, resolve } = Promise.withResolvers<void>()
  const open = (): Reading[] => {
    const left = readings.filter(({ reading, end }) => reading.offset < end).map(({ reading }) => reading)
    if (left.length === 0) resolve()
    return left
  }
  let failure: unknown
  const fetcher = new Fetcher(
    {
      address,
      clock,
      isolation,
      waitMs: WAIT_MS,
      deliver: (_, fetched) => void records.push(...fetched),
      // It was deleted meanwhile: what is left is read.
      outOfRange: (reading, { first }) => void (reading.offset = first),
      failed: (error) => (failure = error),
    },
    open,
  )
  fetcher.start()
  try {
    await within(READ_WITHIN_MS, 'reading what was shipped', isRead)
    return records
  } catch (error) {
    throw failure ?? error
  } finally {
    await fetcher.stop()
  }
}
