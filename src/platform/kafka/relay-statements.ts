// The SQL of the relay: what waits to be shipped, which rows belong together, and how far everything is shipped.
import { postgresName } from '../store/postgres-statements.ts'

/** Leased like a partition of its own, so that one process at a time relays a database. */
export const RELAY_SCOPE = 'relay'

export const createMarks = `CREATE TABLE IF NOT EXISTS lonja.relay_marks (source text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL, partition integer NOT NULL, next bigint NOT NULL, epoch bigint NOT NULL,
  stopped text, PRIMARY KEY (source, topic, partition))`

/** The epoch of the lease where $1 holds it now. */
const HELD = `SELECT epoch FROM lonja.leases WHERE scope = '${RELAY_SCOPE}' AND partitions = 1 AND partition = 0
    AND holder = $1::text AND expires_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint`

export const readEpoch = HELD

/** Partitions of which something waits, from where on. */
function placesOf(source: string): string {
  return `SELECT '${source}'::text COLLATE "C" AS source, h.topic, h.partition, coalesce(m.next, h.first) AS start
    FROM ${postgresName(source, 'heads')} AS h LEFT JOIN lonja.relay_marks AS m
      ON m.source = '${source}' AND m.topic = h.topic AND m.partition = h.partition
    WHERE h.next > coalesce(m.next, h.first) AND m.stopped IS NULL`
}

function rowsOf(source: string): string {
  return `SELECT '${source}' AS source, p.start, l.topic, l.partition, l.generation, l.incarnation, l.first, l.last,
      l.appended_at, l.body, l.transaction_id || '/' || l.xid AS transaction
    FROM places AS p, held, LATERAL (SELECT *, xmin::text AS xid FROM ${postgresName(source, 'log')} AS l
      WHERE l.topic = p.topic AND l.partition = p.partition AND l.last >= p.start
      ORDER BY l.last LIMIT $2::bigint) AS l
    WHERE p.source = '${source}'`
}

/**
 * One statement, and so one snapshot, for the lease, the marks and what lies behind them in all logs of a database.
 * Nothing comes back where the lease is another's. $1 holder, $2 rows a partition.
 */
export function readWaiting(sources: readonly string[]): string {
  return `WITH held AS MATERIALIZED (${HELD}),
    places AS MATERIALIZED (${sources.map(placesOf).join(' UNION ALL ')})
    ${sources.map(rowsOf).join(' UNION ALL ')}`
}

/**
 * Where the rows of these transactions lie. Transactions are told apart by PostgreSQL's own number too: two processes
 * may have chosen the same. Rows are never changed, so a later snapshot shows them all. $1 transactions.
 */
export function readMembers(sources: readonly string[]): string {
  const parts = sources.map(
    (source) => `SELECT '${source}', topic, partition, last, transaction_id || '/' || xmin::text
      FROM ${postgresName(source, 'log')} WHERE transaction_id = ANY ($1::bigint[])`,
  )
  return parts.join(' UNION ALL ')
}

/** Says how far all is shipped, where the lease is still ours. $1 holder, $2 epoch, then one array a column. */
export const writeMarks = `WITH held AS (${HELD} AND epoch = $2::bigint)
  INSERT INTO lonja.relay_marks AS m (source, topic, partition, next, epoch, stopped)
  SELECT w.source, w.topic, w.partition, w.next, held.epoch, w.stopped
  FROM held, unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
    AS w(source, topic, partition, next, stopped)
  ON CONFLICT (source, topic, partition)
  DO UPDATE SET next = excluded.next, epoch = excluded.epoch, stopped = excluded.stopped
  RETURNING 1`

/** The row that holds the last shipped record of each partition, as far as it is kept. */
export function readLastShipped(sources: readonly string[]): string {
  const parts = sources.map(
    (source) => `SELECT '${source}', m.next - 1, l.topic, l.partition, l.generation, l.incarnation, l.first, l.last,
      l.appended_at, l.body, 'shipped' FROM lonja.relay_marks AS m, LATERAL (
        SELECT * FROM ${postgresName(source, 'log')} AS l WHERE l.topic = m.topic AND l.partition = m.partition
          AND l.last >= m.next - 1 ORDER BY l.last LIMIT 1) AS l
    WHERE m.source = '${source}' AND m.next > 0 AND l.first < m.next`,
  )
  return parts.join(' UNION ALL ')
}

export const readMarks = 'SELECT source, topic, partition, next FROM lonja.relay_marks'

/** Where every partition of these logs ends, by the database's clock at the snapshot. */
export function readHeads(sources: readonly string[]): string {
  const parts = sources.map(
    (source) => `SELECT '${source}', topic, partition, generation, first, next, made,
      (extract(epoch FROM statement_timestamp()) * 1000)::bigint FROM ${postgresName(source, 'heads')}`,
  )
  return parts.join(' UNION ALL ')
}

/** Takes back that some partitions, any of those that stand, are stopped. $1 holder, $2 epoch. */
export const tryStoppedAgain = `WITH held AS (${HELD} AND epoch = $2::bigint), chosen AS (
    SELECT source, topic, partition FROM lonja.relay_marks WHERE stopped IS NOT NULL ORDER BY random() LIMIT 6)
  UPDATE lonja.relay_marks AS m SET stopped = NULL FROM held, chosen AS c
  WHERE m.source = c.source AND m.topic = c.topic AND m.partition = c.partition`

/** What waits in each partition: how many records, and when the oldest was appended. */
export function readBacklog(sources: readonly string[]): string {
  const parts = sources.map(
    (source) => `SELECT '${source}', h.topic, h.partition, h.next - coalesce(m.next, h.first), m.stopped,
      (SELECT l.appended_at FROM ${postgresName(source, 'log')} AS l WHERE l.topic = h.topic
        AND l.partition = h.partition AND l.last >= coalesce(m.next, h.first) ORDER BY l.last LIMIT 1)
    FROM ${postgresName(source, 'heads')} AS h LEFT JOIN lonja.relay_marks AS m
      ON m.source = '${source}' AND m.topic = h.topic AND m.partition = h.partition
    WHERE h.next > coalesce(m.next, h.first)`,
  )
  return parts.join(' UNION ALL ')
}
