// The SQL of the relay: what waits to be shipped, which rows belong together, and how far everything is shipped.
import { postgresName } from '../store/postgres-statements.ts'

/** Leased like a partition of its own, so that one process at a time relays a database. */
export const RELAY_SCOPE = 'relay'

export const createMarks = `CREATE TABLE IF NOT EXISTS lonja.relay_marks (source text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL, partition integer NOT NULL, next bigint NOT NULL, epoch bigint NOT NULL,
  stopped text, PRIMARY KEY (source, topic, partition))`
/** One row: the name that the database's relay goes by at the brokers. */
export const createRelayName = `CREATE TABLE IF NOT EXISTS lonja.relay_name (
  name text NOT NULL, is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only))`
/**
 * Given once: a release may bring a service that comes before all others, and its relay still has to fence that of the
 * release before. $1 prefix, $2 sources.
 */
export const giveRelayName = `INSERT INTO lonja.relay_name (name)
  SELECT $1::text || name || '-' || log_id FROM lonja.schemas WHERE name = ANY ($2::text[])
  ORDER BY name COLLATE "C" LIMIT 1 ON CONFLICT DO NOTHING`
export const readRelayName = 'SELECT name FROM lonja.relay_name'
/** From there on Kafka has lost what it had acknowledged. */
export const addLostFrom = 'ALTER TABLE lonja.relay_marks ADD COLUMN IF NOT EXISTS lost_from bigint'

/** The epoch of the lease where $1 holds it now. */
const HELD = `SELECT epoch FROM lonja.leases WHERE scope = '${RELAY_SCOPE}' AND partitions = 1 AND partition = 0
    AND holder = $1::text AND expires_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint`

/** With when the server started: what it was before is another session's, also where the numbers agree. */
export const readEpoch = `WITH held AS (${HELD}) SELECT epoch, pg_postmaster_start_time()::text FROM held`

/** The lease is still that of this epoch, and the server the same run of the same one. */
const OURS = `${HELD} AND epoch = $2::bigint AND pg_postmaster_start_time()::text = $3::text`

/** $1 holder, $2 epoch, $3 start of the server. */
export const readHeld = OURS

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
      ORDER BY l.last LIMIT $4::bigint) AS l
    WHERE p.source = '${source}'`
}

/**
 * One statement, and so one snapshot, for the lease, the marks and what lies behind them in all logs of a database.
 * Nothing comes back where the lease is another's, or was begun anew. $1 holder, $2 epoch, $3 start of the server, $4
 * rows a partition.
 */
export function readWaiting(sources: readonly string[]): string {
  return `WITH held AS MATERIALIZED (${OURS}),
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

/**
 * Says how far all is shipped, where the lease is still ours. Whoever set marks back meanwhile raised their epoch: the
 * lease that this statement saw may be older. $1 holder, $2 epoch, then one array a column.
 */
export const writeMarks = `WITH held AS (${HELD} AND epoch = $2::bigint)
  INSERT INTO lonja.relay_marks AS m (source, topic, partition, next, epoch, stopped)
  SELECT w.source, w.topic, w.partition, w.next, held.epoch, w.stopped
  FROM held, unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
    AS w(source, topic, partition, next, stopped)
  ON CONFLICT (source, topic, partition)
  DO UPDATE SET next = excluded.next, epoch = excluded.epoch, stopped = excluded.stopped
    WHERE m.epoch <= excluded.epoch
  RETURNING 1`

/** The row that holds the last shipped record of each partition, as far as it is kept. */
export function readLastShipped(sources: readonly string[]): string {
  const parts = sources.map(
    (source) => `SELECT '${source}', m.next - 1, l.topic, l.partition, l.generation, l.incarnation, l.first, l.last,
      l.appended_at, l.body, 'shipped' FROM lonja.relay_marks AS m, LATERAL (
        SELECT * FROM ${postgresName(source, 'log')} AS l WHERE l.topic = m.topic AND l.partition = m.partition
          AND l.last >= m.next - 1 ORDER BY l.last LIMIT 1) AS l
    WHERE m.source = '${source}' AND m.next > 0 AND l.first < m.next AND m.lost_from IS NULL`,
  )
  return parts.join(' UNION ALL ')
}

/** What has to be kept: what Kafka has lost is shipped again from the log. */
export const readMarks = 'SELECT source, topic, partition, least(next, lost_from) FROM lonja.relay_marks'

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
    SELECT source, topic, partition FROM lonja.relay_marks WHERE stopped IS NOT NULL
      AND lost_from IS NULL ORDER BY random() LIMIT 6)
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
    WHERE h.next > coalesce(m.next, h.first) OR m.lost_from IS NOT NULL`,
  )
  return `${parts.join(' UNION ALL ')} ORDER BY 1, 2, 3`
}

/** The incarnations of these logs beside the first one, with where each began in each partition. $1 sources. */
export const readEras = `SELECT name, topic, partition, incarnation, first FROM lonja.incarnations
  WHERE name = ANY ($1::text[]) ORDER BY incarnation`

/** Of each partition: where it ends, and how far it is shipped. */
export function readStanding(sources: readonly string[]): string {
  const parts = sources.map(
    (
      source,
    ) => `SELECT '${source}' AS source, h.topic, h.partition, h.first, h.next, m.next AS mark, m.stopped, m.lost_from
    FROM ${postgresName(source, 'heads')} AS h LEFT JOIN lonja.relay_marks AS m
      ON m.source = '${source}' AND m.topic = h.topic AND m.partition = h.partition`,
  )
  return `${parts.join(' UNION ALL ')} ORDER BY source, topic, partition`
}

/** The row of one partition that holds a sequence. $1 topic, $2 partition, $3 sequence. */
export function readRowAt(source: string): string {
  return `SELECT '${source}', $3::bigint, topic, partition, generation, incarnation, first, last, appended_at, body, ''
    FROM ${postgresName(source, 'log')} WHERE topic = $1 AND partition = $2::integer AND last >= $3::bigint
    ORDER BY last LIMIT 1`
}

/** From a sequence on a partition's numbers are shipped under an incarnation. $1-$5 as the columns, $6 now. */
export const writeEra = `INSERT INTO lonja.incarnations (name, incarnation, topic, partition, first, began_at)
  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

/** The next change of the log's incarnation takes a higher one. $1 name, $2 incarnation. */
export const raiseIncarnation = `UPDATE lonja.schemas SET incarnation = greatest(incarnation, $2::integer)
  WHERE name = $1`

/** Nobody else changes marks or takes the lease until the end of the transaction. */
export const lockLease = `SELECT epoch FROM lonja.leases
  WHERE scope = '${RELAY_SCOPE}' AND partitions = 1 AND partition = 0 FOR UPDATE`

/** Whoever relays begins anew. $1 epoch. */
export const raiseEpoch = `UPDATE lonja.leases SET epoch = $1::bigint
  WHERE scope = '${RELAY_SCOPE}' AND partitions = 1 AND partition = 0`

/**
 * Sets marks back, all in one statement: a transaction has two seconds, and one a partition took longer on a machine
 * that had other work. $1 epoch, then one array a column; the last says whether a partition's loss begins there or
 * above.
 */
export const setBack = `UPDATE lonja.relay_marks AS m SET next = least(m.next, w.next), epoch = $1::bigint,
    stopped = CASE WHEN w.is_mended THEN NULL ELSE m.stopped END,
    lost_from = CASE WHEN w.is_mended THEN NULL ELSE m.lost_from END
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[])
    AS w(source, topic, partition, next, is_mended)
  WHERE m.source = w.source AND m.topic = w.topic AND m.partition = w.partition`

/** The values of `setBack`. */
export function setBackValues(
  epoch: number,
  places: readonly { source: string; topic: string; partition: number; from: number; isMended: boolean }[],
): readonly unknown[] {
  return [
    epoch,
    places.map(({ source }) => source),
    places.map(({ topic }) => topic),
    places.map(({ partition }) => partition),
    places.map(({ from }) => from),
    places.map(({ isMended }) => isMended),
  ]
}

/**
 * Stops partitions at losses, all at once, where the lease is still ours and nobody set their marks back since. $1
 * holder, $2 epoch, $3 start of the server,
 * then one array a column.
 */
export const writeLosses = `WITH held AS (${OURS})
  UPDATE lonja.relay_marks AS m SET lost_from = w.lost_from, stopped = w.stopped
  FROM held, unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    AS w(source, topic, partition, lost_from, stopped)
  WHERE m.source = w.source AND m.topic = w.topic AND m.partition = w.partition
    AND m.epoch <= held.epoch
  RETURNING 1`

/** Who holds the relay's lease, until when it runs, and its epoch. */
export const readLease = `SELECT CASE WHEN expires_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    THEN holder END, epoch FROM lonja.leases WHERE scope = '${RELAY_SCOPE}' AND partitions = 1 AND partition = 0`
