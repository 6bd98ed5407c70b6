// Kills the shop on PostgreSQL twenty times under load and shows that nothing acknowledged is lost, doubled or left undone.
import { test } from 'node:test'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { chaosSeed, survivesKills } from './kill-9.ts'

const KILLS = 20

test('the shop on PostgreSQL loses nothing by twenty kills', { timeout: 120_000 }, async (t) => {
  const url = await sharedPostgres()
  await survivesKills(t, { seed: chaosSeed(), kills: KILLS, storeIn: () => url })
})
