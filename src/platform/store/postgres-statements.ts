// The SQL that PostgreSQL runs for a plan: one statement a table and mode for any number of rows, each prepared once.
import type { Column, Table, WriteMode } from '../ports.ts'

/** What a guard's error begins with; PostgreSQL quotes it in the message of a failed cast. */
export const CONFLICT_MARK = 'lonja:conflict'
export const UNDECLARED_MARK = 'lonja:undeclared'

/** Longer names are cut by PostgreSQL, which only a notice tells. */
const NAME_BYTES = 63

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function postgresName(schema: string, table: string): string {
  return `${quoted(schema)}.${quoted(table)}`
}

export function indexName(table: Table, index: readonly string[]): string {
  return `${table.name}_${index.join('_')}`.slice(0, NAME_BYTES)
}

/** Text compares by bytes: pages and locks then sort alike in every database, whatever its locale. */
function columnType({ type }: Column): string {
  return type === 'text' ? 'text COLLATE "C"' : 'bigint'
}

/** Versioned rows are updated in place all the time: free space in the page keeps an update out of the indexes. */
const VERSIONED_FILLFACTOR = 80

export function createTable(table: Table): string {
  const columns = table.columns.map((column) => {
    return `${quoted(column.name)} ${columnType(column)}${column.nullable ? '' : ' NOT NULL'}`
  })
  const versioned = table.columns.some((column) => column.name === 'version')
  const storage = versioned ? ` WITH (fillfactor = ${VERSIONED_FILLFACTOR})` : ''
  return `CREATE TABLE ${postgresName(table.schema, table.name)}
    (${columns.join(', ')}, PRIMARY KEY (${keyColumns(table).join(', ')}))${storage}`
}

/** For a column that may be empty: rows that exist are not touched, so it takes no time. */
export function addColumn({ schema, name }: Table, column: Column): string {
  const table = postgresName(schema, name)
  return `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${quoted(column.name)} ${columnType(column)}`
}

export function createIndex(table: Table, index: readonly string[]): string {
  const name = quoted(indexName(table, index))
  return `CREATE INDEX ${name} ON ${postgresName(table.schema, table.name)} (${index.map(quoted).join(', ')})`
}

function keyColumns({ columns, keyWidth }: Table): string[] {
  return columns.slice(0, keyWidth).map((column) => quoted(column.name))
}

/** `unnest($1::text[], $2::bigint[], …)`: each column of all rows is one parameter. */
function unnest(columns: readonly Column[]): string {
  return `unnest(${columns.map(({ type }, at) => `$${at + 1}::${type === 'text' ? 'text' : 'bigint'}[]`).join(', ')})`
}

/** The rows of the keys in the order given: the inner select runs once a key and can't be turned into another join. */
function eachKey(table: Table, inner: string): string {
  const key = keyColumns(table)
  const match = key.map((column) => `t.${column} = k.${column}`).join(' AND ')
  return `${unnest(table.columns.slice(0, table.keyWidth))} AS k(${key.join(', ')}),
    LATERAL (SELECT ${inner.replace('?', match)}) AS t`
}

/** One row comes out where all rows were written; else a failed cast aborts the transaction before its COMMIT runs. */
function guarded(fits: string, table: Table): string {
  const mark = `${CONFLICT_MARK}: ${table.schema}.${table.name}`
  const sentence = `'${mark}: of ' || cardinality($1) || ' rows fit only ' || ${fits}`
  return `SELECT CASE WHEN ${fits} = cardinality($1) THEN 0 ELSE (${sentence})::integer END FROM written`
}

/** The statement that writes any number of rows in this mode; `$n` is the array of the n-th column. */
export function writeStatement(table: Table, mode: WriteMode, sets?: readonly string[]): string {
  if (mode === 'delete') return deleteStatement(table)
  const columns = table.columns.map((column) => quoted(column.name))
  const insert = `INSERT INTO ${postgresName(table.schema, table.name)} AS t (${columns.join(', ')})
    SELECT * FROM ${unnest(table.columns)}`
  if (mode === 'insert') return insert
  const upsert = `${insert} ON CONFLICT (${keyColumns(table).join(', ')}) DO UPDATE SET ${assignments(table, sets)}`
  if (mode === 'upsert') return upsert
  // xmax tells a row that was there (locked, then updated) from a new one, which must have version 1: saving version 5
  // of a row that somebody else deleted meanwhile would bring it back.
  return `WITH written AS (${upsert} WHERE t.version = excluded.version - 1
    RETURNING t.version = 1 OR t.xmax <> 0 AS fits)
    ${guarded('count(*) FILTER (WHERE fits)', table)}`
}

function assignments({ columns, keyWidth }: Table, sets?: readonly string[]): string {
  // A table of keys alone sets its key to itself, so that the row counts as written.
  const set = columns.length > keyWidth ? columns.slice(keyWidth) : columns
  const names = sets ?? set.map(({ name }) => name)
  return names.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')
}

/** Locks in the order given before it deletes, as DELETE alone locks in whatever order its plan meets the rows. */
function deleteStatement(table: Table): string {
  const name = postgresName(table.schema, table.name)
  return `WITH doomed AS MATERIALIZED (
      SELECT t.place FROM ${eachKey(table, `t.ctid AS place FROM ${name} AS t WHERE ? FOR UPDATE`)}
    ), written AS (
      DELETE FROM ${name} AS t WHERE t.ctid = ANY (ARRAY (SELECT place FROM doomed)) RETURNING 1
    )
    ${guarded('count(*)', table)}`
}

/** Loads rows by key, once each. */
export function loadStatement(table: Table): string {
  const name = postgresName(table.schema, table.name)
  const columns = table.columns.map((column) => `t.${quoted(column.name)}`).join(', ')
  if (table.keyWidth === 1) {
    const [first] = table.columns as readonly [Column]
    const type = first.type === 'text' ? 'text' : 'bigint'
    return `SELECT ${columns} FROM ${name} AS t WHERE t.${quoted(first.name)} = ANY ($1::${type}[])`
  }
  return `SELECT DISTINCT ON (${keyColumns(table)
    .map((column) => `t.${column}`)
    .join(', ')}) ${columns}
    FROM ${eachKey(table, `* FROM ${name} AS t WHERE ?`)}`
}

/** Locks those rows that exist, in the order given. */
export function lockStatement(table: Table): string {
  return `SELECT 1 FROM ${eachKey(table, `1 FROM ${postgresName(table.schema, table.name)} AS t WHERE ? FOR UPDATE`)}`
}

/**
 * Appends to all heads of one source, in the order given, and writes the log rows. Nothing is locked after it.
 *
 * `INSERT … ON CONFLICT` locks in the order of its rows; `UPDATE … FROM (VALUES …)` deadlocked 1.4 % of the time. The
 * rows that it gives back are numbered to find their bodies; should the numbers ever not fit, the guard says conflict.
 */
export function appendStatement(source: string): string {
  return `WITH moved AS (
      INSERT INTO ${postgresName(source, 'heads')} AS h
        (topic, partition, generation, incarnation, first, next, appended_at)
      SELECT w.topic, w.partition, w.generation, w.incarnation, 0, w.count, $8::bigint
      FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $6::bigint[])
        AS w(topic, partition, generation, incarnation, count)
      ON CONFLICT (topic, partition) DO UPDATE
      SET next = h.next + excluded.next, appended_at = greatest(h.appended_at, excluded.appended_at)
      WHERE h.generation = excluded.generation AND h.incarnation = excluded.incarnation
      RETURNING h.topic, h.partition, h.generation, h.incarnation, h.next, h.appended_at, h.xmax = 0 AS made
    ), numbered AS (
      SELECT (row_number() OVER ())::integer AS at, * FROM moved
    ), placed AS (
      SELECT *, next - ($6::bigint[])[at] AS first FROM numbered
      WHERE topic = ($1::text[])[at] AND partition = ($2::bigint[])[at]
        AND coalesce(($5::bigint[])[at], next - ($6::bigint[])[at]) = next - ($6::bigint[])[at]
    ), logged AS (
      INSERT INTO ${postgresName(source, 'log')}
        (topic, partition, generation, incarnation, first, last, appended_at, transaction_id, body)
      SELECT topic, partition, generation, incarnation, first, next - 1, appended_at, $9::bigint, ($7::text[])[at]
      FROM placed
    )
    SELECT string_agg(first::text, ',' ORDER BY at), CASE
      WHEN (SELECT bool_or(made) FROM moved)
      THEN ('${UNDECLARED_MARK}: '
        || (SELECT string_agg(topic || '/' || partition, ', ') FROM moved WHERE made))::integer
      WHEN count(*) <> cardinality($1)
      THEN ('${CONFLICT_MARK}: of ' || cardinality($1) || ' heads of ${source} fit only ' || count(*))::integer
      ELSE 0 END
    FROM placed`
}

/**
 * After the barriers, whose appends hold the old heads: the next generation in all of them, and new heads.
 * $1 topic, $2 the generation that ends, $3 and $4 how many partitions there are and will be, $5 incarnation.
 */
export function scaleStatement(source: string): string {
  const heads = postgresName(source, 'heads')
  return `WITH known AS (SELECT count(*) AS heads FROM ${heads} WHERE topic = $1
    ), moved AS (
      UPDATE ${heads} SET generation = generation + 1 WHERE topic = $1 AND generation = $2::integer RETURNING 1
    ), made AS (
      INSERT INTO ${heads} (topic, partition, generation, incarnation, first, next, appended_at, made)
      SELECT $1, partition, $2::integer + 1, $5::integer, 0, 0, 0, $2::integer + 1
      FROM generate_series($3::integer, $4::integer - 1) AS partition
    )
    SELECT CASE WHEN count(*) = $3::integer AND (SELECT heads FROM known) = $3::integer THEN 0
      ELSE ('${CONFLICT_MARK}: ${source}/' || $1::text || ' was scaled by another')::integer END FROM moved`
}

export function headsStatement(source: string): string {
  return `SELECT topic, partition, generation, incarnation, first, next, appended_at, made
    FROM ${postgresName(source, 'heads')} ORDER BY topic, partition`
}

const LOG_COLUMNS = 'topic, partition, generation, incarnation, first, last, appended_at, body'

/** One statement, and so one snapshot, for all ranges; `last >= from` finds the row that straddles the cursor too. */
export function readLogStatement(source: string): string {
  return `SELECT found.* FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS r(topic, partition, start),
    LATERAL (SELECT ${LOG_COLUMNS} FROM ${postgresName(source, 'log')} AS l
      WHERE l.topic = r.topic AND l.partition = r.partition AND l.last >= r.start ORDER BY l.last LIMIT $4) AS found`
}

export function readTransactionsStatement(source: string): string {
  return `SELECT ${LOG_COLUMNS}, transaction_id FROM ${postgresName(source, 'log')}
    WHERE transaction_id = ANY ($1::bigint[]) ORDER BY topic, partition, last`
}

/** The limit is applied before anything else is asked of a row, so that no more rows are ever read. */
export function oldestRowsStatement(source: string): string {
  return `SELECT first, last, appended_at FROM ${postgresName(source, 'log')}
    WHERE topic = $1 AND partition = $2 AND last < $3 ORDER BY last LIMIT $4`
}

/** Locks the head for as long as the rows below its new `first` are deleted. */
export function raiseFirstStatement(source: string): string {
  return `WITH raised AS (UPDATE ${postgresName(source, 'heads')} SET first = $5::bigint
      WHERE topic = $1 AND partition = $2 AND incarnation = $3 AND first = $4 RETURNING 1)
    SELECT CASE WHEN count(*) = 1 THEN 0
      ELSE ('${CONFLICT_MARK}: the head of ${source}/' || $1::text || '/' || $2::integer
      || ' is another one, or its log does not begin at ' || $4::bigint)::integer END FROM raised`
}

export function deleteLogStatement(source: string): string {
  return `DELETE FROM ${postgresName(source, 'log')} WHERE topic = $1 AND partition = $2 AND last BETWEEN $3 AND $4`
}

/**
 * Heads are updated by every transaction. Half-empty pages keep each update in its page, and vacuum comes early and
 * unthrottled: dead versions piling up cost twelve thirteenths of the speed within 25 s.
 */
export function createHeads(schema: string): string {
  return `CREATE TABLE ${postgresName(schema, 'heads')} (topic text COLLATE "C" NOT NULL, partition integer NOT NULL,
    generation integer NOT NULL, incarnation integer NOT NULL, first bigint NOT NULL, next bigint NOT NULL,
    appended_at bigint NOT NULL, made integer NOT NULL DEFAULT 1, PRIMARY KEY (topic, partition))
    WITH (fillfactor = 50, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0,
      autovacuum_vacuum_cost_delay = 0)`
}

export function createLog(schema: string): string {
  return `CREATE TABLE ${postgresName(schema, 'log')} (topic text COLLATE "C" NOT NULL, partition integer NOT NULL,
    generation integer NOT NULL, incarnation integer NOT NULL, first bigint NOT NULL, last bigint NOT NULL,
    appended_at bigint NOT NULL, transaction_id bigint NOT NULL, body text NOT NULL,
    PRIMARY KEY (topic, partition, last))`
}
