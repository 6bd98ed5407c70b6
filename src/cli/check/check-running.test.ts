// The check beside a running shop: nothing sound is called wrong while it moves, and what is wrong is found.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import { resolveSettings } from '../../platform/settings.ts'
import { openSqlite } from '../../platform/store/sqlite.ts'
import { systemClock } from '../../platform/system.ts'
import { sharedPostgres } from '../../testing/postgres.ts'
import type { Shop } from '../../testing/shop.ts'
import { startShop } from '../../testing/shop.ts'
import { readDatabase } from '../read-database.ts'
import { runCheck } from './run-check.ts'

const CHECKS = 6
const BUYERS = 12

interface Place {
  readonly address: string
  /** Undefined where the shop opens the address itself. */
  readonly file?: string | undefined
  remove(): void
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  SQLite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lonja-check-running-'))
    const path = join(folder, 'shop.db')
    return { address: `sqlite:${path}`, file: path, remove: () => rmSync(folder, { recursive: true, force: true }) }
  },
  PostgreSQL: async () => ({ address: await sharedPostgres(), remove: () => undefined }),
}

/** Buyers of two hot SKUs: some are refused, some decline, some return, some are never paid. */
function trade(shop: Shop) {
  const state = { isOver: false, orders: 0 }
  const buy = async (buyer: number): Promise<void> => {
    while (!state.isOver) {
      state.orders += 1
      const sku = buyer % 3 === 0 ? 'ROPE' : 'LAMP'
      const reference = state.orders % 5 === 0 ? `DECLINE-NO ${state.orders}` : `R ${state.orders}`
      const payments = state.orders % 7 === 0 ? { payments: [{ method: 'manual' }] } : {}
      const { orderId } = await shop.placeOrder({ sku, quantity: 1 + (state.orders % 3), reference, ...payments })
      if (state.orders % 4 === 0) await shop.giveBack(orderId, { items: [{ sku, quantity: 1 }] })
      if (state.orders % 6 === 0) await shop.patch(orderId, 'CANCELLED')
    }
  }
  const done = Promise.all(Array.from({ length: BUYERS }, (_, buyer) => buy(buyer)))
  done.catch(() => undefined)
  return {
    end: async (): Promise<number> => {
      state.isOver = true
      await done
      return state.orders
    },
  }
}

/** Checks as `lonja check` does, with what the provider says. */
async function problemsOf(address: string, shop: Shop) {
  const { settings } = resolveSettings(['--store', address], {})
  const options = { quick: false, ledger: () => shop.gateway.ledger() }
  const { problems, checked } = await readDatabase(settings, (lonja) => runCheck(lonja, options))
  assert.deepEqual(
    Object.keys(checked).filter((name) => name.includes('too busy')),
    [],
  )
  return problems
}

for (const [name, make] of Object.entries(places)) {
  suite(`the check beside a running shop on ${name}`, () => {
    test('calls nothing wrong that is only under way, and finds what is wrong', async () => {
      const { address, file, remove } = await make()
      const store = file === undefined ? undefined : openSqlite({ path: file })
      const shop = await startShop({ store: store ?? address, clock: systemClock, strict: false })
      await shop.product({ quantity: 100_000 })
      await shop.product({ sku: 'ROPE', quantity: 50 })
      await shop.product({ sku: 'LOCK', quantity: 1 })
      const trading = trade(shop)
      try {
        for (let round = 0; round < CHECKS; round += 1) assert.deepEqual(await problemsOf(address, shop), [])
        await falsify({ address, file })
        const found = await problemsOf(address, shop)
        assert.deepEqual(
          found.map(({ check, key }) => [check, key]),
          [['stock-ledger', 'LOCK']],
        )
      } finally {
        const orders = await trading.end()
        assert.ok(orders > BUYERS * CHECKS, `only ${orders} orders came in meanwhile`)
        await shop.lonja.settled()
        await shop.stop()
        await store?.close()
        remove()
      }
    })
  })
}

/** Of stock that nobody buys, since the shop writes what it has in memory over what it does not read again. */
async function falsify({ address, file }: Pick<Place, 'address' | 'file'>): Promise<void> {
  if (file !== undefined) {
    const database = new DatabaseSync(file, { timeout: 5000 })
    database.exec(`UPDATE inventory_stock SET state = json_set(state, '$.opening', 2) WHERE key = 'LOCK'`)
    database.close()
    return
  }
  const client = new Client({ connectionString: address })
  await client.connect()
  await client.query(
    `UPDATE inventory.stock SET state = jsonb_set(state::jsonb, '{opening}', '2')::text WHERE key = 'LOCK'`,
  )
  await client.end()
}
