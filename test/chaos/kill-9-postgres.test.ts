// Kills the shop on PostgreSQL twenty times under load: nothing acknowledged is lost, doubled or left undone.
import { test } from 'node:test'
import { survivesKills } from './kill-9.ts'

/** Many times what it takes on two cores with nothing else to do. */
const TIME_LIMIT_MS = 600_000

test('the shop on PostgreSQL loses nothing by twenty kills', { timeout: TIME_LIMIT_MS }, (t) =>
  survivesKills(t, {
    dialect: 'postgres',
    // The ten seconds of the dead one's leases are over at once, else each life would be killed before it worked on
    // anything; how long a take-over really takes is what two-processes.test.ts measures.
    hurriesLeases: true,
  }),
)
