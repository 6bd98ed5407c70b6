// For tests of copying: what a database holds, told without any code of the copy, and the shop over its HTTP API.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import { services } from '../../src/services.ts'
import { callerOver, overFetch } from '../../src/testing/shop-calls.ts'
import { shopHelpers } from '../../src/testing/shop-helpers.ts'

const SCHEMAS = ['lonja', ...services.map(({ name }) => name)]
/** Of one kind of database alone, or not of the shop. */
const NOT_OF_THE_SHOP = /^(lonja_schemas|lonja_topics|lonja_moves|sqlite_.*)$/

type Cells = Readonly<Record<string, unknown>>

/** A fingerprint of each table of a SQLite file, by `schema.table`. */
export function rowsOfFile(path: string): Readonly<Record<string, string>> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    const names = tables.map(({ name }) => String(name)).filter((name) => !NOT_OF_THE_SHOP.test(name))
    const prints = names.map((name): [string, string] => {
      const schema = SCHEMAS.find((each) => name.startsWith(`${each}_`)) ?? assert.fail(`whose table is ${name}?`)
      const rows = database.prepare(`SELECT * FROM "${name}"`).all()
      return [`${schema}.${name.slice(schema.length + 1)}`, printOf(rows)]
    })
    return Object.fromEntries(prints)
  } finally {
    database.close()
  }
}

/** The same of those tables of a PostgreSQL database. */
export async function rowsOfPostgres(
  url: string,
  tables: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  return asking(url, async (client) => {
    const prints: Record<string, string> = {}
    for (const table of tables) {
      const [schema, name] = table.split('.')
      prints[table] = printOf((await client.query<Cells>(`SELECT * FROM "${schema}"."${name}"`)).rows)
    }
    return prints
  })
}

/** Numbers are compared as text, since PostgreSQL's own client gives large ones so. */
function printOf(rows: readonly Cells[]): string {
  const texts = rows.map((row) => {
    const names = Object.keys(row).filter((name) => name !== 'position' || !('transaction_id' in row))
    const cells = names.toSorted().map((name) => [name, row[name]] as const)
    return JSON.stringify(cells.map(([name, cell]) => [name, typeof cell === 'number' ? String(cell) : cell]))
  })
  return `${rows.length} ${hash('sha256', texts.toSorted().join('\n'))}`
}

export async function asking<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** How far a copy into the database is; undefined where none has begun. */
export async function moveIn(url: string): Promise<{ readonly state: string; readonly version: number } | undefined> {
  return asking(url, async (client) => {
    const made = await client.query<{ there: string | null }>("SELECT to_regclass('lonja.moves')::text AS there")
    if ((made.rows[0]?.there ?? null) === null) return undefined
    const { rows } = await client.query<{ state: string; version: string }>('SELECT state, version FROM lonja.moves')
    const [move] = rows
    return move === undefined ? undefined : { state: move.state, version: Number(move.version) }
  })
}

/** Transactions of the shop whose rows PostgreSQL got in several of its own: the relay would ship them apart. */
export async function transactionsApart(url: string): Promise<readonly unknown[]> {
  const logs = services.map(({ name }) => `SELECT transaction_id, xmin::text AS own FROM "${name}".log`)
  const sql = `SELECT transaction_id FROM (${logs.join(' UNION ALL ')}) AS logged GROUP BY transaction_id
    HAVING count(DISTINCT own) > 1`
  return asking(url, async (client) => (await client.query(sql)).rows)
}

/** The calls of a shop in another process, which asks for no keys. */
export function shopAt(url: string) {
  const caller = callerOver(overFetch(url), undefined)
  return { ...shopHelpers(() => caller), caller }
}
