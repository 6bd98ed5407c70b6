// Reads the log in large chunks below fixed bounds, partitions side by side: what lies below a bound never changes.
import { BARRIER } from '../log/barrier.ts'
import type { LogRecord, RecordBody } from '../log/record.ts'
import type { LogRow, Store } from '../ports.ts'
import type { Group, Registry } from '../runtime/registry.ts'

/** How far a reader has come in one partition of one source. */
export interface Place {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** The sequence that is read next. */
  readonly next: number
  readonly generation: number
  readonly incarnation: number
}

/** By the name of the place, the sequence that is not read any more. */
export type Bounds = ReadonlyMap<string, number>

export interface Chunk {
  /** Those that the reader wants, in order within each place. */
  readonly records: readonly LogRecord[]
  /** All places as they are after the chunk. */
  readonly places: readonly Place[]
  /** Records passed, wanted or not. */
  readonly passed: number
}

export interface LogReaderOptions {
  readonly storeOf: (source: string) => Store
  readonly wants: (type: string) => boolean
  /** How many records one chunk passes at most, but for one a place. */
  readonly recordsAChunk: number
}

/** What a first chunk expects of a log row; afterwards it is measured. */
const FIRST_RECORDS_A_ROW = 50
const MAX_ROWS_A_RANGE = 5000

/** A record is missing: nothing above it may be applied. */
export class LogGap extends Error {
  override readonly name = 'LogGap'
}

export function placeName({ source, topic, partition }: Pick<Place, 'source' | 'topic' | 'partition'>): string {
  return `${source}/${topic}/${partition}`
}

/** Every partition that the group hears, from its beginning: as many as have heads by now. */
export async function placesOf(
  { schemas }: Registry,
  { topics }: Pick<Group, 'topics'>,
  storeOf: (source: string) => Pick<Store, 'heads'>,
): Promise<Place[]> {
  const heard = schemas.filter((schema) => schema.topics.some(({ name }) => topics.includes(name)))
  const heads = await Promise.all(heard.map(({ schema }) => storeOf(schema).heads(schema)))
  const known = heads.flat().filter(({ topic }) => topics.includes(topic))
  return known.map(({ source, topic, partition, made }): Place => {
    return { source, topic, partition, next: 0, generation: made, incarnation: 1 }
  })
}

/** How many records lie between the places and the bounds. */
export function remaining(places: readonly Place[], bounds: Bounds): number {
  return places.reduce((sum, place) => sum + Math.max(0, (bounds.get(placeName(place)) ?? 0) - place.next), 0)
}

function topicName({ source, topic }: Pick<Place, 'source' | 'topic'>): string {
  return `${source}/${topic}`
}

/** The generation of the oldest rows that are left, by source and topic. */
function oldestGenerations(
  behind: readonly Place[],
  rows: ReadonlyMap<string, readonly LogRow[]>,
): ReadonlyMap<string, number> {
  const oldest = new Map<string, number>()
  for (const place of behind) {
    const next = rows.get(placeName(place))?.find(({ last }) => last >= place.next)
    const name = topicName(place)
    if (next !== undefined) oldest.set(name, Math.min(next.generation, oldest.get(name) ?? next.generation))
  }
  return oldest
}

export class LogReader {
  readonly #options: LogReaderOptions
  #recordsARow = FIRST_RECORDS_A_ROW

  constructor(options: LogReaderOptions) {
    this.#options = options
  }

  /**
   * The next records of all places that are below their bounds.
   *
   * @throws {LogGap}
   */
  async read(places: readonly Place[], bounds: Bounds): Promise<Chunk> {
    const behind = places.filter((place) => place.next < (bounds.get(placeName(place)) ?? 0))
    const rows = await this.#rows(behind)
    // Rows may be larger than they were guessed to be: a first chunk once held 300,000 records in one transaction.
    const share = Math.ceil(this.#options.recordsAChunk / Math.max(1, behind.length))
    const records: LogRecord[] = []
    let passed = 0
    const oldest = oldestGenerations(behind, rows)
    const moved = places.map((place) => {
      const name = placeName(place)
      const bound = Math.min(bounds.get(name) ?? 0, place.next + share)
      if (place.next >= bound) return place
      // Before what was appended under another count of partitions lies all that came before it, in all partitions.
      const upTo = oldest.get(topicName(place)) ?? 0
      const own = rows.get(name) ?? []
      const readable = own.filter(({ generation }) => generation <= upTo)
      if (readable.length === 0 && own.length > 0) return place
      const after = this.#pass(place, readable, { bound, records })
      passed += after.next - place.next
      return after
    })
    return { records, places: moved, passed }
  }

  async #rows(behind: readonly Place[]): Promise<ReadonlyMap<string, LogRow[]>> {
    const { storeOf, recordsAChunk } = this.#options
    const rowsARange = Math.floor(recordsAChunk / (this.#recordsARow * Math.max(1, behind.length)))
    const limit = Math.min(MAX_ROWS_A_RANGE, Math.max(1, rowsARange))
    const found = new Map<string, LogRow[]>()
    const bySource = Map.groupBy(behind, ({ source }) => source)
    for (const [source, places] of bySource) {
      const ranges = places.map(({ topic, partition, next }) => ({ topic, partition, from: next }))
      for (const row of await storeOf(source).readLog(source, ranges, limit)) {
        const name = placeName({ source, topic: row.topic, partition: row.partition })
        const rows = found.get(name)
        if (rows === undefined) found.set(name, [row])
        else rows.push(row)
      }
    }
    const all = [...found.values()].flat()
    const records = all.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    if (all.length > 0) this.#recordsARow = Math.max(1, records / all.length)
    return found
  }

  /** Adds the records up to the bound and returns the place behind them. */
  #pass(
    place: Place,
    rows: readonly LogRow[],
    { bound, records }: { readonly bound: number; readonly records: LogRecord[] },
  ): Place {
    let { next, generation, incarnation } = place
    for (const row of rows) {
      if (next >= bound) break
      if (row.last < next) continue
      if (row.first > next) break
      this.#take(place.source, row, { from: next, to: Math.min(bound, row.last + 1), records })
      next = Math.min(bound, row.last + 1)
      generation = row.generation
      incarnation = row.incarnation
    }
    if (next === place.next) throw new LogGap(`The record ${next} of ${placeName(place)} is missing in the log.`)
    return { ...place, next, generation, incarnation }
  }

  #take(
    source: string,
    row: LogRow,
    { from, to, records }: { readonly from: number; readonly to: number; readonly records: LogRecord[] },
  ): void {
    const { wants } = this.#options
    const { topic, partition, generation, incarnation, appendedAt, first } = row
    const bodies = JSON.parse(row.body) as readonly RecordBody[]
    for (let sequence = from; sequence < to; sequence += 1) {
      const body = bodies[sequence - first]
      if (body === undefined) throw new LogGap(`The record ${sequence} of ${source}/${topic}/${partition} has no body.`)
      const { type, key, data, correlation = key, cause, traceparent } = body
      if (!wants(type) || type === BARRIER) continue
      const place = { source, topic, partition, generation, incarnation, sequence, appendedAt }
      records.push({ type, key, data, correlation, cause, traceparent, ...place })
    }
  }
}
