// Kills the shop on SQLite twenty times under load and shows that nothing acknowledged is lost, doubled or left undone.
import { join } from 'node:path'
import { test } from 'node:test'
import { chaosSeed, survivesKills } from './kill-9.ts'

const KILLS = 20
/** Three times what it takes on two cores that others use as well. */
const TIME_LIMIT_MS = 120_000

test('the shop on SQLite loses nothing by twenty kills', { timeout: TIME_LIMIT_MS }, (t) =>
  survivesKills(t, {
    seed: chaosSeed(),
    kills: KILLS,
    storeIn: (folder) => `sqlite:${join(folder, 'lonja.sqlite')}`,
  }),
)
