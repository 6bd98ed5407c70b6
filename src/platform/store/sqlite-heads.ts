// The heads of a log on SQLite: made when a topic is declared for the first time, and when it is scaled.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Scaling } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { sqliteName } from './sqlite-statements.ts'

/**
 * A topic that has heads keeps them: once there are records, more partitions come by scaling alone. A declaration that
 * added some would send keys elsewhere without a barrier before them.
 */
export function declareTopic(
  database: DatabaseSync,
  heads: string,
  { name, partitions }: { readonly name: string; readonly partitions: number },
): void {
  const columns = database.prepare(`SELECT name FROM pragma_table_info('${heads}')`).all()
  if (!columns.some((column) => column['name'] === 'made'))
    database.exec(`ALTER TABLE ${heads} ADD COLUMN made INTEGER NOT NULL DEFAULT 1`)
  database.prepare('INSERT INTO lonja_topics (name) VALUES (?) ON CONFLICT DO NOTHING').run(name)
  if (database.prepare(`SELECT 1 FROM ${heads} WHERE topic = ?`).get(name) !== undefined) return
  const insert = database.prepare(`INSERT INTO ${heads} VALUES (?, ?, 1, 1, 0, 0, 0, 1)`)
  for (let partition = 0; partition < partitions; partition += 1) insert.run(name, partition)
}

/** @throws {Conflict} when the topic has another number of partitions, or is of another generation. */
export function scaleTopic(
  statement: (sql: string) => StatementSync,
  { source, topic, generation, from, to, incarnation }: Scaling,
): void {
  const heads = sqliteName(source, 'heads')
  const all = statement(`SELECT count(*) FROM ${heads} WHERE topic = ?`).all(topic) as unknown as [number][]
  const update = statement(`UPDATE ${heads} SET generation = generation + 1 WHERE topic = ? AND generation = ?`)
  const moved = Number(update.run(topic, generation).changes)
  if (moved !== from || all[0]?.[0] !== from) throw new Conflict(`${source}/${topic} was scaled by another`)
  const insert = statement(`INSERT INTO ${heads} VALUES (?, ?, ?, ?, 0, 0, 0, ?)`)
  for (let partition = from; partition < to; partition += 1)
    insert.run(topic, partition, generation + 1, incarnation, generation + 1)
}
