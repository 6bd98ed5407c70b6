// What was fetched of one Kafka partition and not read yet: contiguous rows of each source that shares the partition.
import type { LogRow } from '../ports.ts'
import type { RelayedRecord } from './record-headers.ts'

/** One record as a row of its source's log, with what was read of it already. */
export interface FetchedRow extends LogRow {
  readonly record: RelayedRecord
  readonly offset: bigint
}

/** Where a source of the partition stands. */
interface SourceLane {
  readonly rows: FetchedRow[]
  /** The sequence and incarnation of the next row that fits. */
  next: number
  incarnation: number
  /** The lowest sequence that is here or was here since the lane began. */
  lowest: number
  /** Where the current incarnation began, as far as it was seen. */
  began: number
  /** The offset of the last row that was dropped because it was read: a later beginning may start behind it. */
  readUpTo: bigint | undefined
  /** A number is missing before what lies above it; what lies above is dropped until it is found. */
  isGap: boolean
  /** The end of what was seen, also above a gap. */
  seen: number
  /** A number below all that was here, which somebody looked for and nobody has: it is no repetition. */
  wanted: number | undefined
  logId: string
}

/** More rows than this and the partition is left out of the requests until some were read. */
const FULL_ROWS = 2000

export class Lane {
  readonly #sources = new Map<string, SourceLane>()
  /** From where on a source is wanted that was not met yet. */
  readonly #starts = new Map<string, number>()

  /** Adds what was fetched, in the order of the offsets. @returns the sources that have something new to read. */
  add(fetched: readonly { readonly record: RelayedRecord; readonly offset: bigint }[]): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const { record, offset } of fetched) {
      if (this.#take(record, offset)) changed.add(record.source)
    }
    return changed
  }

  #take(record: RelayedRecord, offset: bigint): boolean {
    const { source, sequence, incarnation, logId } = record
    const lane = this.#sources.get(source) ?? this.#meet(record)
    if (lane === undefined) return false
    // Another log under a known name is nobody's to follow: a clone has to be given a name of its own first.
    if (logId !== lane.logId || incarnation < lane.incarnation) return false
    if (incarnation > lane.incarnation) {
      Object.assign(lane, { incarnation, next: sequence, began: sequence, isGap: false, seen: sequence })
      lane.lowest = Math.min(lane.lowest, sequence)
    } else if (lane.wanted !== undefined && sequence <= lane.wanted) beginBelow(lane, sequence)
    if (sequence < lane.next) return false
    const isNews = sequence === lane.next || sequence >= lane.seen
    lane.seen = Math.max(lane.seen, sequence + 1)
    lane.isGap = sequence > lane.next
    if (lane.isGap) return isNews
    lane.next += 1
    lane.rows.push(rowOf(record, offset))
    return true
  }

  /** A source begins with what is met first, or with the number that it is wanted from. */
  #meet(record: RelayedRecord): SourceLane | undefined {
    const { source, sequence } = record
    const start = this.#starts.get(source) ?? sequence
    if (sequence < start) return undefined
    const lane = newSource(record, start)
    this.#sources.set(source, lane)
    return lane
  }

  /** What lies below was read by all who read here: though it is missing on Kafka, nobody waits for it. */
  startAt(source: string, sequence: number): void {
    this.#starts.set(source, sequence)
  }

  /** Whether it looks for a number that whoever reads from here has read already. */
  looksBelow(source: string, from: number): boolean {
    const lane = this.#sources.get(source)
    return lane !== undefined && lane.isGap && lane.next < from
  }

  /** Somebody needs what lies below all that was here, and it is not on Kafka: should it come, all begins there. */
  want(source: string, sequence: number): void {
    const lane = this.#sources.get(source)
    if (lane !== undefined && sequence < lane.lowest) lane.wanted = Math.min(sequence, lane.wanted ?? sequence)
  }

  /** Behind the last that was seen, above a gap too: whoever reads before it finds what is missing. */
  endOf(
    source: string,
  ): { readonly next: number; readonly incarnation: number; readonly appendedAt: number } | undefined {
    const lane = this.#sources.get(source)
    if (lane === undefined) return undefined
    const { next, incarnation, isGap, seen, rows } = lane
    return { next: isGap ? seen : next, incarnation, appendedAt: rows.at(-1)?.appendedAt ?? 0 }
  }

  /** Where the source's present incarnation began, as far as it was seen here. */
  beganOf(source: string): number | undefined {
    return this.#sources.get(source)?.began
  }

  /** Rows of a source from a sequence on; undefined where they lie before what the lane knows. */
  read(source: string, from: number, limit: number): readonly FetchedRow[] | undefined {
    const lane = this.#sources.get(source)
    if (lane === undefined) return []
    if (from < lowestKept(lane)) return undefined
    const at = lane.rows.findIndex(({ first }) => first >= from)
    return at < 0 ? [] : lane.rows.slice(at, at + limit)
  }

  /** The offset of the first row from a sequence on; `dropped` where that lies before what the lane knows. */
  offsetFrom(source: string, from: number): bigint | 'dropped' | undefined {
    const rows = this.read(source, from, 1)
    return rows === undefined ? 'dropped' : rows[0]?.offset
  }

  /** Whether the sequence was here and was dropped; false where it never was since the lane began. */
  hasDropped(source: string, sequence: number): boolean {
    const lane = this.#sources.get(source)
    return lane !== undefined && sequence >= lane.lowest && sequence < lowestKept(lane)
  }

  /** Drops what lies below: every group that reads here has read it. */
  drop(source: string, below: number): void {
    const lane = this.#sources.get(source)
    if (lane === undefined) return
    const count = lane.rows.findIndex(({ first }) => first >= below)
    const dropped = lane.rows.splice(0, count < 0 ? lane.rows.length : count)
    const last = dropped.at(-1)
    if (last !== undefined) lane.readUpTo = last.offset
  }

  /** The offset behind which a new beginning finds all that was not read: undefined where nothing was read yet. */
  resumeAt(): bigint | undefined {
    const offsets = [...this.#sources.values()].map(({ rows, readUpTo }) => rows[0]?.offset ?? next(readUpTo))
    if (offsets.length === 0 || offsets.includes(undefined)) return undefined
    return (offsets as bigint[]).reduce((least, offset) => (offset < least ? offset : least))
  }

  get isFull(): boolean {
    for (const { rows } of this.#sources.values()) if (rows.length >= FULL_ROWS) return true
    return false
  }
}

function next(offset: bigint | undefined): bigint | undefined {
  return offset === undefined ? undefined : offset + 1n
}

function newSource({ incarnation, logId }: RelayedRecord, start: number): SourceLane {
  const from = { next: start, lowest: start, began: start, seen: start }
  return { rows: [], ...from, incarnation, readUpTo: undefined, isGap: false, wanted: undefined, logId }
}

/** Whatever is here comes once more behind it: a relay ships on from where it was set back to. */
function beginBelow(lane: SourceLane, sequence: number): void {
  const { began } = lane
  const from = { next: sequence, lowest: sequence, began: Math.min(began, sequence), seen: sequence }
  Object.assign(lane, { ...from, isGap: false, wanted: undefined })
  lane.rows.length = 0
}

function lowestKept({ rows, next: end, lowest }: SourceLane): number {
  return rows[0]?.first ?? Math.max(lowest, end)
}

function rowOf(record: RelayedRecord, offset: bigint): FetchedRow {
  const { topic, partition, generation, incarnation, sequence, appendedAt } = record
  return {
    topic,
    partition,
    generation,
    incarnation,
    first: sequence,
    last: sequence,
    appendedAt,
    body: '',
    record,
    offset,
  }
}
