// Two processes on one PostgreSQL database, as two runtimes with their own connections, share the work and its order.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import type { Till } from '../../src/testing/toy-shop.ts'
import { startToyShop } from '../../src/testing/toy-shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

/** Ten pieces are in stock. */
const BUYERS = 120

async function join(url: string, till: Till) {
  const conflicts: string[] = []
  const faults: unknown[] = []
  const shop = await startToyShop({
    till,
    store: await openPostgres({ url }),
    membership: postgresMembership({ url, partitionCounts: [6] }),
    observer: { conflicted: (reason) => conflicts.push(reason), fault: (_, error) => faults.push(error) },
  })
  return { ...shop, conflicts, faults }
}

const approving: Till = { pay: () => Promise.resolve(true) }

test('two processes sell what there is, exactly, and end every order', async () => {
  const url = await sharedPostgres()
  const first = await join(url, approving)
  const second = await join(url, approving)
  await waitFor(() => first.held() === 3 && second.held() === 3, { withinMs: 5000, what: 'an even share' })
  const doorOf = (buyer: number) => (buyer % 2 === 0 ? first : second)
  const placed = Array.from({ length: BUYERS }, (_, buyer) => doorOf(buyer).place(`order-${buyer}`, 1))
  await Promise.all(placed)
  const statuses = await waitFor(
    async () => {
      const all = Object.values(await first.statuses())
      return all.length === BUYERS && all.every((status) => status !== 'placed') && all
    },
    { withinMs: 20_000, what: 'every order ended' },
  )
  assert.equal(statuses.filter((status) => status === 'confirmed').length, 10)
  assert.equal(await second.stockLeft(), 0)
  assert.deepEqual([...first.faults, ...second.faults], [])
  await first.stop()
  await waitFor(() => second.held() === 6, { withinMs: 2000, what: 'all partitions after a clean leave' })
  await second.stop()
})
