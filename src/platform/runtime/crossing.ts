// How a group goes from one generation of a topic's partitions to the next: none of it before all of the one before.
import type { Log, Store } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { Channels, Cursor } from './channels.ts'
import { endOf } from './channels.ts'
import { followSetBack } from './set-back.ts'

/** What the cursors of one group at one source's topic share. */
export interface Crossing {
  readonly cursors: Cursor[]
  /** The generation that may be handled: the barriers before it are passed in all partitions, old ones too. */
  settled: number
}

const FIRST_GENERATION = 1

export function crossingOf(): Crossing {
  return { cursors: [], settled: FIRST_GENERATION }
}

/** In an earlier one again its source was set back: the barriers that were passed may come once more. */
export function setGeneration(cursor: Cursor, generation: number): void {
  if (generation < cursor.generation) cursor.crossing.settled = FIRST_GENERATION
  cursor.generation = generation
}

/** The generation of what a cursor reads next. Whoever has read all that there is has passed each barrier there is. */
function reachedBy(cursor: Cursor): number {
  const { channel, generation, next } = cursor
  return next >= endOf(channel) ? Math.max(generation, channel.generation) : generation
}

/**
 * Whether the group may handle records of a generation.
 *
 * @param passed what the batch in hand passes, in the transaction in which it would handle them
 */
export function mayHandle(
  { cursors, settled }: Crossing,
  generation: number,
  passed: ReadonlyMap<Cursor, number>,
): boolean {
  for (let next = settled + 1; next <= generation; next += 1) {
    // What is not known yet may have had more partitions than those known here.
    if (cursors.some(({ channel }) => channel.generation < next)) return false
    if (cursors.some((cursor) => isBefore(cursor, next, passed))) return false
  }
  return true
}

const NOTHING_PASSED: ReadonlyMap<Cursor, number> = new Map()

function isBefore(cursor: Cursor, generation: number, passed = NOTHING_PASSED): boolean {
  if (cursor.channel.made >= generation) return false
  return (passed.get(cursor) ?? reachedBy(cursor)) < generation
}

/** Takes note of the barriers that are passed. @returns whether the generation may be handled. */
export function settle(crossing: Crossing, generation: number): boolean {
  while (crossing.settled < generation && mayHandle(crossing, crossing.settled + 1, NOTHING_PASSED))
    crossing.settled += 1
  return crossing.settled >= generation
}

/** Those that the cursor waits for. */
function awaited({ crossing, generation }: Cursor): readonly Cursor[] {
  return crossing.cursors.filter((cursor) => isBefore(cursor, generation))
}

/** What the cursor waits for, for people. */
export function waitText(cursor: Cursor): string {
  const { generation } = cursor
  const [first, ...others] = awaited(cursor)
  if (first === undefined) return `waits to hear how many partitions generation ${generation} has`
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `waits for barrier ${generation} of p${first.channel.partition}${more}`
}

export interface CrossingsOptions {
  readonly store: Store
  readonly channels: Channels
  readonly logOf: (source: string) => Log
  /** Whether this process works on the cursor's partition. */
  readonly isOurs: (channel: Cursor['channel']) => boolean
  /** A generation may be handled whose barriers other processes have passed: what they left is read first. */
  readonly settledByOthers: () => void
}

/** What other processes of the database have passed, read from their cursors' rows. */
export class Crossings {
  readonly #options: CrossingsOptions

  constructor(options: CrossingsOptions) {
    this.#options = options
  }

  /** Whether the cursor waits; other processes' cursors are read where it does, before the batch and what it probes. */
  async waits(cursor: Cursor): Promise<boolean> {
    if (settle(cursor.crossing, cursor.generation)) return false
    const { isOurs, settledByOthers } = this.#options
    if (awaited(cursor).every(({ channel }) => isOurs(channel))) return true
    await this.readOthers(cursor.group.service)
    if (!settle(cursor.crossing, cursor.generation)) return true
    settledByOthers()
    return true
  }

  /** Where the groups of a service stand in the partitions of other processes. Memory is behind them, never ahead. */
  async readOthers(service: string): Promise<void> {
    const { store, channels, isOurs, logOf } = this.#options
    const rows = await store.query<OtherCursor>(
      `SELECT consumer_group, topic, partition, source, version, next, generation, incarnation
       FROM ${store.tableName(service, 'cursors')}`,
    )
    const stored = new Map(rows.map((row) => [`${row.consumer_group} ${placeName(row)}`, row]))
    for (const channel of channels.all) {
      if (isOurs(channel)) continue
      for (const cursor of channel.cursors) {
        const row = stored.get(`${cursor.group.name} ${placeName(channel)}`)
        if (row === undefined || cursor.group.service !== service) continue
        const { next, version, generation, incarnation } = row
        setGeneration(cursor, generation)
        Object.assign(cursor, { next, version, incarnation })
        if (incarnation < channel.incarnation) await followSetBack(cursor, logOf(channel.source))
      }
    }
  }
}

interface OtherCursor {
  readonly consumer_group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly version: number
  readonly next: number
  readonly generation: number
  readonly incarnation: number
}
