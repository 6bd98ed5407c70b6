// How a group goes from one generation of a topic's partitions to the next: none of it before all of the one before.
import type { Cursor } from './channels.ts'
import { endOf } from './channels.ts'
import type { Crossing } from './crossing.ts'

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
export function awaited({ crossing, generation }: Cursor): readonly Cursor[] {
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
