// The rules of holds: all or nothing, once, final, and undone in whatever order the undos come.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import { commitStock, restockOrder } from './commit-stock.ts'
import {
  CommitStock,
  ExpireReservation,
  OrderRestocked,
  ReleaseStock,
  ReservationExpired,
  ReserveStock,
  RestockOrder,
  StockCommitRefused,
  StockCommitted,
  StockLow,
  StockRefused,
  StockReleased,
  StockReserved,
} from './contract.ts'
import { expireReservation, releaseStock } from './release-stock.ts'
import { reservation } from './reservation.ts'
import { reserveStock } from './reserve-stock.ts'
import { availableOf, heldOf, onHandOf, stock } from './stock.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const items = [{ sku: 'CUP', quantity: 3 }]
const holdMs = 60_000
const order = { orderId, items }

function shelf(quantities: Readonly<Record<string, number>> = { CUP: 10, LID: 10 }): Holding {
  return holding(
    Object.entries(quantities).map(([sku, onHand]) =>
      starting(stock.at(sku), {
        opened: true,
        opening: onHand,
        lowAt: 0,
        locations: [{ name: 'main', onHand, held: 0 }],
      }),
    ),
  )
}

function counts(held: Holding, sku = 'CUP') {
  const found = held.state(stock.at(sku))
  return { onHand: onHandOf(found), held: heldOf(found), available: availableOf(found) }
}

const reserved = (): Holding => {
  const held = shelf()
  held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
  return held
}

const committed = (): Holding => {
  const held = reserved()
  held.handle(commitStock, CommitStock(order))
  return held
}

suite('reserving', () => {
  test('an order holds what it asks for, and its expiry is scheduled', () => {
    const held = shelf()
    const { said, scheduled } = held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    assert.deepEqual(said, [StockReserved({ orderId, units: 3 })])
    assert.deepEqual(scheduled, [{ at: TEST_NOW + holdMs, command: ExpireReservation(order) }])
    assert.deepEqual(counts(held), { onHand: 10, held: 3, available: 7 })
  })

  test('asked twice, it is held once', () => {
    const held = reserved()
    const again = held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    assert.deepEqual(again.said, [StockReserved({ orderId, units: 3 })])
    assert.deepEqual(again.scheduled, [])
    assert.equal(counts(held).held, 3)
  })

  test('one line that is short refuses all lines', () => {
    const held = shelf({ CUP: 10, LID: 1 })
    const lines = [...items, { sku: 'LID', quantity: 2 }]
    const { said } = held.handle(reserveStock, ReserveStock({ orderId, items: lines, holdMs }))
    assert.deepEqual(said, [StockRefused({ orderId, missing: [{ sku: 'LID', wanted: 2, available: 1 }] })])
    assert.equal(counts(held).held, 0)
  })

  test('a SKU named twice is summed before it is checked', () => {
    const lines = [...items, ...items, ...items, ...items]
    const { said } = shelf().handle(reserveStock, ReserveStock({ orderId, items: lines, holdMs }))
    assert.deepEqual(said, [StockRefused({ orderId, missing: [{ sku: 'CUP', wanted: 12, available: 10 }] })])
  })

  test('a SKU that nobody opened has nothing to hold', () => {
    const { said } = shelf({}).handle(reserveStock, ReserveStock({ ...order, holdMs }))
    assert.deepEqual(said, [StockRefused({ orderId, missing: [{ sku: 'CUP', wanted: 3, available: 0 }] })])
  })

  test('a refused order stays refused when it is asked again with stock there', () => {
    const held = shelf({ CUP: 1 })
    const { said } = held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    const plenty = holding([
      [reservation.at(orderId), held.state(reservation.at(orderId))],
      starting(stock.at('CUP'), { locations: [{ name: 'main', onHand: 10, held: 0 }] }),
    ])
    assert.deepEqual(plenty.handle(reserveStock, ReserveStock({ ...order, holdMs })).said, said)
  })

  test('a quantity is gathered from several locations', () => {
    const held = holding([
      starting(stock.at('CUP'), {
        locations: [
          { name: 'main', onHand: 2, held: 0 },
          { name: 'cellar', onHand: 2, held: 0 },
        ],
      }),
    ])
    held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    assert.deepEqual(held.state(reservation.at(orderId)).allocations, [
      { sku: 'CUP', location: 'main', quantity: 2 },
      { sku: 'CUP', location: 'cellar', quantity: 1 },
    ])
  })
})

suite('releasing and expiring', () => {
  test('a released hold is free again', () => {
    const held = reserved()
    assert.deepEqual(held.handle(releaseStock, ReleaseStock(order)).said, [StockReleased({ orderId, units: 3 })])
    assert.deepEqual(counts(held), { onHand: 10, held: 0, available: 10 })
    assert.deepEqual(held.handle(releaseStock, ReleaseStock(order)).said, [StockReleased({ orderId, units: 0 })])
  })

  test('a release that comes first leaves a tombstone, and the reserve is refused', () => {
    const held = shelf()
    assert.deepEqual(held.handle(releaseStock, ReleaseStock(order)).said, [StockReleased({ orderId, units: 0 })])
    const late = held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    assert.deepEqual(late.said, [StockRefused({ orderId, missing: [] })])
    assert.equal(counts(held).held, 0)
  })

  test('a hold expires when its time has come, and not before', () => {
    const held = reserved()
    const early = held.handle(expireReservation, ExpireReservation(order), { now: TEST_NOW + holdMs - 1 })
    assert.deepEqual(early.said, [])
    assert.equal(early.scheduled[0]?.at, TEST_NOW + holdMs)
    const due = held.handle(expireReservation, ExpireReservation(order), { now: TEST_NOW + holdMs })
    assert.deepEqual(due.said, [ReservationExpired({ orderId, units: 3 })])
    assert.deepEqual(counts(held), { onHand: 10, held: 0, available: 10 })
  })

  test('what is committed or released does not expire', () => {
    const released = reserved()
    released.handle(releaseStock, ReleaseStock(order))
    for (const held of [committed(), released]) {
      const { said, scheduled } = held.handle(expireReservation, ExpireReservation(order), { now: TEST_NOW + holdMs })
      assert.deepEqual([said, scheduled], [[], []])
    }
  })

  test('an expired hold is not released a second time', () => {
    const held = reserved()
    held.handle(expireReservation, ExpireReservation(order), { now: TEST_NOW + holdMs })
    assert.deepEqual(held.handle(releaseStock, ReleaseStock(order)).said, [StockReleased({ orderId, units: 0 })])
    assert.equal(held.state(reservation.at(orderId)).status, 'expired')
  })
})

suite('committing and its undo', () => {
  test('a commit takes the hold off the stock on hand, once', () => {
    const held = committed()
    assert.deepEqual(counts(held), { onHand: 7, held: 0, available: 7 })
    assert.deepEqual(held.handle(commitStock, CommitStock(order)).said, [StockCommitted({ orderId, units: 3 })])
    assert.equal(counts(held).onHand, 7)
    assert.equal(held.state(stock.at('CUP')).committed, 3)
  })

  test('an expired hold can not be committed: another order may have its pieces', () => {
    const held = reserved()
    held.handle(expireReservation, ExpireReservation(order), { now: TEST_NOW + holdMs })
    const { said } = held.handle(commitStock, CommitStock(order))
    assert.deepEqual(said, [StockCommitRefused({ orderId, state: 'expired' })])
  })

  test('an order that holds nothing can not be committed', () => {
    const { said } = shelf().handle(commitStock, CommitStock(order))
    assert.deepEqual(said, [StockCommitRefused({ orderId, state: 'none' })])
  })

  test('a restocked order is on hand again, once', () => {
    const held = committed()
    assert.deepEqual(held.handle(restockOrder, RestockOrder(order)).said, [OrderRestocked({ orderId, units: 3 })])
    assert.deepEqual(held.handle(restockOrder, RestockOrder(order)).said, [OrderRestocked({ orderId, units: 0 })])
    assert.deepEqual(counts(held), { onHand: 10, held: 0, available: 10 })
    assert.equal(held.state(stock.at('CUP')).restocked, 3)
  })

  test('an undo that comes before the commit keeps the hold and refuses the commit', () => {
    const held = reserved()
    assert.deepEqual(held.handle(restockOrder, RestockOrder(order)).said, [OrderRestocked({ orderId, units: 0 })])
    assert.equal(counts(held).held, 3)
    const late = held.handle(commitStock, CommitStock(order))
    assert.deepEqual(late.said, [StockCommitRefused({ orderId, state: 'restocked' })])
    assert.deepEqual(held.handle(releaseStock, ReleaseStock(order)).said, [StockReleased({ orderId, units: 3 })])
  })

  test('an undo of an order that nobody knows is remembered', () => {
    const held = shelf()
    held.handle(restockOrder, RestockOrder(order))
    held.handle(reserveStock, ReserveStock({ ...order, holdMs }))
    const { said } = held.handle(commitStock, CommitStock(order))
    assert.deepEqual(said, [StockCommitRefused({ orderId, state: 'restocked' })])
  })
})

test('low stock is said once, and again only after there was more', () => {
  const held = holding([starting(stock.at('CUP'), { lowAt: 5, locations: [{ name: 'main', onHand: 8, held: 0 }] })])
  const reserve = (last: number, quantity: number) => {
    const id = `019a0000-0000-7000-8000-00000000001${last}`
    return held.handle(reserveStock, ReserveStock({ orderId: id, items: [{ sku: 'CUP', quantity }], holdMs })).said
  }
  assert.equal(reserve(1, 2).length, 1)
  assert.deepEqual(reserve(2, 1)[1], StockLow({ sku: 'CUP', available: 5, threshold: 5 }))
  assert.equal(reserve(3, 1).length, 1)
  const first = { orderId: '019a0000-0000-7000-8000-000000000011', items }
  held.handle(releaseStock, ReleaseStock(first))
  assert.deepEqual(reserve(4, 1)[1], StockLow({ sku: 'CUP', available: 5, threshold: 5 }))
})
