// Cuts a stream of rows into pieces that fit into one transaction, and into memory, whatever the rows hold.
import type { Row } from '../ports.ts'

export interface ChunkLimits {
  readonly rows: number
  readonly bytes: number
}

/** A transaction of some milliseconds on either side. */
export const CHUNK_LIMITS: ChunkLimits = { rows: 1000, bytes: 1 << 20 }

/**
 * @param belongsTo whether a row must come with the one before it: such rows stay together although the piece is full.
 */
export function* chunksOf(
  rows: Iterable<Row>,
  belongsTo: (row: Row, before: Row) => boolean = () => false,
  limits: ChunkLimits = CHUNK_LIMITS,
): Generator<readonly Row[]> {
  let chunk: Row[] = []
  let bytes = 0
  for (const row of rows) {
    const before = chunk.at(-1)
    const isFull = chunk.length >= limits.rows || bytes >= limits.bytes
    if (before !== undefined && isFull && !belongsTo(row, before)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(row)
    for (const cell of row) bytes += typeof cell === 'string' ? cell.length : 8
  }
  if (chunk.length > 0) yield chunk
}
