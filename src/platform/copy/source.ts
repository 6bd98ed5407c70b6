// The side of a copy that is left: a SQLite file that nobody works on, looked through before anything is copied.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SchemaDeclaration, Store } from '../ports.ts'
import { readBuilds } from '../rebuild/live-tables.ts'
import type { Registry } from '../runtime/registry.ts'
import { isNoDatabase, ofAnotherKind } from '../store/open-databases.ts'
import { lockSqlite } from '../store/sqlite-lock.ts'
import { SqliteRows } from '../store/sqlite-rows.ts'
import { openSqlite } from '../store/sqlite.ts'
import { sqliteName } from '../store/sqlite-statements.ts'
import { copiedTables, type CopiedTables } from './copied-tables.ts'
import { CopyError, movesTable, readMoves, type Move } from './moves.ts'

/** Of SQLite alone, or of the copy. */
const OWN_TABLES: ReadonlySet<string> = new Set(['lonja_schemas', 'lonja_topics', sqliteName('lonja', 'moves')])

export interface CopySource {
  /** Such as `sqlite:/srv/shop/lonja.sqlite`. */
  readonly name: string
  readonly store: Store
  readonly rows: SqliteRows
  readonly copied: CopiedTables
  /** Set where the shop has left the file before. */
  readonly left: Move | undefined
  close(): Promise<void>
}

/**
 * Locks the file, brings it to this program's tables, and finds out what there is to copy.
 *
 * @throws {CopyError} {StoreInUse} {SchemaTooNew} {SchemaTooOld} in sentences.
 */
export async function openSource(path: string, registry: Registry): Promise<CopySource> {
  if (!existsSync(path)) throw new CopyError(`There is no database at ${path}: say which with --from sqlite:PATH.`)
  const closers = [lockSqlite(path)] as (() => void | Promise<void>)[]
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).toReversed()) await each()
  }
  try {
    const rows = new SqliteRows(path)
    closers.push(() => rows.close())
    const declared = declaredIn(rows, path, registry)
    const store = openSqlite({ path })
    closers.push(() => store.close())
    // A file that was sealed is changed no more, not even by a newer program's tables.
    const left = rows.names().includes(sqliteName('lonja', 'moves')) ? await leftIn(store) : undefined
    if (left === undefined) await store.migrate(declared)
    const services = declared.map(({ schema }) => schema).filter((schema) => schema !== movesTable.schema)
    const copied = copiedTables(registry, declared, await readBuilds(store, services))
    if (left === undefined) refuseUnknown(rows, copied, registry)
    return { name: `sqlite:${resolve(path)}`, store, rows, copied, left, close }
  } catch (error) {
    await close()
    throw isNoDatabase(error) ? ofAnotherKind(path) : error
  }
}

async function leftIn(store: Store): Promise<Move | undefined> {
  return (await readMoves(store)).find(({ state }) => state === 'left')
}

/** The schemas that the file holds: all, or those of the services that have a file of their own. */
function declaredIn(rows: SqliteRows, path: string, { schemas }: Registry): readonly SchemaDeclaration[] {
  const names = rows.names()
  if (!names.includes('lonja_schemas')) {
    throw new CopyError(`${path} is no database of Lonja: say which with --from sqlite:PATH.`)
  }
  return schemas.filter(({ schema }) => names.includes(sqliteName(schema, 'heads')))
}

/** What this program does not know it can't copy, and what is not copied is lost. */
function refuseUnknown(rows: SqliteRows, { schemas, tables, logs }: CopiedTables, { services }: Registry): void {
  const known = new Set([...tables, ...logs].map(({ schema, name }) => sqliteName(schema, name)))
  const builds = schemas.flatMap(({ schema }) => {
    const projections = services.find(({ name }) => name === schema)?.projections ?? []
    return projections.map(({ name }) => sqliteName(schema, name))
  })
  const isOldBuild = (name: string): boolean => builds.some((build) => name === build || isBuildOf(name, build))
  const unknown = rows.names().filter((name) => {
    return !known.has(name) && !OWN_TABLES.has(name) && !name.startsWith('sqlite_') && !isOldBuild(name)
  })
  const lost = unknown.find((name) => !rows.isEmpty(name))
  if (lost !== undefined) throw wouldBeLost(`table ${lost}`)
  for (const table of tables) {
    const column = rows.strangeColumn(table)
    if (column !== undefined) throw wouldBeLost(`column ${column} of ${sqliteName(table.schema, table.name)}`)
  }
}

function wouldBeLost(what: string): CopyError {
  return new CopyError(
    `The ${what} holds something, and this program does not know it, so it would be lost: copy with the program that ` +
      'last served the file, or drop it.',
  )
}

function isBuildOf(name: string, base: string): boolean {
  return name.startsWith(`${base}_`) && /^\d+$/.test(name.slice(base.length + 1))
}
