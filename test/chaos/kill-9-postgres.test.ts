// Kills the shop on PostgreSQL twenty times under load: nothing acknowledged is lost, doubled or left undone.
import { test } from 'node:test'
import { Client } from 'pg'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { chaosSeed, survivesKills } from './kill-9.ts'

const KILLS = 20
/**
 * The ten seconds of the dead one's leases are over at once, else each life would be killed before it worked on
 * anything; how long a take-over really takes is what two-processes.test.ts measures.
 */
const LEASES_RUN_OUT = 'UPDATE lonja.leases SET expires_at = 0; UPDATE lonja.members SET expires_at = 0'

test('the shop on PostgreSQL loses nothing by twenty kills', { timeout: 120_000 }, async (t) => {
  const url = await sharedPostgres()
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const betweenLives = async () => void (await client.query(LEASES_RUN_OUT))
    await survivesKills(t, { seed: chaosSeed(), kills: KILLS, storeIn: () => url, betweenLives })
  } finally {
    await client.end()
  }
})
