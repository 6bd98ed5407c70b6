// The rules of stock outside of orders: opening, adjusting with a reason, goods that come back.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Refusal } from '../../kernel/refuse.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import { ProductAdded } from '../catalog/contract.ts'
import { adjustStock, adjustment, openStock } from './adjust-stock.ts'
import {
  AdjustStock,
  ReturnRestocked,
  ReturnTakenBack,
  RestockReturn,
  StockAdjusted,
  TakeBackReturn,
} from './contract.ts'
import { restockReturn, returnedStockAt, takeBackReturn } from './returned-stock.ts'
import { MAX_LOCATIONS, chooseLocations, hold, onHandOf, release, stock } from './stock.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const returnId = '019a0000-0000-7000-8000-0000000000aa'
const adjustmentId = '019a0000-0000-7000-8000-0000000000bb'
const sku = 'CUP'

function shelf(onHand: number, held = 0): Holding {
  return holding([
    starting(stock.at(sku), { opened: true, opening: onHand, locations: [{ name: 'main', onHand, held }] }),
  ])
}

const adjusting = (quantity: number, location = 'main') =>
  AdjustStock({ sku, location, quantity, reason: 'counted', adjustmentId })

const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

suite('opening', () => {
  const added = ProductAdded({
    sku,
    productId: orderId,
    name: 'Cup',
    description: '',
    price: '3.00',
    currency: 'EUR',
    active: true,
    openingQuantity: 7,
  })

  test('a new product opens its stock at main, once', () => {
    const held = holding()
    const { said } = held.handle(openStock, added)
    assert.deepEqual(said, [StockAdjusted({ sku, location: 'main', quantity: 7, onHand: 7, reason: 'opening stock' })])
    assert.deepEqual(held.handle(openStock, added).said, [])
    const { opening, locations } = held.state(stock.at(sku))
    assert.deepEqual([opening, locations], [7, [{ name: 'main', onHand: 7, held: 0 }]])
  })
})

suite('adjusting', () => {
  test('an adjustment happens once, and is remembered with its reason and who made it', () => {
    const held = shelf(5)
    const { said } = held.handle(adjustStock, adjusting(-2), { principal: 'key clerk' })
    assert.deepEqual(said[0], StockAdjusted({ sku, location: 'main', quantity: -2, onHand: 3, reason: 'counted' }))
    assert.deepEqual(held.handle(adjustStock, adjusting(-2)).said, [])
    assert.equal(onHandOf(held.state(stock.at(sku))), 3)
    const { at, by, reason } = held.state(adjustment.at(adjustmentId))
    assert.deepEqual({ at, by, reason }, { at: TEST_NOW, by: 'key clerk', reason: 'counted' })
  })

  test('what orders hold can not be adjusted away', () => {
    assert.throws(() => shelf(5, 4).handle(adjustStock, adjusting(-2)), refuses('STOCK_BELOW_HELD'))
  })

  test('a location that is new begins empty', () => {
    const held = shelf(5)
    held.handle(adjustStock, adjusting(3, '__proto__'))
    assert.deepEqual(held.state(stock.at(sku)).locations[1], { name: '__proto__', onHand: 3, held: 0 })
  })

  test('a SKU that nobody added has no stock to adjust', () => {
    assert.throws(() => holding().handle(adjustStock, adjusting(1)), refuses('STOCK_NOT_FOUND'))
  })

  test('a SKU lies at a limited number of locations', () => {
    const locations = Array.from({ length: MAX_LOCATIONS }, (_, at) => ({ name: `shelf ${at}`, onHand: 0, held: 0 }))
    const held = holding([starting(stock.at(sku), { opened: true, locations })])
    assert.throws(() => held.handle(adjustStock, adjusting(1, 'one more')), refuses('STOCK_LOCATIONS_FULL'))
    assert.equal(held.handle(adjustStock, adjusting(1, 'shelf 0')).said.length, 1)
  })

  test('more than can be counted is refused', () => {
    assert.throws(() => shelf(10 ** 12).handle(adjustStock, adjusting(1)), refuses('STOCK_ABOVE_LIMIT'))
  })
})

test('whoever would oversell without having checked is stopped', () => {
  const shelved = shelf(5, 4).state(stock.at(sku))
  assert.throws(() => hold(shelved, { location: 'main', quantity: 2 }), /oversold/)
  assert.throws(() => release(shelved, { location: 'main', quantity: 5 }), /oversold/)
  assert.throws(() => chooseLocations(shelved, 2), /not available/)
})

suite('goods that come back', () => {
  const items = [
    { sku, quantity: 1 },
    { sku, quantity: 2 },
  ]
  const back = { orderId, returnId, items }
  const restocked = ReturnRestocked({ orderId, returnId, units: 3 })
  const takenBack = ReturnTakenBack({ orderId, returnId, units: 3 })

  test('they are on hand again, once', () => {
    const held = shelf(0)
    assert.deepEqual(held.handle(restockReturn, RestockReturn(back)).said, [restocked])
    assert.deepEqual(held.handle(restockReturn, RestockReturn(back)).said, [restocked])
    assert.equal(onHandOf(held.state(stock.at(sku))), 3)
  })

  test('taken back, they are off again, once', () => {
    const held = shelf(0)
    held.handle(restockReturn, RestockReturn(back))
    assert.deepEqual(held.handle(takeBackReturn, TakeBackReturn(back)).said[0], takenBack)
    assert.deepEqual(held.handle(takeBackReturn, TakeBackReturn(back)).said, [takenBack])
    const { restocked: ledger, locations } = held.state(stock.at(sku))
    assert.deepEqual([ledger, locations[0]?.onHand], [0, 0])
  })

  test('an undo that comes first leaves a tombstone, and nothing is put on stock', () => {
    const held = shelf(0)
    const { said } = held.handle(takeBackReturn, TakeBackReturn(back))
    assert.deepEqual(said, [ReturnTakenBack({ orderId, returnId, units: 0 })])
    assert.deepEqual(held.handle(restockReturn, RestockReturn(back)).said, [])
    assert.equal(onHandOf(held.state(stock.at(sku))), 0)
  })

  test('while another order holds them, the undo waits and says nothing', () => {
    const held = holding([
      starting(stock.at(sku), { opened: true, restocked: 3, locations: [{ name: 'main', onHand: 3, held: 2 }] }),
      starting(returnedStockAt(back), { status: 'restocked', items: [{ sku, quantity: 3 }] }),
    ])
    let rounds = 0
    let { said, scheduled } = held.handle(takeBackReturn, TakeBackReturn(back))
    assert.deepEqual(scheduled, [{ at: TEST_NOW + 60_000, command: TakeBackReturn(back) }])
    while (scheduled.length > 0) {
      assert.deepEqual(said, [])
      rounds += 1
      ;({ said, scheduled } = held.handle(takeBackReturn, TakeBackReturn(back)))
    }
    assert.equal(rounds, 59)
  })
})
