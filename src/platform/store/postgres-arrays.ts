// Arrays in PostgreSQL's binary form: as text, quoting the JSON in them took half of a commit's time in this process.
import type { Cell } from '../ports.ts'
import { BadData } from '../ports.ts'

/** Type numbers of the elements (pg_type.dat in PostgreSQL's source; they never change). */
const TEXT = 25
const INT8 = 20

// The form is that of array_send and array_recv in PostgreSQL's src/backend/utils/adt/arrayfuncs.c: dimensions, whether
// there are nulls, element type, length, lower bound, then each element's length (-1: null) and bytes.
const EMPTY_BYTES = 12
const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const INT8_BYTES = 8
const NULL_LENGTH = -1
const TWO_TO_32 = 2 ** 32

export function textArray(cells: readonly Cell[]): Buffer {
  let bytes = HEADER_BYTES
  const lengths = cells.map((cell) => {
    const length = cell === null ? NULL_LENGTH : Buffer.byteLength(String(cell))
    bytes += LENGTH_BYTES + Math.max(0, length)
    return length
  })
  const array = begun(bytes, cells.length, TEXT)
  let at = HEADER_BYTES
  for (const [index, cell] of cells.entries()) {
    at = array.writeInt32BE(lengths[index] ?? NULL_LENGTH, at)
    if (cell !== null) at += array.write(String(cell), at)
  }
  return array
}

/** @throws {BadData} for anything but an integer below 2^53: a larger one could be stored, and never be read again. */
export function integerArray(cells: readonly Cell[]): Buffer {
  const nulls = cells.reduce<number>((count, cell) => count + (cell === null ? 1 : 0), 0)
  const bytes = HEADER_BYTES + LENGTH_BYTES * cells.length + INT8_BYTES * (cells.length - nulls)
  const array = begun(bytes, cells.length, INT8)
  let at = HEADER_BYTES
  for (const cell of cells) {
    at = array.writeInt32BE(cell === null ? NULL_LENGTH : INT8_BYTES, at)
    if (cell === null) continue
    if (typeof cell !== 'number' || !Number.isSafeInteger(cell)) throw new BadData(`${cell} is no integer below 2^53.`)
    const high = Math.floor(cell / TWO_TO_32)
    at = array.writeInt32BE(high, at)
    at = array.writeUInt32BE(cell - high * TWO_TO_32, at)
  }
  return array
}

function begun(bytes: number, length: number, elementType: number): Buffer {
  const array = Buffer.allocUnsafe(length === 0 ? EMPTY_BYTES : bytes)
  array.writeInt32BE(length === 0 ? 0 : 1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(elementType, 8)
  if (length === 0) return array
  array.writeInt32BE(length, 12)
  array.writeInt32BE(1, 16)
  return array
}
