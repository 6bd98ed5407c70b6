// Who should hold which partition, worked out alike by every member, and the SQL that moves leases.

/** One partition of all topics that have this count of partitions. */
export interface Lease {
  readonly partitions: number
  readonly partition: number
}

export interface HeldLease extends Lease {
  /** Undefined where nobody's lease is running. */
  readonly holder: string | undefined
}

/** What one heartbeat saw. */
export interface View {
  /** Those whose time is not over, the asking one among them, sorted. */
  readonly members: readonly string[]
  readonly leases: readonly HeldLease[]
}

export interface Moves {
  readonly give: readonly Lease[]
  readonly take: readonly Lease[]
}

/**
 * What this member gives back and takes. Each gets an equal share of each count of partitions; where it does not come
 * out even, those who hold most keep one more, so that nothing moves without need. Of the free ones each takes others.
 */
export function movesOf({ members, leases }: View, me: string): Moves {
  const moves = { give: [] as Lease[], take: [] as Lease[] }
  for (const sameCount of Map.groupBy(leases, ({ partitions }) => partitions).values()) {
    const held = Map.groupBy(sameCount, ({ holder }) => holder)
    const shares = sharesOf(members, sameCount.length, (member) => held.get(member)?.length ?? 0)
    const free = [...(held.get(undefined) ?? [])]
    moves.give.push(...(held.get(me) ?? []).slice(shares.get(me)))
    for (const member of members) {
      const missing = Math.max(0, (shares.get(member) ?? 0) - (held.get(member)?.length ?? 0))
      const taken = free.splice(0, missing)
      if (member === me) moves.take.push(...taken)
    }
  }
  return moves
}

function sharesOf(
  members: readonly string[],
  partitions: number,
  heldBy: (member: string) => number,
): ReadonlyMap<string, number> {
  const least = Math.floor(partitions / members.length)
  const larger = partitions % members.length
  const ranked = members.toSorted((a, b) => heldBy(b) - heldBy(a) || (a < b ? -1 : 1))
  return new Map(ranked.map((member, rank) => [member, rank < larger ? least + 1 : least]))
}

/** The database's clock, which all members share. Milliseconds since the epoch. */
const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** A member that is gone stays listed this long, for whoever looks after a crash. */
const FORGET_AFTER_MS = 60_000

export const CHANNEL = 'lonja'

export const createMembershipTables: readonly string[] = [
  'CREATE SCHEMA IF NOT EXISTS lonja',
  `CREATE TABLE IF NOT EXISTS lonja.members (id text COLLATE "C" PRIMARY KEY, scope text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL) WITH (fillfactor = 50)`,
  `CREATE TABLE IF NOT EXISTS lonja.leases (scope text COLLATE "C" NOT NULL, partitions integer NOT NULL,
    partition integer NOT NULL, holder text COLLATE "C", epoch bigint NOT NULL, expires_at bigint NOT NULL,
    PRIMARY KEY (scope, partitions, partition)) WITH (fillfactor = 50)`,
]

export const membershipTablesExist = `SELECT to_regclass('lonja.leases')::text`

/** $1 scope, $2 counts of partitions. */
export const declareLeases = `WITH forgotten AS (
    DELETE FROM lonja.members WHERE expires_at < ${NOW_MS} - ${FORGET_AFTER_MS}
  )
  INSERT INTO lonja.leases SELECT $1::text, count, partition, NULL, 0, 0
  FROM unnest($2::integer[]) AS counts(count), generate_series(0, count - 1) AS partition
  ON CONFLICT (scope, partitions, partition) DO NOTHING`

/** Locks of members among all advisory locks: 'lnjm' as a number. */
const MEMBER_LOCKS = 0x6c6e6a6d

/** Held by a member's session: others see in pg_locks whether it is there. Shared, so it never waits. $1 member. */
export const showSession = `SELECT pg_advisory_lock_shared(${MEMBER_LOCKS}, hashtext($1))`

/**
 * Ends the time of members whose last beat is $2 milliseconds old and whose session is gone, and of their leases: a
 * kill -9 or a crash closes the session at once, while a process that was stopped or hangs keeps it.
 * $1 lease in milliseconds, $2 time, $3 notice to the others.
 */
export const buryGone = `WITH gone AS (
    UPDATE lonja.members AS m SET expires_at = ${NOW_MS}
    WHERE expires_at > ${NOW_MS} AND expires_at <= ${NOW_MS} + $1::bigint - $2::bigint AND NOT EXISTS (
      SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.classid::bigint = ${MEMBER_LOCKS} AND l.objsubid = 2
        AND l.objid::integer = hashtext(m.id)
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    RETURNING id
  ), freed AS (
    UPDATE lonja.leases SET expires_at = ${NOW_MS} WHERE holder IN (SELECT id FROM gone) AND expires_at > ${NOW_MS}
  )
  SELECT id, pg_notify('${CHANNEL}', $3) FROM gone`

/**
 * The one statement of a heartbeat: renews the member and all its leases that still run, and shows everybody's. A
 * member that beat last $4 milliseconds ago or longer has a 1 in the third column.
 * $1 member, $2 scope, $3 lease in milliseconds, $4 time.
 */
export const heartbeat = `WITH beat AS (
    INSERT INTO lonja.members VALUES ($1::text, $2::text, ${NOW_MS} + $3::bigint)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
  ), renewed AS (
    UPDATE lonja.leases SET expires_at = ${NOW_MS} + $3::bigint
    WHERE scope = $2 AND holder = $1 AND expires_at > ${NOW_MS} RETURNING partitions, partition
  )
  SELECT CASE WHEN scope = $2 THEN 'member' ELSE 'stranger' END, id,
    (id <> $1 AND expires_at <= ${NOW_MS} + $3 - $4::bigint)::integer, 0 FROM lonja.members
  WHERE expires_at > ${NOW_MS}
  UNION ALL SELECT 'renewed', $1, partitions, partition FROM renewed
  UNION ALL SELECT 'lease', CASE WHEN expires_at > ${NOW_MS} THEN holder END, partitions, partition
  FROM (SELECT * FROM lonja.leases WHERE scope = $2 ORDER BY partitions, partition) AS sorted`

/**
 * Takes those that are free now; one whose holder never gave it back is taken from the dead. $1 member, $2 scope,
 * $3 lease in milliseconds, $4 counts, $5 partitions.
 */
export const takeLeases = `WITH free AS (
    SELECT l.partitions, l.partition, l.holder FROM lonja.leases AS l
    JOIN unnest($4::integer[], $5::integer[]) AS w(partitions, partition) USING (partitions, partition)
    WHERE l.scope = $2 AND (l.holder IS NULL OR l.expires_at <= ${NOW_MS})
    ORDER BY l.partitions, l.partition FOR UPDATE OF l
  )
  UPDATE lonja.leases AS l SET holder = $1::text, epoch = l.epoch + 1, expires_at = ${NOW_MS} + $3::bigint
  FROM free WHERE l.scope = $2 AND l.partitions = free.partitions AND l.partition = free.partition
  RETURNING l.partitions, l.partition, free.holder IS NOT NULL AND free.holder <> $1`

/** Gives leases back and wakes the others. $1 member, $2 scope, $3 counts, $4 partitions, $5 notice. */
export const giveLeases = `WITH given AS (
    UPDATE lonja.leases AS l SET holder = NULL FROM unnest($3::integer[], $4::integer[]) AS w(partitions, partition)
    WHERE l.scope = $2 AND l.partitions = w.partitions AND l.partition = w.partition AND l.holder = $1
  )
  SELECT pg_notify('${CHANNEL}', $5)`

/** Gives all back, leaves, and wakes the others. $1 member, $2 notice. */
export const leave = `WITH given AS (
    UPDATE lonja.leases SET holder = NULL WHERE holder = $1
  ), left_now AS (
    DELETE FROM lonja.members WHERE id = $1
  )
  SELECT pg_notify('${CHANNEL}', $2)`

export const notify = `SELECT pg_notify('${CHANNEL}', $1)`

/** Everybody with his leases, of every scope. */
export const listMembers = `SELECT m.id, m.expires_at,
    coalesce(string_agg(l.partitions || '/' || l.partition, ',' ORDER BY l.partitions, l.partition), '')
  FROM lonja.members AS m LEFT JOIN lonja.leases AS l ON l.holder = m.id AND l.expires_at > ${NOW_MS}
  GROUP BY m.id, m.expires_at ORDER BY m.id`
