// Faults of PostgreSQL: the server killed or restarted under the shop, or its connections cut.
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Scene, Strike } from './scene.ts'

const ORDERS_LATER = 30
const CUTS_AT_MOST = 4
const NOTICED_WITHIN_MS = 30_000

/** Those of the shop only; the random half, or all of them, by the share. */
const cutShare = (share: number): string => `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'lonja' AND datname = current_database() AND random() < ${share}`

/** Kills the server and leaves it dead until callers have noticed, or restarts it in order. */
export async function loseDatabase({ fleet: { server }, load, roll }: Scene): Promise<Strike> {
  const isKilled = roll() < 0.6
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  const before = load.unavailable
  if (isKilled) {
    await server?.kill()
    const isNoticed = () => load.mustGoOn() && load.unavailable > before
    await waitFor(isNoticed, { withinMs: NOTICED_WITHIN_MS, what: 'an answer 503' })
  }
  await server?.restart()
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}

/** Cuts all connections, or some, again and again while it goes on. */
export async function cutConnections({ fleet, load, roll }: Scene): Promise<Strike> {
  const cuts = 1 + Math.floor(roll() * CUTS_AT_MOST)
  for (let cut = 0; cut < cuts; cut += 1) {
    await load.more(1 + Math.floor(roll() * ORDERS_LATER))
    await fleet.sql(cutShare(roll() < 0.5 ? 1 : 0.5))
  }
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}
