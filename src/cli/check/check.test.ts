// A sound shop passes the check, and each single falsification by SQL is found under its own name.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import { partitionFor } from '../../platform/log/murmur2.ts'
import { resolveSettings } from '../../platform/settings.ts'
import { openSqlite } from '../../platform/store/sqlite.ts'
import { systemClock } from '../../platform/system.ts'
import { startShop } from '../../testing/shop.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { readDatabase } from '../read-database.ts'
import { linesOf } from './check.ts'
import type { CheckOptions, CheckReport } from './problem.ts'
import { runCheck } from './run-check.ts'

const WITHIN = { withinMs: 20_000 }
const folder = mkdtempSync(join(tmpdir(), 'lonja-check-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A shop with orders of every kind; its file is copied for each test. */
async function makeShop() {
  const path = join(folder, 'shop.db')
  const store = openSqlite({ path })
  const shop = await startShop({ store, clock: systemClock, strict: false })
  const has = (orderId: string, status: string) =>
    waitFor(async () => (await shop.order(orderId)).status === status, WITHIN)
  await shop.product({ quantity: 100 })
  await shop.product({ sku: 'ROPE', quantity: 1 })
  const confirmed = await shop.placeOrder({ quantity: 5 })
  const cancelled = await shop.placeOrder({ sku: 'ROPE', quantity: 2 })
  const declined = await shop.placeOrder({ reference: 'DECLINE-NO_MONEY' })
  const waiting = await shop.placeOrder({ quantity: 3, payments: [{ method: 'manual' }] })
  await has(confirmed.orderId, 'CONFIRMED')
  await shop.giveBack(confirmed.orderId, { items: [{ sku: 'LAMP', quantity: 1 }] })
  await has(cancelled.orderId, 'CANCELLED')
  await has(declined.orderId, 'CANCELLED')
  await waitFor(async () => (await shop.stockOf('LAMP')).held === 3, WITHIN)
  await shop.lonja.settled()
  const ledger = shop.gateway.ledger()
  await shop.stop()
  await store.close()
  const { orderId } = confirmed
  return { path, ledger, confirmed: orderId, cancelled: cancelled.orderId, waiting: waiting.orderId }
}

const made = makeShop()
let copies = 0

interface Falsified {
  readonly confirmed: string
  readonly cancelled: string
  readonly waiting: string
  /** Runs one statement; fails when it changes nothing. */
  sql(text: string, ...values: readonly (string | number)[]): void
  /** Changes the document of a kind in place. */
  change(table: string, key: string, path: string, value: unknown): void
}

async function checked(falsify: (shop: Falsified) => void, options: Partial<CheckOptions> = {}): Promise<CheckReport> {
  const { path, ...orders } = await made
  const copy = join(folder, `copy-${(copies += 1)}.db`)
  copyFileSync(path, copy)
  const database = new DatabaseSync(copy)
  const sql: Falsified['sql'] = (text, ...values) => {
    assert.ok(Number(database.prepare(text).run(...values).changes) > 0, `changes nothing: ${text}`)
  }
  const change: Falsified['change'] = (table, key, at, value) => {
    const text = `UPDATE ${table} SET state = json_set(state, ?, json(?)), version = version + 1 WHERE key = ?`
    sql(text, at, JSON.stringify(value), key)
  }
  falsify({ ...orders, sql, change })
  database.close()
  const { settings } = resolveSettings(['--store', `sqlite:${copy}`], {})
  return readDatabase(settings, (lonja) => runCheck(lonja, { quick: false, ...options }))
}

const nothing = (): void => undefined

/** Finds exactly these, each at least once, and says no. */
function finds(names: readonly string[], falsify: (shop: Falsified) => void, options: Partial<CheckOptions> = {}) {
  return async (): Promise<void> => {
    const { ok, problems } = await checked(falsify, options)
    assert.deepEqual(
      [...new Set(problems.map(({ check }) => check))].toSorted(),
      names.toSorted(),
      linesOf({ ok, problems, checked: {} }).join('\n'),
    )
    assert.equal(ok, false)
    for (const { key, message } of problems) assert.ok(key !== '' && message.endsWith('.'), message)
  }
}

suite('a sound database', () => {
  test('is found sound, with everything counted', async () => {
    const { ledger } = await made
    const { ok, problems, checked: counts } = await checked(nothing, { ledger: () => ledger })
    assert.deepEqual(problems, [])
    assert.equal(ok, true)
    const { SKUs, orders, sagas, streams } = counts
    assert.deepEqual({ SKUs, orders, sagas, streams }, { SKUs: 2, orders: 4, sagas: 5, streams: 4 })
    for (const name of ['cursors', 'records', 'kept answers', 'rows of projections']) {
      assert.ok((counts[name] ?? 0) > 4, `${name} were not counted`)
    }
    assert.match(linesOf({ ok, problems, checked: counts }).join('\n'), /4 orders.*\nEverything adds up/)
  })

  test('is sound without its oldest commands', async () => {
    const { ok, problems } = await checked(({ sql }) => {
      sql(`DELETE FROM orders_log WHERE topic = 'payments.commands'`)
      sql(`UPDATE orders_heads SET first = next WHERE topic = 'payments.commands'`)
    })
    assert.deepEqual([ok, problems], [true, []])
  })

  test('is found sound where a cursor stands above the head of a source that was set back', async () => {
    const { problems } = await checked(({ sql }) => {
      sql(`UPDATE payments_cursors SET next = next + 1 WHERE topic = 'payments.commands' AND source = 'orders'`)
      sql('UPDATE orders_heads SET incarnation = 2')
    })
    assert.deepEqual(problems, [])
  })

  test('is not written to, and its projections are left out where it has to be quick', async () => {
    const { ok, checked: counts } = await checked(nothing, { quick: true })
    assert.equal(ok, true)
    assert.equal(counts['rows of projections'], undefined)
  })

  test('tells how far the check is', async () => {
    const lines: string[] = []
    await checked(nothing, { progress: (line) => lines.push(line) })
    for (const word of ['SKUs', 'orders', 'sagas', 'streams', 'records', 'replayed', 'compared']) {
      assert.ok(
        lines.some((line) => line.includes(word)),
        `nothing was said of ${word}`,
      )
    }
  })
})

suite('a falsified stock', () => {
  test(
    'whose ledger does not add up',
    finds(['stock-ledger'], ({ change }) => change('inventory_stock', 'LAMP', '$.opening', 101)),
  )
  test(
    'that was sold twice',
    finds(['stock-oversold', 'stock-ledger'], ({ change }) =>
      change('inventory_stock', 'LAMP', '$.locations[0].onHand', 2),
    ),
  )
  test(
    'that holds more than the reservations',
    finds(['stock-held'], ({ change }) => change('inventory_stock', 'LAMP', '$.locations[0].held', 4)),
  )
  test(
    'of which more was taken than the reservations took',
    finds(['stock-committed'], ({ change }) => {
      change('inventory_stock', 'LAMP', '$.committed', 6)
      change('inventory_stock', 'LAMP', '$.adjusted', 1)
    }),
  )
  test(
    'that is gone while orders hold it',
    finds(['stock-held', 'stock-committed'], ({ sql }) => sql(`DELETE FROM inventory_stock WHERE key = 'LAMP'`)),
  )
})

suite('a falsified order', () => {
  test(
    'that is cancelled and still holds stock',
    finds(['order-hold', 'stock-held'], ({ change, cancelled }) => {
      change('inventory_reservation', cancelled, '$.status', 'held')
      change('inventory_reservation', cancelled, '$.expiresAt', Date.now() + 3_600_000)
      change('inventory_reservation', cancelled, '$.allocations', [{ sku: 'ROPE', location: 'main', quantity: 1 }])
    }),
  )
  test(
    'whose hold never ran out',
    finds(['order-hold'], ({ change, waiting }) => change('inventory_reservation', waiting, '$.expiresAt', 1)),
  )
  test(
    'that is cancelled and keeps its goods',
    finds(['order-hold'], ({ change, cancelled }) =>
      change('inventory_reservation', cancelled, '$.status', 'committed'),
    ),
  )
  test(
    'whose saga is past reserving and has no hold',
    finds(['saga-hold', 'stock-held'], ({ change, waiting }) => {
      change('inventory_reservation', waiting, '$.status', 'released')
    }),
  )
  test(
    'whose saga is past committing and has no goods',
    finds(['saga-hold'], ({ change, waiting }) => change('orders_checkout', waiting, '$.step', 3)),
  )
  test(
    'that was confirmed and given its money back',
    finds(['order-money'], ({ change, confirmed }) => {
      change('payments_payment', confirmed, '$.parts[0].status', 'refunded')
    }),
  )
  test(
    'of which a return gave back too much',
    finds(['order-money'], ({ change, confirmed }) => {
      change('payments_payment', confirmed, '$.parts[0].returned', '20.00')
    }),
  )
  test(
    'that was cancelled and keeps the money',
    finds(['order-money'], ({ confirmed, cancelled, sql }) => {
      sql(
        `INSERT INTO payments_payment SELECT ?, version, state FROM payments_payment WHERE key = ?`,
        cancelled,
        confirmed,
      )
    }),
  )
  test(
    'whose saga ended otherwise than it',
    finds(['order-saga'], ({ change, confirmed }) => change('orders_checkout', confirmed, '$.status', 'failed')),
  )
  test(
    'whose saga is gone',
    finds(['order-hold', 'order-saga'], ({ sql, waiting }) =>
      sql('DELETE FROM orders_checkout WHERE key = ?', waiting),
    ),
  )
  test(
    'that is gone, but for its hold, its payment and its stream',
    finds(['order-unknown', 'stream-events'], ({ sql, confirmed }) => {
      sql('DELETE FROM orders_order WHERE key = ?', confirmed)
    }),
  )
  test('of which the provider holds other money', async () => {
    const { ledger } = await made
    const falsified = ledger.map((entry) => ({ ...entry, capturedMinor: entry.capturedMinor + 1n }))
    await finds(['provider-money'], nothing, { ledger: () => falsified })()
  })
})

suite('a falsified saga', () => {
  test(
    'that is past its time',
    finds(['saga-late'], ({ change, waiting }) => change('orders_checkout', waiting, '$.due', Date.now() - 61_000)),
  )
  test(
    'that waits for its order for ever',
    finds(['saga-late', 'saga-hold'], ({ change, waiting }) => {
      change('orders_checkout', waiting, '$.status', 'succeeding')
      change('orders_checkout', waiting, '$.due', 0)
      change('orders_checkout', waiting, '$.history', [{ at: 1, what: 'ship done' }])
    }),
  )
  test('that is flagged is a person’s to look at, and no fault', async () => {
    const { ok, problems } = await checked(({ change, waiting }) => {
      change('orders_checkout', waiting, '$.status', 'needs-person')
      change('orders_checkout', waiting, '$.flagged', ['pay'])
    })
    assert.deepEqual(
      [ok, problems.map(({ check, severity }) => [check, severity])],
      [true, [['saga-person', 'person']]],
    )
    assert.match(linesOf({ ok, problems, checked: {} }).join('\n'), /person .*pay/)
  })
})

/** Writes a dead letter of the order that waits, in one of the statuses that leave its message without effect. */
function bury({ sql, waiting }: Falsified, service: string, [type, status]: readonly [string, string]): void {
  sql(
    `INSERT INTO ${service}_dead_letters (id, version, consumer_group, key_name, key, position, topic, source,
      partition, generation, incarnation, sequence, appended_at, type, record, attempts, first_failed_at,
      last_failed_at, fault_class, code, message, stack, handler, parked_at, died_at, status, redrive_count)
     VALUES (?, 1, ?, 'orderId', ?, 1, ?, 'orders', 0, 1, 1, 999, 1, ?,
      '{}', 15, 1, 1, 'transient', 'Error', '', '', ?, 1, 1, ?, 0)`,
    type,
    service,
    waiting,
    `${service}.commands`,
    type,
    type,
    status,
  )
}

suite('a message that was given up', () => {
  const tell = ({ problems }: CheckReport) => problems.map(({ check, severity }) => [check, severity])
  const loseHold = ({ change, waiting }: Falsified) => {
    change('inventory_reservation', waiting, '$.status', 'released')
    change('inventory_stock', 'LAMP', '$.locations[0].held', 0)
  }

  test('is a person’s to look at, and no fault', async () => {
    const report = await checked((shop) => bury(shop, 'inventory', ['ReserveStock', 'dead']))
    assert.deepEqual([report.ok, tell(report)], [true, [['dead-letter', 'person']]])
  })

  test('and whose discarding left its order without an effect is named with it: nothing stays undecided', async () => {
    const report = await checked((shop) => {
      bury(shop, 'inventory', ['ReserveStock', 'discarded'])
      loseHold(shop)
    })
    assert.deepEqual([report.ok, tell(report)], [true, [['saga-hold', 'person']]])
    assert.match(
      report.problems[0]?.message ?? '',
      /^ReserveStock in inventory was discarded by a person\. Its saga is past/,
    )
    assert.equal(report.checked['orders too busy to tell'], undefined)
  })

  test('and waits for a decision is named with what is missing until then, with all that waits behind it', async () => {
    const report = await checked((shop) => {
      bury(shop, 'inventory', ['ReserveStock', 'dead'])
      shop.sql(
        `INSERT INTO inventory_parked (consumer_group, key_name, key, position, topic, source, partition, generation,
          incarnation, sequence, appended_at, type, record, attempts, parked_at)
         SELECT consumer_group, key_name, key, 2, topic, source, partition, generation, incarnation, 1000, appended_at,
          'ReleaseStock', record, 0, 1 FROM inventory_dead_letters`,
      )
      loseHold(shop)
    })
    assert.deepEqual(
      [report.ok, tell(report)],
      [
        true,
        [
          ['saga-hold', 'person'],
          ['dead-letter', 'person'],
        ],
      ],
    )
    assert.equal(report.checked['orders too busy to tell'], undefined)
  })

  test(
    'explains nothing that another service did',
    finds(['saga-hold'], (shop) => {
      bury(shop, 'payments', ['CapturePayment', 'discarded'])
      loseHold(shop)
    }),
  )

  test(
    'explains no limit that ran out and nobody saw',
    finds(['saga-late'], (shop) => {
      bury(shop, 'payments', ['CapturePayment', 'discarded'])
      shop.change('orders_checkout', shop.waiting, '$.due', Date.now() - 61_000)
    }),
  )

  test('and with which an order’s saga would have begun tells why the order has none', async () => {
    const report = await checked((shop) => {
      bury(shop, 'orders', ['OrderPlaced', 'discarded'])
      shop.sql('DELETE FROM orders_checkout WHERE key = ?', shop.waiting)
    })
    assert.deepEqual(
      [report.ok, tell(report)],
      [
        true,
        [
          ['order-saga', 'person'],
          ['order-hold', 'person'],
        ],
      ],
    )
  })
})

suite('falsified books', () => {
  test(
    'an event that its order does not count',
    finds(['stream-events'], ({ sql, waiting }) => {
      sql(
        `INSERT INTO orders_streams
         SELECT kind, key, event + 1, type, data, recorded_at FROM orders_streams WHERE key = ?`,
        waiting,
      )
    }),
  )
  test(
    'an event that is gone',
    finds(['stream-events'], ({ sql, confirmed }) =>
      sql('DELETE FROM orders_streams WHERE key = ? AND event = 2', confirmed),
    ),
  )
  test(
    'an event that says something else than the order',
    finds(['stream-fold'], ({ sql, waiting }) => {
      sql(`UPDATE orders_streams SET data = json_set(data, '$.reference', 'x') WHERE key = ? AND event = 1`, waiting)
    }),
  )
  test(
    'a record that is gone',
    finds(['log-gap'], ({ sql }) => {
      // Of commands, which no projection replays.
      sql(
        `DELETE FROM orders_log
         WHERE position = (SELECT min(position) FROM orders_log WHERE topic = 'payments.commands')`,
      )
    }),
  )
  test(
    'the last records, which only the head tells of',
    finds(['log-gap'], ({ sql }) => {
      sql(
        `DELETE FROM orders_log
         WHERE position = (SELECT max(position) FROM orders_log WHERE topic = 'payments.commands')`,
      )
    }),
  )
  test(
    'records that are there though their head says that they went',
    finds(['log-gap'], ({ sql }) => {
      sql(`UPDATE orders_heads SET first = next WHERE topic = 'payments.commands' AND next > 0`)
    }),
  )
  test(
    'a group that stands below what is kept',
    finds(['cursor'], ({ sql }) => {
      sql(`DELETE FROM orders_log WHERE topic = 'payments.commands'`)
      sql(`UPDATE orders_heads SET first = next WHERE topic = 'payments.commands'`)
      sql(`UPDATE payments_cursors SET next = next - 1 WHERE topic = 'payments.commands'`)
    }),
  )
  test(
    'a row of the log that lacks a record',
    finds(['log-gap'], ({ sql }) => {
      sql(
        `UPDATE orders_log SET body = '[]' WHERE position =
         (SELECT min(position) FROM orders_log WHERE topic = 'payments.commands')`,
      )
    }),
  )
  test(
    'a record in another partition than its key’s',
    finds(['log-partition'], ({ sql }) => {
      sql(
        `UPDATE orders_log
         SET body = json_set(body, '$[0].key', CASE partition WHEN ? THEN 'elsewhere' ELSE 'stray' END)
         WHERE position = (SELECT min(position) FROM orders_log WHERE topic = 'payments.commands')`,
        partitionFor('stray', 6),
      )
    }),
  )
  test(
    'a cursor above its head',
    finds(['cursor'], ({ sql }) => {
      sql(`UPDATE payments_cursors SET next = next + 1 WHERE topic = 'payments.commands' AND source = 'orders'`)
    }),
  )
  test(
    'a row of a projection',
    finds(['projection'], ({ sql, waiting }) =>
      sql(`UPDATE orders_order_list SET status = 'PAID' WHERE order_id = ?`, waiting),
    ),
  )
  test(
    'a row that a projection lacks, and one that it should not have',
    finds(['projection'], ({ sql, waiting }) =>
      sql('UPDATE orders_order_list SET order_id = ? WHERE order_id = ?', 'x', waiting),
    ),
  )
  test(
    'a kept answer that can not be given again',
    finds(['idempotency'], ({ sql }) => sql(`UPDATE orders_idempotency SET reply = '{}' WHERE status = 201`)),
  )
  test(
    'a kept answer of no status',
    finds(['idempotency'], ({ sql }) => sql(`UPDATE orders_idempotency SET status = 7 WHERE status = 201`)),
  )
  test(
    'a request that nobody answers any more',
    finds(['effect'], ({ sql, waiting }) => {
      sql(
        `INSERT INTO payments_effects (id, version, effect, key, partition, request, correlation, cause, attempts, due,
         requested_in, ordinal, created_at) VALUES ('e', 1, 'captureAtGateway', ?, 0, '{}', ?, '', 0, 0, 0, 0, ?)`,
        waiting,
        waiting,
        Date.now() - 25 * 3_600_000,
      )
    }),
  )
  test(
    'a request of an effect that nobody has',
    finds(['effect'], ({ sql, waiting }) => {
      sql(
        `INSERT INTO payments_effects (id, version, effect, key, partition, request, correlation, cause, attempts, due,
         requested_in, ordinal, created_at) VALUES ('e', 1, 'gone', ?, 0, '{}', ?, '', 0, 0, 0, 0, ?)`,
        waiting,
        waiting,
        Date.now(),
      )
    }),
  )
})
