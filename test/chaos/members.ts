// Who shares the work on one PostgreSQL, by what the table of leases says.

/** Who holds how many leases that run; a member without any has 0. */
export interface Shares {
  readonly held: ReadonlyMap<string, number>
  /** How many there are, held or not. */
  readonly leases: number
}

type Ask = (text: string) => Promise<readonly { readonly id: string; readonly held: number; readonly leases: number }[]>

/** Whoever relays to Kafka holds a lease of another kind. */
const SHARES = `SELECT m.id, count(l.holder)::int AS held,
    (SELECT count(*)::int FROM lonja.leases WHERE scope <> 'relay') AS leases
  FROM lonja.members AS m LEFT JOIN lonja.leases AS l
    ON l.holder = m.id AND l.expires_at > extract(epoch FROM clock_timestamp()) * 1000
  WHERE m.scope <> 'relay' GROUP BY m.id`

export async function sharesOf(ask: Ask): Promise<Shares> {
  const rows = await ask(SHARES)
  return { held: new Map(rows.map(({ id, held }) => [id, held])), leases: rows[0]?.leases ?? 0 }
}

/** All leases are held, by these members, and by each of them some. */
export function isSharedBy({ held, leases }: Shares, members: readonly string[]): boolean {
  const counts = members.map((id) => held.get(id) ?? 0)
  return members.length > 0 && counts.every((count) => count > 0) && sum(counts) === leases
}

/** All leases are held, by so many members. */
export function isSharedByAny({ held, leases }: Shares, members: number): boolean {
  const counts = [...held.values()].filter((count) => count > 0)
  return counts.length === members && sum(counts) === leases
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
