// A source that was set back to an earlier copy goes on under numbers that a group of another database has seen before.
import type { Log } from '../ports.ts'
import type { Channel, Cursor } from './channels.ts'
import { setGeneration } from './crossing.ts'

/** Where the incarnations above a cursor's own begin, as long as it still has records of its own before that. */
const begins = new WeakMap<Cursor, { readonly incarnation: number; readonly first: number }>()

/**
 * Takes a cursor that stands at or above the beginning of the next incarnation back to it: taken for duplicates, the
 * new records below it would be lost without a word.
 *
 * @returns what to tell, and undefined where the cursor still has records of its own incarnation before it.
 */
export async function followSetBack(cursor: Cursor, log: Log): Promise<string | undefined> {
  const { channel, incarnation, next } = cursor
  let known = begins.get(cursor)
  if (known?.incarnation !== channel.incarnation) {
    known = { incarnation: channel.incarnation, first: await firstAbove(incarnation, channel, log) }
    begins.set(cursor, known)
  }
  const { first } = known
  if (next < first) return undefined
  cursor.next = first
  cursor.incarnation = channel.incarnation
  setGeneration(cursor, await generationAt(first, channel, log))
  const again = next === first ? '' : `; it had read to ${next}`
  return `its source went back and goes on as incarnation ${channel.incarnation} at ${first}${again}`
}

/** It may have been set back to before a scaling: then the barriers come again, under this incarnation. */
async function generationAt(from: number, { source, topic, partition, generation }: Channel, log: Log) {
  // Until something was scaled there is nothing to look for.
  if (generation === 1) return generation
  const [row] = await log.readLog(source, [{ topic, partition, from }], 1)
  return row?.generation ?? generation
}

/** Incarnations only rise along a log, so halving finds where they do: some twenty rows are read of a million. */
async function firstAbove(incarnation: number, channel: Channel, log: Log): Promise<number> {
  const { source, topic, partition } = channel
  const known = await log.beganAt?.(source, { topic, partition })
  if (known !== undefined) return known
  // Below lies nothing any more, which would look like records of before.
  let low = channel.first
  let high = channel.next
  while (low < high) {
    const from = Math.floor((low + high) / 2)
    const [row] = await log.readLog(source, [{ topic, partition, from }], 1)
    if (row === undefined) high = from
    else if (row.incarnation > incarnation) high = Math.min(from, row.first)
    else low = row.last + 1
  }
  return low
}
