// Makes the schemas of PostgreSQL, and notices when a database went back in time or is another one.
import { randomUUID } from 'node:crypto'
import type { Column, SchemaDeclaration, Table } from '../ports.ts'
import { checkSchemaVersion, newColumns, StoreUnavailable } from '../ports.ts'
import { systemClock } from '../system.ts'
import type { Connection } from './postgres-connection.ts'
import { sqlState } from './postgres-errors.ts'
import {
  addColumn,
  createHeads,
  createIndex,
  createLog,
  createTable,
  indexName,
  postgresName,
  quoted,
} from './postgres-statements.ts'

/** A log that goes on under a new incarnation: consumers take its numbers from there on as new ones. */
export interface IncarnationChange {
  readonly schema: string
  readonly incarnation: number
}

/** One migration or change of incarnation at a time in a database: 'lonja' as a number. */
const ADVISORY_LOCK = 0x6c6f6e6a

/**
 * The database's identity. The timeline is read from the write-ahead log: pg_control_checkpoint() shows it only after
 * the checkpoint that follows a promotion, and until then a promoted replica would give numbers out a second time.
 */
const IDENTITY = `(SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint AS timeline`

const PLATFORM_TABLES = [
  `CREATE TABLE IF NOT EXISTS lonja.schemas (name text COLLATE "C" PRIMARY KEY, version bigint NOT NULL,
    log_id text NOT NULL, incarnation integer NOT NULL, system_identifier text NOT NULL, timeline bigint NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS lonja.incarnations (name text COLLATE "C" NOT NULL, incarnation integer NOT NULL,
    topic text COLLATE "C" NOT NULL, partition integer NOT NULL, first bigint NOT NULL, began_at bigint NOT NULL,
    PRIMARY KEY (name, incarnation, topic, partition))`,
]

/** Runs the work in one transaction that no other of its kind overlaps, without the time limits of a batch. */
export async function exclusively<Result>(
  connection: Pick<Connection, 'send' | 'broken'>,
  work: () => Promise<Result>,
): Promise<Result> {
  await connection.send({ text: 'BEGIN READ WRITE' })
  try {
    await connection.send({ text: 'SET LOCAL statement_timeout = 0' })
    await connection.send({
      text: `SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'`,
    })
    await connection.send({ text: 'SET LOCAL lock_timeout = 0' })
    await connection.send({ text: 'SELECT pg_advisory_xact_lock($1::bigint)', values: [ADVISORY_LOCK] })
    const result = await work()
    await connection.send({ text: 'COMMIT' })
    return result
  } catch (error) {
    if (connection.broken === undefined) await connection.send({ text: 'ROLLBACK' })
    throw error
  }
}

/** @throws {SchemaTooNew} {SchemaTooOld} when the database was written by a newer program, or one too old. */
export async function migrate(connection: Connection, schemas: readonly SchemaDeclaration[]): Promise<void> {
  await addColumns(connection, schemas)
  await exclusively(connection, async () => {
    const existing = await existingNames(connection, ['lonja', ...schemas.map(({ schema }) => schema)])
    if (!existing.has('lonja')) await connection.send({ text: 'CREATE SCHEMA lonja' })
    if (!existing.has('lonja.incarnations')) for (const text of PLATFORM_TABLES) await connection.send({ text })
    for (const declaration of schemas) await migrateSchema(connection, declaration, existing)
  })
}

/** Schemas by name, tables and indexes by `schema.name`: what is there already takes no lock and no time. */
async function existingNames(connection: Connection, schemas: readonly string[]): Promise<ReadonlySet<string>> {
  const text = `SELECT n.nspname AS name FROM pg_namespace AS n WHERE n.nspname = ANY ($1::text[])
    UNION ALL SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[])
    UNION ALL SELECT n.nspname || '.heads.made' FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[]) AND c.relname = 'heads' AND a.attname = 'made'`
  const { rows } = await connection.send({ text, values: [schemas] })
  return new Set(rows.map(([name]) => String(name)))
}

/** Everybody else waits behind whoever waits for a table: so long at most, and then they have their turn. */
const COLUMN_LOCK_MS = 250
const COLUMN_RETRY_MS = 750
/** Batches end within two seconds: only a dump or the like holds a table longer. */
const COLUMN_TRIES = 10
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * New columns of tables that are there, one transaction each: several tables locked at once, beside the batches of
 * processes that run, would be a deadlock sooner or later.
 */
async function addColumns(connection: Connection, schemas: readonly SchemaDeclaration[]): Promise<void> {
  const there = await existingColumns(connection, schemas)
  for (const declaration of schemas) {
    for (const table of declaration.tables) {
      const known = there.get(`${table.schema}.${table.name}`)
      const columns = known === undefined ? [] : newColumns(table, known)
      if (columns.length > 0) await alterTable(connection, { declaration, table, columns })
    }
  }
}

async function existingColumns(
  connection: Connection,
  schemas: readonly SchemaDeclaration[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const text = `SELECT n.nspname || '.' || c.relname, a.attname FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[]) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped`
  const { rows } = await connection.send({ text, values: [schemas.map(({ schema }) => schema)] })
  const byTable = Map.groupBy(rows, ([table]) => String(table))
  return new Map([...byTable].map(([table, own]) => [table, new Set(own.map(([, column]) => String(column)))]))
}

interface Alteration {
  readonly declaration: SchemaDeclaration
  readonly table: Table
  readonly columns: readonly Column[]
}

/** @throws {StoreUnavailable} where something holds the table for long. */
async function alterTable(connection: Connection, { declaration, table, columns }: Alteration): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await exclusively(connection, async () => {
        await checkVersion(connection, declaration)
        await connection.send({ text: `SET LOCAL lock_timeout = ${COLUMN_LOCK_MS}` })
        for (const column of columns) await connection.send({ text: addColumn(table, column) })
      })
      return
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error
      if (tries === COLUMN_TRIES) throw heldForLong(table)
    }
    await new Promise<void>((resolve) => void systemClock.after(COLUMN_RETRY_MS, resolve))
  }
}

function heldForLong({ schema, name }: Table): StoreUnavailable {
  return new StoreUnavailable(
    `Something reads ${schema}.${name} for long, such as a dump, so its new columns can't be added: let it end first.`,
  )
}

async function migrateSchema(
  connection: Connection,
  declaration: SchemaDeclaration,
  existing: ReadonlySet<string>,
): Promise<void> {
  const { schema, tables, topics, obsolete = [] } = declaration
  await declareVersion(connection, declaration)
  const make = async (name: string, text: string): Promise<void> => {
    if (!existing.has(name)) await connection.send({ text })
  }
  if (schema !== 'lonja') await make(schema, `CREATE SCHEMA ${quoted(schema)}`)
  for (const table of tables) {
    await make(`${schema}.${table.name}`, createTable(table))
    for (const index of table.indexes) await make(`${schema}.${indexName(table, index)}`, createIndex(table, index))
  }
  for (const { name } of obsolete) await connection.send({ text: `DROP TABLE IF EXISTS ${postgresName(schema, name)}` })
  await make(`${schema}.heads`, createHeads(schema))
  await make(`${schema}.log`, createLog(schema))
  await make(`${schema}.log_transaction_id`, createIndex(logTable(schema), ['transaction_id']))
  const heads = postgresName(schema, 'heads')
  if (existing.has(`${schema}.heads`))
    await make(`${schema}.heads.made`, `ALTER TABLE ${heads} ADD COLUMN made integer NOT NULL DEFAULT 1`)
  // A topic that has heads keeps them: more partitions come by scaling alone, with barriers before what moves.
  const text = `INSERT INTO ${heads}
    SELECT $1::text, partition, 1, 1, 0, 0, 0, 1 FROM generate_series(0, $2::integer - 1) AS partition
    WHERE NOT EXISTS (SELECT 1 FROM ${heads} WHERE topic = $1)`
  for (const { name, partitions } of topics) await connection.send({ text, values: [name, partitions] })
}

function logTable(schema: string): Table {
  return { schema, name: 'log', columns: [], keyWidth: 3, indexes: [] }
}

async function declareVersion(connection: Connection, declaration: SchemaDeclaration): Promise<void> {
  const { schema, version } = declaration
  await checkVersion(connection, declaration)
  const text = `INSERT INTO lonja.schemas SELECT $1::text, $2::bigint, $3::text, 1, ${IDENTITY}
    ON CONFLICT (name) DO UPDATE SET version = excluded.version`
  await connection.send({ text, values: [schema, version, randomUUID()] })
}

async function checkVersion(connection: Connection, declaration: SchemaDeclaration): Promise<void> {
  const text = 'SELECT version FROM lonja.schemas WHERE name = $1'
  const stored = await connection.send({ text, values: [declaration.schema] })
  checkSchemaVersion(declaration, Number(stored.rows[0]?.[0] ?? 0))
}

const STRANGERS = `SELECT s.name, s.incarnation FROM lonja.schemas AS s, (SELECT ${IDENTITY}) AS now
  WHERE (s.system_identifier, s.timeline) <> (now.system_identifier, now.timeline) ORDER BY s.name`

/**
 * Starts the next incarnation of each log that was written by another database or before another promotion: its last
 * numbers may have been seen by others already. Heads carry the incarnation, so whoever missed it runs into a conflict.
 */
export async function renewIncarnations(connection: Connection, now: number): Promise<readonly IncarnationChange[]> {
  const made = await connection.send({ text: `SELECT to_regclass('lonja.incarnations')::text` })
  if (made.rows[0]?.[0] === null) return []
  const strangers = await connection.send({ text: STRANGERS })
  if (strangers.rows.length === 0) return []
  return exclusively(connection, async () => {
    const { rows } = await connection.send({ text: STRANGERS })
    const changes: IncarnationChange[] = []
    for (const [name, incarnation] of rows) {
      const change = { schema: String(name), incarnation: Number(incarnation) + 1 }
      await startIncarnation(connection, change, now)
      changes.push(change)
    }
    return changes
  })
}

async function startIncarnation(
  connection: Connection,
  { schema, incarnation }: IncarnationChange,
  now: number,
): Promise<void> {
  const heads = postgresName(schema, 'heads')
  await connection.send({ text: `SELECT 1 FROM ${heads} ORDER BY topic, partition FOR UPDATE` })
  await connection.send({ text: `UPDATE ${heads} SET incarnation = $1::integer`, values: [incarnation] })
  await connection.send({
    text: `INSERT INTO lonja.incarnations
      SELECT $1::text, $2::integer, topic, partition, next, $3::bigint FROM ${heads}`,
    values: [schema, incarnation, now],
  })
  await connection.send({
    text: `UPDATE lonja.schemas AS s SET incarnation = $2::integer, system_identifier = now.system_identifier,
      timeline = now.timeline FROM (SELECT ${IDENTITY}) AS now WHERE s.name = $1`,
    values: [schema, incarnation],
  })
}
