// Rebuilds with two processes on one PostgreSQL: one builds, both read the new table, either may end it.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyShop } from '../../src/testing/toy-shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import type { Shop } from './rebuild-shop.ts'
import {
  MANY,
  ORDER_LIST,
  PARTITIONS,
  WITHIN,
  appendConfirmed,
  cursorsOf,
  overwrite,
  phase,
  rowsOf,
} from './rebuild-shop.ts'

suite('rebuild with two processes on one PostgreSQL', () => {
  const use = (work: (one: Shop, other: Shop) => Promise<void>) => async () => {
    const url = await sharedPostgres()
    const shops: Shop[] = []
    try {
      for (let process = 0; process < 2; process += 1) {
        const membership = postgresMembership({ url, partitionCounts: [PARTITIONS] })
        shops.push(await startToyShop({ store: await openPostgres({ url }), membership }))
      }
      const [one, other] = shops as [Shop, Shop]
      await waitFor(async () => (await one.lonja.runtimes[0]?.options.membership.members())?.length === 2, WITHIN)
      await work(one, other)
    } finally {
      for (const shop of shops) await shop.stop()
    }
  }
  const listed = (count: number, shops: readonly Shop[], withinMs = WITHIN.withinMs) => {
    const counts = () => Promise.all(shops.map(async (shop) => Object.keys(await shop.statuses()).length))
    return waitFor(async () => (await counts()).every((one) => one === count), { withinMs })
  }

  test(
    'one of them rebuilds, both read the new table and go on folding into it',
    use(async (one, other) => {
      const shops = [one, other]
      for (let order = 0; order < 6; order += 1) await shops[order % 2]?.place(`before-${order}`, 1)
      await listed(6, shops)
      for (let round = 1; round <= 2; round += 1) {
        // Only one of them works on the first partition, and either may be asked.
        await Promise.all(shops.map((shop) => shop.lonja.rebuilds.start(ORDER_LIST)))
        const { live } = await phase(one.lonja, ({ building, live }) => building === null && live > round)
        await overwrite(one.store, live, [['only in the new table', 'placed', 1]])
        // Sooner than the next look at the pointers: the swap is announced.
        await listed(7, shops, 5000)
      }
      for (let order = 0; order < 12; order += 1) await shops[order % 2]?.place(`after-${order}`, 1)
      await listed(19, shops)
      assert.equal((await rowsOf(one.store, 'order_list')).length, 6, 'somebody still folds into the old table')
      const statuses = await Promise.all(shops.map((shop) => shop.lonja.rebuilds.status(ORDER_LIST)))
      assert.equal(statuses.filter(({ report }) => report !== null).length, 1, 'both have built')
    }),
  )

  test(
    'either may end it',
    use(async (one, other) => {
      await appendConfirmed(one, MANY)
      await one.lonja.rebuilds.start(ORDER_LIST)
      await phase(one.lonja, ({ done }) => done > 0)
      const statuses = await Promise.all([one, other].map((shop) => shop.lonja.rebuilds.status(ORDER_LIST)))
      const idle = statuses[0]?.phase === 'waiting' ? one : other
      assert.equal(await idle.lonja.rebuilds.abort(ORDER_LIST), true)
      const builder = idle === one ? other : one
      await phase(builder.lonja, ({ phase: end, building }) => building === null && end === 'waiting')
      await assert.rejects(rowsOf(one.store, 'order_list_2'))
      assert.deepEqual(await cursorsOf(one.store, 'shop.order_list#2'), [])
    }),
  )
})
