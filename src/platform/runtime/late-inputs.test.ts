// What comes while a step looks around and finds nothing to do is not left lying until something else wakes the loop.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultyStore } from '../../testing/faulty-store.ts'
import { startToyShop } from '../../testing/toy-shop.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { PARKING_NEWS } from '../parking/parking.ts'
import { openSqlite } from '../store/sqlite.ts'

test('a command that comes in the middle of an empty step is handled at once', async () => {
  const inner = faultyStore(openSqlite({ path: ':memory:' }))
  let comes: (() => void) | undefined
  const store = {
    ...inner,
    query: async <Result>(sql: string, values?: readonly (string | number | null)[]) => {
      // What is parked is read after the step has taken what waits.
      if (sql.includes('parking_lots')) comes?.()
      return inner.query<Result>(sql, values)
    },
  }
  const shop = await startToyShop({ store })
  await shop.idle()
  let status = 0
  comes = () => {
    comes = undefined
    void shop.place('late', 1).then((reply) => (status = reply.status))
  }
  for (const runtime of shop.lonja.runtimes) runtime.changedByHand(PARKING_NEWS)
  await waitFor(() => status === 201, { withinMs: 5000, what: 'the command is answered' })
  assert.equal(comes, undefined)
  await shop.lonja.settled()
  await shop.stop()
})
