// What was fetched of one Kafka partition and not read yet: contiguous rows of each source that shares the partition.
import type { LogRow } from '../ports.ts'
import type { RelayedRecord } from './record-headers.ts'

/** One record as a row of its source's log, with what was read of it already. */
export interface FetchedRow extends LogRow {
  readonly record: RelayedRecord
  readonly offset: bigint
}

/** From here on, up to the next one's beginning, the numbers are those of one incarnation. */
interface Era {
  readonly incarnation: number
  readonly began: number
}

/** What a reader needs that lies before all that is here: it may come behind it, when it is sent again. */
interface Missing {
  next: number
  readonly rows: FetchedRow[]
}

/** Where a source of the partition stands. */
interface SourceLane {
  readonly rows: FetchedRow[]
  /** Rising in both. */
  eras: Era[]
  /** The sequence of the next row that fits. */
  next: number
  /** The lowest sequence that is here or was here since the lane began. */
  lowest: number
  /** The offset of the last row that was dropped because it was read: a later beginning may start behind it. */
  readUpTo: bigint | undefined
  /** A number is missing before what lies above it; what lies above is dropped until it is found. */
  isGap: boolean
  /** The end of what came, also above a gap. */
  seen: number
  /** More came than is kept while something was missing: it has to be fetched again. */
  isOverfull: boolean
  readonly missing: Missing | undefined
  readonly logId: string
}

/** More rows than this and the partition is left out of the requests until some were read. */
const FULL_ROWS = 2000

export interface LaneOptions {
  /** A topic of others, whose numbers only rise, from where it is read. */
  readonly risesFrom?: number | undefined
}

export class Lane {
  readonly #sources = new Map<string, SourceLane>()
  readonly #lookedFor: ReadonlyMap<string, number>
  readonly #hasHoles: boolean
  /** With holes: what lies below was read, or was never asked for. */
  #keptFrom: number

  /** @param lookedFor by source: the sequence that a reader needs and that was not where it should be. */
  constructor(lookedFor: ReadonlyMap<string, number> = new Map(), { risesFrom }: LaneOptions = {}) {
    this.#lookedFor = lookedFor
    this.#hasHoles = risesFrom !== undefined
    this.#keptFrom = risesFrom ?? 0
  }

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
    const lookedFor = this.#lookedFor.get(source)
    // Whoever reads here has read what lies below, so nobody waits for what is missing there.
    if (!this.#sources.has(source) && lookedFor !== undefined && sequence < lookedFor) return false
    const lane = this.#sources.get(source) ?? newSource(record, lookedFor)
    this.#sources.set(source, lane)
    // Another log under a known name is nobody's to follow: a clone has to be given a name of its own first.
    if (logId !== lane.logId) return false
    if (incarnation > (lane.eras.at(-1)?.incarnation ?? 0)) beginEra(lane, record)
    // A number of a former incarnation counts up to where the next one began, also when it is sent again.
    if (eraAt(lane, sequence)?.incarnation !== incarnation) return false
    if (sequence < lane.next) return isMissing(lane, sequence) && refill(lane, rowOf(record, offset))
    const isNews = sequence === lane.next || sequence >= lane.seen
    lane.seen = Math.max(lane.seen, sequence + 1)
    if (this.#hasHoles) lane.next = sequence
    if (sequence > lane.next) {
      lane.isGap = true
      return isNews
    }
    lane.isOverfull = waitsForMissing(lane) && lane.rows.length >= FULL_ROWS
    if (lane.isOverfull) return false
    lane.isGap = false
    lane.next += 1
    lane.rows.push(rowOf(record, offset))
    return true
  }

  /** Behind the last that can be read; at a gap behind all that came, so that whoever reads finds it missing. */
  endOf(
    source: string,
  ): { readonly next: number; readonly incarnation: number; readonly appendedAt: number } | undefined {
    const lane = this.#sources.get(source)
    if (lane === undefined) return undefined
    const { next, eras, isGap, seen, rows } = lane
    const incarnation = eras.at(-1)?.incarnation ?? 1
    return { next: isGap ? seen : next, incarnation, appendedAt: rows.at(-1)?.appendedAt ?? 0 }
  }

  /** The offset of the first row from a sequence on; `dropped` where that lies before what the lane knows. */
  offsetFrom(source: string, from: number): bigint | 'dropped' | undefined {
    const rows = this.read(source, from, 1)
    return rows === undefined ? 'dropped' : rows[0]?.offset
  }

  /** Where the source's present incarnation began, as its records say. */
  beganOf(source: string): number | undefined {
    return this.#sources.get(source)?.eras.at(-1)?.began
  }

  /** Rows of a source from a sequence on; undefined where they lie before what the lane knows. */
  read(source: string, from: number, limit: number): readonly FetchedRow[] | undefined {
    const lane = this.#sources.get(source)
    if (this.#hasHoles && from < this.#keptFrom) return undefined
    if (lane === undefined) return []
    if (this.#hasHoles) return rowsFrom(lane.rows, from, limit)
    const { missing, lowest, next } = lane
    if (missing !== undefined && from < lowest && from >= (missing.rows[0]?.first ?? missing.next)) {
      return rowsFrom(missing.rows, from, limit)
    }
    if (from < lowestKept(lane) || (lane.isOverfull && from >= next)) return undefined
    return rowsFrom(lane.rows, from, limit)
  }

  /** Whether the sequence was here and was dropped; false where it never was since the lane began. */
  hasDropped(source: string, sequence: number): boolean {
    const lane = this.#sources.get(source)
    if (lane === undefined) return false
    return (lane.isOverfull && sequence >= lane.next) || (sequence >= lane.lowest && sequence < lowestKept(lane))
  }

  /** Whether higher numbers came, and this one did not, or one before it that its reader has read already. */
  isAtGap(source: string, sequence: number): boolean {
    const lane = this.#sources.get(source)
    return lane !== undefined && lane.isGap && sequence >= lane.next
  }

  /** Drops what lies below: every group that reads here has read it. */
  drop(source: string, below: number): void {
    const lane = this.#sources.get(source)
    if (lane === undefined) return
    const last = dropBelow(lane.rows, below)
    if (last !== undefined) {
      lane.readUpTo = last.offset
      this.#keptFrom = last.last + 1
    }
    if (lane.missing !== undefined) dropBelow(lane.missing.rows, below)
  }

  /** The offset behind which a new beginning finds all that was not read: undefined where nothing was read yet. */
  resumeAt(): bigint | undefined {
    const offsets = [...this.#sources.values()].map(({ rows, readUpTo }) => rows[0]?.offset ?? next(readUpTo))
    if (offsets.length === 0 || offsets.includes(undefined)) return undefined
    return (offsets as bigint[]).reduce((least, offset) => (offset < least ? offset : least))
  }

  get isFull(): boolean {
    // What is missing comes behind all the rest, so a lane that waits for it is never full.
    for (const lane of this.#sources.values()) if (lane.rows.length >= FULL_ROWS && !waitsForMissing(lane)) return true
    return false
  }
}

function next(offset: bigint | undefined): bigint | undefined {
  return offset === undefined ? undefined : offset + 1n
}

function newSource(record: RelayedRecord, lookedFor: number | undefined): SourceLane {
  const { sequence, logId } = record
  const isBefore = lookedFor !== undefined && lookedFor < sequence
  const missing = isBefore ? { next: lookedFor, rows: [] } : undefined
  const from = { next: sequence, lowest: sequence, seen: sequence, eras: [eraOf(record)] }
  return { rows: [], ...from, readUpTo: undefined, isGap: false, isOverfull: false, missing, logId }
}

/** The first record that comes of an incarnation need not be its first: where that lies is told by each of them. */
function eraOf({ incarnation, began, sequence }: RelayedRecord): Era {
  return { incarnation, began: began ?? (incarnation === 1 ? 0 : sequence) }
}

/** What the former incarnations have from its beginning on is void, also what was not read of it yet. */
function beginEra(lane: SourceLane, record: RelayedRecord): void {
  const era = eraOf(record)
  lane.eras = [...lane.eras.filter(({ began }) => began < era.began), era]
  const at = lane.rows.findIndex(({ first }) => first >= era.began)
  if (at >= 0) lane.rows.splice(at)
  lane.next = Math.min(lane.next, era.began)
  lane.lowest = Math.min(lane.lowest, era.began)
  lane.isGap = false
  lane.seen = lane.next
}

function eraAt({ eras }: SourceLane, sequence: number): Era | undefined {
  return eras.findLast(({ began }) => began <= sequence)
}

function waitsForMissing({ missing, lowest }: SourceLane): boolean {
  return missing !== undefined && missing.next < lowest
}

function isMissing(lane: SourceLane, sequence: number): boolean {
  return waitsForMissing(lane) && sequence === lane.missing?.next
}

function refill({ missing }: SourceLane, row: FetchedRow): boolean {
  if (missing === undefined) return false
  missing.rows.push(row)
  missing.next += 1
  return true
}

function rowsFrom(rows: readonly FetchedRow[], from: number, limit: number): readonly FetchedRow[] {
  const at = rows.findIndex(({ first }) => first >= from)
  return at < 0 ? [] : rows.slice(at, at + limit)
}

/** @returns the last that was dropped. */
function dropBelow(rows: FetchedRow[], below: number): FetchedRow | undefined {
  const count = rows.findIndex(({ first }) => first >= below)
  return rows.splice(0, count < 0 ? rows.length : count).at(-1)
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
