// Where a shop lives: a database that was copied from, is copied into, or was copied into says so in a row of its own.
import { hostname } from 'node:os'
import type { Row, Store, Table, Write } from '../ports.ts'
import { sealOf } from '../store/sqlite-seal.ts'

/**
 * - copying: the rows are on their way; what is there is half a shop.
 * - whole: all rows are there and were compared; the source is not sealed yet, or nobody has noted that it is.
 * - here: the shop lives here.
 * - left: the shop lived here, and lives elsewhere now.
 */
export type MoveState = 'copying' | 'whole' | 'here' | 'left'

/** A move between two databases, as either of them tells it. */
export interface Move {
  /** The same on both sides. */
  readonly id: string
  readonly version: number
  readonly state: MoveState
  /** The other database, without user and password. */
  readonly other: string
  /** The machine that copied: a path means something only there. */
  readonly host: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** The name of the table on SQLite is `lonja_moves`: `sealOf` reads it without a store. */
export const movesTable: Table = {
  schema: 'lonja',
  name: 'moves',
  columns: [
    { name: 'id', type: 'text', nullable: false },
    { name: 'version', type: 'integer', nullable: false },
    { name: 'state', type: 'text', nullable: false },
    { name: 'other', type: 'text', nullable: false },
    { name: 'host', type: 'text', nullable: false },
    { name: 'at', type: 'integer', nullable: false },
  ],
  keyWidth: 1,
  indexes: [],
  rowsGo: true,
}

/** The shop does not live in this database, or not yet; the message says where, and what to do. */
export class NotHome extends Error {
  override readonly name = 'NotHome'
}

/** What stands in the way of a copy, in a sentence for the person who asked for it: nothing was moved. */
export class CopyError extends Error {
  override readonly name: string = 'CopyError'
}

/** The copy was asked to stop before it was done. */
export class CopyStopped extends CopyError {
  override readonly name = 'CopyStopped'
}

export async function readMoves(store: Store): Promise<readonly Move[]> {
  const names = movesTable.columns.map(({ name }) => name).join(', ')
  return store.query<Move>(`SELECT ${names} FROM ${store.tableName(movesTable.schema, movesTable.name)}`)
}

/** Over the version before, so that whoever was overtaken by another copy runs into a conflict. */
export function moveWrite({ id, version, state, other, host, at }: Move): Write {
  const row: Row = [id, version, state, other, host, at]
  return { table: movesTable, mode: 'versioned', rows: [row] }
}

/** The move as it is after its next step, written. @throws {Conflict} */
export async function writeMove(store: Store, move: Move, state: MoveState, at: number): Promise<Move> {
  const next: Move = { ...move, version: move.version + 1, state, at }
  const transaction = await store.begin()
  try {
    await transaction.commit({ writes: [moveWrite(next)], appends: [], appendedAt: at, transaction: 0 })
  } finally {
    await transaction.release()
  }
  return next
}

/**
 * A copy that was killed after it had sealed its source, and before it could note that here, is brought to its end: so
 * there is no moment after which neither of the two would start.
 *
 * @throws {NotHome} where the shop lives elsewhere, or only a part of it is here.
 */
export async function requireHome(store: Store, now: number): Promise<void> {
  for (const move of await readMoves(store)) {
    const { state, other, at } = move
    if (state === 'left') {
      const since = new Date(at).toISOString()
      throw new NotHome(`This shop lives in ${other} since ${since}: start it there, with --store or STORE_URL.`)
    }
    if (state === 'copying') {
      throw new NotHome(
        `Only a part of ${other} was copied here so far. Wait until \`lonja copy\` is done; where it broke off, run ` +
          'it again.',
      )
    }
    if (state !== 'whole') continue
    if (!isSealedFor(move)) {
      throw new NotHome(
        `${other} was copied here from the machine ${move.host}, and the copy was not brought to its end: run the ` +
          'same `lonja copy` there once more, which takes a moment.',
      )
    }
    await writeMove(store, move, 'here', now)
  }
}

/** Whether the source, where this machine can see it, says that the shop has left it for this very copy. */
function isSealedFor({ id, other, host }: Move): boolean {
  return host === hostname() && sealOf(other.replace(/^sqlite:/, ''))?.id === id
}
