// Kills the shop on SQLite twenty times under load and shows that nothing acknowledged is lost, doubled or left undone.
import { test } from 'node:test'
import { survivesKills } from './kill-9.ts'

/** Many times what it takes on two cores with nothing else to do. */
const TIME_LIMIT_MS = 600_000

test('the shop on SQLite loses nothing by twenty kills', { timeout: TIME_LIMIT_MS }, (t) =>
  survivesKills(t, { dialect: 'sqlite' }),
)
