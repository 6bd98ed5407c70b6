// Two versions of the shop side by side: the newer joins, the older leaves, and back, while orders go on.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import type { Store } from '../../src/platform/ports.ts'
import { openDatabases } from '../../src/platform/store/open-databases.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemClock } from '../../src/platform/system.ts'
import { nextServices, pointsIn, praiseIn } from '../../src/testing/next-shop.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { openOutside, startShop, type Shop } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000
const PARTITIONS = 6
const STOCK = 100_000

/** Processes of both versions on one database, with the same payment provider, carrier and mail server. */
class Fleet {
  readonly url: string
  readonly #outside = openOutside(systemClock)
  readonly running: Shop[] = []
  readonly placed: string[] = []
  readonly #selling = { isOver: false }
  #buyers: Promise<void>[] = []

  constructor(url: string) {
    this.url = url
  }

  async join(version: 'old' | 'next'): Promise<Shop> {
    const services = version === 'next' ? { services: nextServices } : {}
    const shop = await startShop({ store: this.url, clock: systemClock, outside: this.#outside, ...services })
    this.running.push(shop)
    const share = PARTITIONS / this.running.length
    await waitFor(() => this.running.every((each) => each.held().length === share), { withinMs, what: 'even shares' })
    return shop
  }

  /** What it met of the other version is in its log, and no reason to fail. */
  async leave(shop: Shop): Promise<readonly string[]> {
    this.running.splice(this.running.indexOf(shop), 1)
    const complaints = shop.complaints.splice(0)
    await shop.stop()
    const share = PARTITIONS / Math.max(1, this.running.length)
    await waitFor(() => this.running.every((each) => each.held().length === share), { withinMs, what: 'all is taken' })
    return complaints
  }

  /** Buyers go to whichever process answers, one order after the other each. */
  open(buyers: number): void {
    this.#buyers = Array.from({ length: buyers }, async (_, buyer) => {
      for (let turn = buyer; !this.#selling.isOver; turn += 1) {
        const shop = this.running[turn % this.running.length]
        if (shop === undefined) continue
        const answer = await shop.place()
        // 503 is what a process says that is leaving.
        if (answer.status === 201) this.placed.push(answer.body.orderId)
        else assert.equal(answer.status, 503)
      }
    })
    for (const buyer of this.#buyers) buyer.catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#selling.isOver = true
    await Promise.all(this.#buyers)
  }

  async end(): Promise<void> {
    this.#selling.isOver = true
    await Promise.allSettled(this.#buyers)
    for (const shop of this.running.splice(0)) await shop.stop().catch(() => undefined)
    this.#outside.gateway.stop()
    this.#outside.carrier.stop()
  }
}

async function onStore<Result>(url: string, work: (store: Store) => Promise<Result>): Promise<Result> {
  const store = await openPostgres({ url })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

function rowsOf(url: string, sql: string): Promise<readonly Readonly<Record<string, string>>[]> {
  return onStore(url, (store) => store.query(sql))
}

const PARKED = 'SELECT consumer_group, key, state FROM orders.parked_keys'
const DEAD = `SELECT code FROM orders.dead_letters UNION ALL SELECT code FROM analytics.dead_letters
  UNION ALL SELECT code FROM notifications.dead_letters`

async function assertSound({ lonja }: Shop): Promise<void> {
  const { ok, problems } = await runCheck(lonja, { quick: false, progress: () => undefined })
  assert.ok(ok, JSON.stringify(problems.slice(0, 5)))
}

async function assertAllConfirmed(shop: Shop, orderIds: readonly string[]): Promise<void> {
  const isOpen = async (): Promise<boolean> => {
    const pages = await Promise.all(['PENDING', 'PAID'].map((status) => shop.orders(`?status=${status}&limit=1`)))
    return pages.some(({ items }) => items.length > 0)
  }
  await waitFor(async () => !(await isOpen()), { withinMs, what: 'every order has ended' })
  for (const orderId of orderIds) assert.equal((await shop.order(orderId)).status, 'CONFIRMED', orderId)
}

suite('two versions side by side', () => {
  test('a release that adds rolls in and back while orders go on, and nothing is lost', { timeout }, async () => {
    const url = await sharedPostgres()
    const fleet = new Fleet(url)
    try {
      const [first, second] = [await fleet.join('old'), await fleet.join('old')]
      await first.client()
      await first.product({ quantity: STOCK })
      fleet.open(4)
      await waitFor(() => fleet.placed.length > 30, { withinMs, what: 'orders are placed' })

      await fleet.leave(second)
      const third = await fleet.join('next')
      const praised = fleet.placed.slice(0, 24)
      for (const orderId of praised) await praiseIn(third, orderId, 'quick')
      // Some lie in partitions of the old process: it lets them wait, and goes on with all other orders.
      await waitFor(async () => (await rowsOf(url, PARKED)).length > 0, { withinMs, what: 'the new type waits' })
      const before = fleet.placed.length
      await waitFor(() => fleet.placed.length > before + 30, { withinMs, what: 'orders go on' })

      const fourth = await fleet.join('next')
      const told = await fleet.leave(first)
      assert.ok(
        told.every((line) => /UnknownMessage|never heard/.test(line)),
        told.join(''),
      )
      const points = () => onStore(url, pointsIn)
      const isDone = async (): Promise<boolean> => {
        const given = await points()
        return praised.every((orderId) => given.get(orderId)?.length === 3)
      }
      await waitFor(isDone, { withinMs, what: 'every praise and every timer came through' })
      await waitFor(async () => (await rowsOf(url, PARKED)).length === 0, { withinMs, what: 'nothing waits any more' })
      assert.deepEqual(await rowsOf(url, DEAD), [])
      const list = await rowsOf(url, `SELECT order_id FROM orders.order_list WHERE praise = 'quick'`)
      assert.deepEqual(list.map((row) => row['order_id'] ?? '').toSorted(), praised.toSorted())

      // Back: what is said in the new words from here on waits for the next try.
      const fifth = await fleet.join('old')
      await fleet.leave(third)
      const late = fleet.placed.at(-40) ?? ''
      await praiseIn(fourth, late, 'late')
      await fleet.leave(fourth)
      const sold = fleet.placed.length
      await waitFor(() => fleet.placed.length > sold + 30, { withinMs, what: 'the old version sells on' })
      assert.deepEqual(await rowsOf(url, DEAD), [])
      await assertSound(fifth)

      const sixth = await fleet.join('next')
      await fleet.leave(fifth)
      await fleet.close()
      await assertAllConfirmed(sixth, fleet.placed)
      const hasCome = async (): Promise<boolean> => (await points()).get(late)?.length === 3
      await waitFor(hasCome, { withinMs, what: 'what waited through the way back came through' })
      await waitFor(async () => (await rowsOf(url, PARKED)).length === 0, { withinMs, what: 'nothing is left' })
      assert.deepEqual(await rowsOf(url, DEAD), [])
      await assertSound(sixth)
      sixth.complaints.splice(0)
    } finally {
      await fleet.end()
    }
  })

  test('whoever runs all services shares the partitions, also with a version that knows one more', async () => {
    const url = await sharedPostgres()
    const open = async (services: readonly string[]) => {
      const settings = { store: { kind: 'postgres', url }, storeByService: {}, sqliteMaxPages: undefined } as const
      const shared = { isAlone: true, works: true, partitionCounts: [PARTITIONS], clock: systemClock }
      const opened = await openDatabases({
        ...shared,
        settings,
        services,
        chosen: services,
        onIncarnation: () => undefined,
      })
      const [database] = opened.databases
      if (database === undefined) assert.fail('no database was opened')
      await database.store.migrate([])
      await database.membership.start()
      const stop = async () => {
        await database.membership.stop()
        await opened.close()
      }
      const held = () =>
        Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((partition) =>
          database.membership.holds(PARTITIONS, partition),
        )
      return { held, stop }
    }
    const old = await open(['orders', 'payments'])
    const next = await open(['loyalty', 'orders', 'payments'])
    try {
      await waitFor(() => old.held().length === 3 && next.held().length === 3, { withinMs, what: 'even shares' })
      assert.equal(new Set([...old.held(), ...next.held()]).size, PARTITIONS)
    } finally {
      await old.stop()
      await next.stop()
    }
  })
})
