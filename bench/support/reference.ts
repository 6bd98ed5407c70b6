// The kept baseline: rows of an order's bytes written in batches by the bare drivers, so that ratios compare machines.
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import type { Dialect } from './options.ts'
import type { Place, Places } from './places.ts'
import { processorTimes } from './processes.ts'

/** What an order of the saga leaves behind: 9.6 KB in 28 rows. Another number makes all recorded ratios void. */
const ROWS_AN_ORDER = 28
const ROW_BYTES = 340
const ORDERS_A_BATCH = 200
const BATCHES = 40
const ORDERS = ORDERS_A_BATCH * BATCHES
const COMMITS = 300

export interface Reference {
  readonly perSecond: number
  /** Of this process and, on PostgreSQL, of the server. */
  readonly microsPerOrder: number
}

/** Writes 8,000 orders' worth of rows to a new database of its own, in 40 transactions. */
export async function measureReference(places: Places, dialect: Dialect): Promise<Reference> {
  return onNewDatabase(places, dialect, writeInBatches)
}

/** What a durable commit of one order's rows takes here, in milliseconds: no answer can be faster. */
export async function measureCommits(places: Places, dialect: Dialect): Promise<readonly number[]> {
  return onNewDatabase(places, dialect, async (writer) => {
    const tookMs: number[] = []
    for (let order = 0; order < COMMITS; order += 1) {
      const startedAtMs = performance.now()
      await writer.write(order, 1)
      tookMs.push(performance.now() - startedAtMs)
    }
    return tookMs
  })
}

let made = 0

async function onNewDatabase<Result>(
  places: Places,
  dialect: Dialect,
  work: (writer: Writer) => Promise<Result>,
): Promise<Result> {
  const place = await places.make(dialect, `reference_${(made += 1)}`)
  const writer = dialect === 'sqlite' ? sqliteWriter(place) : await postgresWriter(place)
  try {
    return await work(writer)
  } finally {
    await writer.close()
    await places.remove(place)
  }
}

async function writeInBatches(writer: Writer): Promise<Reference> {
  const cpuBefore = process.cpuUsage()
  const databaseBefore = processorTimes().postgresMicros
  const startedAtMs = performance.now()
  for (let batch = 0; batch < BATCHES; batch += 1) await writer.write(batch * ORDERS_A_BATCH, ORDERS_A_BATCH)
  const seconds = (performance.now() - startedAtMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const databaseMicros = processorTimes().postgresMicros - databaseBefore
  return { perSecond: ORDERS / seconds, microsPerOrder: (user + system + databaseMicros) / ORDERS }
}

interface Writer {
  /** Writes the rows of so many orders in one transaction. */
  write(firstOrder: number, orders: number): Promise<void>
  close(): Promise<void>
}

const body = 'x'.repeat(ROW_BYTES)

function keysOf(firstOrder: number, orders: number): string[] {
  return Array.from({ length: orders * ROWS_AN_ORDER }, (_, at) => {
    const order = firstOrder + Math.floor(at / ROWS_AN_ORDER)
    return `${String(at % ROWS_AN_ORDER).padStart(2, '0')}-${String(order).padStart(9, '0')}`
  })
}

/** As the store does: 8 KiB pages, WAL, FULL, prepared statements of many rows. */
function sqliteWriter({ url }: Place): Writer {
  const database = new DatabaseSync(url.slice('sqlite:'.length))
  database.exec('PRAGMA page_size = 8192')
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec('PRAGMA wal_autocheckpoint = 4000')
  database.exec('CREATE TABLE rows (key TEXT PRIMARY KEY, version INTEGER, body TEXT) WITHOUT ROWID')
  const rows = Array.from({ length: ROWS_AN_ORDER }, () => '(?, 1, ?)').join(', ')
  const insert = database.prepare(`INSERT INTO rows VALUES ${rows}`)
  return {
    async write(firstOrder, orders) {
      const keys = keysOf(firstOrder, orders)
      database.exec('BEGIN IMMEDIATE')
      for (let from = 0; from < keys.length; from += ROWS_AN_ORDER) {
        insert.run(...keys.slice(from, from + ROWS_AN_ORDER).flatMap((key) => [key, body]))
      }
      database.exec('COMMIT')
    },
    close: async () => database.close(),
  }
}

/** The whole batch as arrays in one statement. */
async function postgresWriter({ url }: Place): Promise<Writer> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('CREATE TABLE rows (key text COLLATE "C" PRIMARY KEY, version bigint, body text)')
  return {
    async write(firstOrder, orders) {
      const keys = keysOf(firstOrder, orders)
      const bodies = keys.map(() => body)
      await client.query({
        name: 'insert',
        text: 'INSERT INTO rows SELECT key, 1, body FROM unnest($1::text[], $2::text[]) AS one (key, body)',
        values: [keys, bodies],
      })
    },
    close: () => client.end(),
  }
}
