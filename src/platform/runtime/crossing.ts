// The generation that a group may handle of a topic: what its cursors at all partitions of one source share.
import type { Cursor } from './channels.ts'

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
