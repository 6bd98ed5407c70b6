// What copying into a PostgreSQL database needs beside the store: which schemas are there, and how half a copy goes.
import { ANSWER_WITHIN_MS, type Connections } from './postgres-connection.ts'
import { mapped } from './postgres-errors.ts'
import { quoted } from './postgres-statements.ts'
import { exclusivelyOver, sideConnections } from './side-connections.ts'

/** Schemas are dropped, and statistics gathered, without the time limit of a statement. */
const LONG_ANSWER_MS = 60 * ANSWER_WITHIN_MS

export class PostgresTarget {
  readonly #connections: Connections

  /** @throws {StoreUnavailable} when the address can't be understood. */
  constructor(url: string) {
    this.#connections = sideConnections(url, { answerWithinMs: LONG_ANSWER_MS })
  }

  /** Those of these schemas that the database has. */
  async schemasAmong(names: readonly string[]): Promise<readonly string[]> {
    const text = 'SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1::text[]) ORDER BY nspname'
    const { rows } = await mapped(this.#connections.read({ text, values: [names] }))
    return rows.map(([name]) => String(name))
  }

  /** All of them or none, with everything in them. */
  async drop(names: readonly string[]): Promise<void> {
    await exclusivelyOver(this.#connections, async (connection) => {
      for (const name of names) await connection.send({ text: `DROP SCHEMA IF EXISTS ${quoted(name)} CASCADE` })
    })
  }

  /** Without statistics the first minutes of a large shop would run by plans for empty tables. */
  async analyze(names: readonly string[]): Promise<void> {
    const text = 'SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY ($1::text[]) ORDER BY 1, 2'
    const { rows } = await mapped(this.#connections.read({ text, values: [names] }))
    await exclusivelyOver(this.#connections, async (connection) => {
      for (const [schema, table] of rows) {
        await connection.send({ text: `ANALYZE ${quoted(String(schema))}.${quoted(String(table))}` })
      }
    })
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }
}

/** Host, port and database for a sentence: never the user, never the password. */
export function placeName(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  return `postgres://${decodeURIComponent(hostname) || 'localhost'}:${port || '5432'}${pathname}`
}
