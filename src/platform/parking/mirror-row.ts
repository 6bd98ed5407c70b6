// What other tools are to see of a parked or dead message: a row written with it, and gone once Kafka has it.
import type { Row, Write } from '../ports.ts'
import { mirrorsTable } from '../store/tables.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { ParkedMessage } from './parked-message.ts'

/** Whole in itself: the parked row may be gone before its copy is on Kafka. */
export type Mirrored =
  | { readonly kind: 'retry'; readonly message: ParkedMessage }
  | { readonly kind: 'dlq'; readonly letter: DeadLetter }

/** @param id grows with time: copies go in the order of their ids. */
export function mirrorRow(id: string, mirrored: Mirrored): Row {
  const { topic } = mirrored.kind === 'retry' ? mirrored.message : mirrored.letter
  return [id, `${topic}.${mirrored.kind}`, JSON.stringify(mirrored)]
}

export function mirrorWrites(rows: readonly Row[]): Write[] {
  if (rows.length === 0) return []
  const ordered = rows.toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1))
  return [{ table: mirrorsTable, mode: 'insert', rows: ordered }]
}
