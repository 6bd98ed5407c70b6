// The side of a copy that is filled: an empty PostgreSQL database, marked so that nobody serves half a shop from it.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Store, Table, Write } from '../ports.ts'
import { PostgresTarget, placeName } from '../store/postgres-target.ts'
import { openPostgres } from '../store/postgres.ts'
import { CopyError, movesTable, moveWrite, readMoves, writeMove, type Move } from './moves.ts'
import type { CopySource } from './source.ts'

export interface CopyTarget {
  /** Without user and password. */
  readonly name: string
  readonly store: Store
  readonly database: PostgresTarget
  close(): Promise<void>
}

/** @throws {StoreUnavailable} when it can't be reached, or refuses. */
export async function openTarget(url: string): Promise<CopyTarget> {
  const store = await openPostgres({ url })
  const database = new PostgresTarget(url)
  const close = async (): Promise<void> => {
    await database.close()
    await store.close()
  }
  return { name: placeName(url), store, database, close }
}

/** What the target says of moves; nothing where it has never heard of any. */
export async function movesIn({ store, database }: CopyTarget): Promise<readonly Move[]> {
  const isThere = (await database.schemasAmong([movesTable.schema])).length > 0
  if (!isThere) return []
  const tables = await store.query('SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = ?', [
    movesTable.schema,
    movesTable.name,
  ])
  return tables.length === 0 ? [] : readMoves(store)
}

/**
 * Empties what an earlier try has left, marks the database as being copied into, and makes the tables: from the mark on
 * no server starts there. A copy begins from nothing each time, since its source may have been served in between.
 *
 * @throws {CopyError} where the database holds anything that is not half a copy of this very source.
 */
export async function prepareTarget(target: CopyTarget, source: CopySource, now: number): Promise<Move> {
  const { store, database } = target
  const names = source.copied.schemas.map(({ schema }) => schema)
  const found = await database.schemasAmong(names)
  const moves = await movesIn(target)
  for (const move of moves) await requireOwnHalf(move, target, source)
  if (moves.length === 0 && found.some((name) => name !== movesTable.schema)) throw notEmpty(target, found)
  await database.drop(found)
  const { store: old, copied } = source
  const platform = copied.schemas.filter(({ schema }) => schema === movesTable.schema)
  await store.migrate(platform)
  const begun: Move = {
    id: randomUUID(),
    version: 0,
    state: 'copying',
    other: source.name,
    host: hostname(),
    at: now,
  }
  const move = await writeMove(store, begun, 'copying', now)
  await store.migrate(copied.schemas)
  for (const name of names) await takeIdentity(store, old, name)
  return move
}

/** Only what the same source has left here may go: a whole copy of another one may be all that is left of a shop. */
async function requireOwnHalf(move: Move, target: CopyTarget, source: CopySource): Promise<void> {
  const { state, other, host } = move
  if (state === 'here' || state === 'left') throw notEmpty(target, [movesTable.schema])
  const isOurs = other === source.name && host === hostname()
  const isSame = state === 'copying' || (await logIdOf(target.store)) === (await logIdOf(source.store))
  if (isOurs && isSame) return
  throw new CopyError(
    `${target.name} is being copied into from ${other} on the machine ${host}: run that copy again, or name an ` +
      'empty database.',
  )
}

async function logIdOf(store: Store): Promise<string> {
  return (await store.identity(movesTable.schema)).logId
}

function notEmpty({ name }: CopyTarget, schemas: readonly string[]): CopyError {
  const what = schemas.length > 1 ? `the schemas ${schemas.join(', ')}` : `the schema ${schemas.join()}`
  return new CopyError(
    `${name} is not empty: it has ${what}. Name a database that no Lonja has used yet, as CREATE DATABASE makes one.`,
  )
}

/** The platform's table of identities, as far as a copy fills it. */
const identitiesTable: Table = {
  schema: movesTable.schema,
  name: 'schemas',
  columns: [
    { name: 'name', type: 'text', nullable: false },
    { name: 'version', type: 'integer', nullable: false },
    { name: 'log_id', type: 'text', nullable: false },
    { name: 'incarnation', type: 'integer', nullable: false },
    { name: 'system_identifier', type: 'text', nullable: false },
    { name: 'timeline', type: 'integer', nullable: false },
  ],
  keyWidth: 1,
  indexes: [],
}

/** The log goes on under its id and incarnation: to whoever reads it, it is the same. */
async function takeIdentity(store: Store, old: Store, schema: string): Promise<void> {
  const { logId, incarnation } = await old.identity(schema)
  const transaction = await store.begin()
  try {
    const [made] = await transaction.load(identitiesTable, [[schema]])
    if (made === undefined) throw new Error(`The schema ${schema} was not made.`)
    const [name = '', version = 0, , , system = '', timeline = 0] = made
    const row = [name, version, logId, incarnation, system, timeline]
    const write: Write = { table: identitiesTable, mode: 'upsert', rows: [row], sets: ['log_id', 'incarnation'] }
    await transaction.commit({ writes: [write], appends: [], appendedAt: 0, transaction: 0 })
  } finally {
    await transaction.release()
  }
}

/** Rows of several tables in one transaction, for as long as no other copy has begun here. */
export async function fill({ store }: CopyTarget, move: Move, writes: readonly Write[]): Promise<Move> {
  const next: Move = { ...move, version: move.version + 1 }
  const transaction = await store.begin()
  try {
    await transaction.commit({ writes: [moveWrite(next), ...writes], appends: [], appendedAt: 0, transaction: 0 })
  } finally {
    await transaction.release()
  }
  return next
}
