// A SQLite database that went back in time goes on under a new incarnation, whose numbers nobody has seen before.
import { DatabaseSync } from 'node:sqlite'

/** Minutes are counted from here: the number fits wherever an incarnation does, and rises by itself. */
const COUNTED_FROM = Date.UTC(2026, 0, 1)
const MINUTE_MS = 60_000

/** The incarnations of all logs in a file; none where it can't be read, as that may be why it is replaced. */
export function incarnationsIn(file: string): readonly number[] {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true })
    return database
      .prepare('SELECT incarnation FROM lonja_schemas')
      .all()
      .map(({ incarnation }) => Number(incarnation))
  } catch {
    return []
  } finally {
    database?.close()
  }
}

/**
 * Begins a new incarnation of every log at its present head. It is above those of the backup and of the database that
 * is replaced, and also above those of an earlier restore of which nothing is left: the one after 1 would be 2 each
 * time that the same backup is put back, and consumers would take the second 2 for the first. So it follows the clock.
 *
 * @returns its number.
 */
export function startIncarnation(
  file: string,
  { lost, now }: { readonly lost: readonly number[]; readonly now: number },
): number {
  const minutes = Math.floor((now - COUNTED_FROM) / MINUTE_MS)
  const next = Math.max(minutes, ...[...lost, ...incarnationsIn(file)].map((known) => known + 1))
  const database = new DatabaseSync(file)
  try {
    database.exec('BEGIN')
    const names = database.prepare('SELECT name FROM lonja_schemas').all()
    const schemas = names.map(({ name }) => String(name)).filter((name) => hasTable(database, `${name}_heads`))
    for (const schema of schemas) moveOwnCursors(database, schema, { sources: schemas, next })
    for (const schema of schemas) database.prepare(`UPDATE ${schema}_heads SET incarnation = ?`).run(next)
    database.prepare('UPDATE lonja_schemas SET incarnation = ?').run(next)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
  return next
}

/** Groups in the same backup have lost nothing: those that stood at a head go on under its new incarnation quietly. */
function moveOwnCursors(
  database: DatabaseSync,
  schema: string,
  { sources, next }: { readonly sources: readonly string[]; readonly next: number },
): void {
  if (!hasTable(database, `${schema}_cursors`)) return
  for (const source of sources) {
    database
      .prepare(
        `UPDATE ${schema}_cursors AS c SET incarnation = ? WHERE source = ? AND next >=
         (SELECT next FROM ${source}_heads AS h WHERE h.topic = c.topic AND h.partition = c.partition)`,
      )
      .run(next, source)
  }
}

function hasTable(database: DatabaseSync, name: string): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
}
