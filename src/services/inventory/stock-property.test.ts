// Whatever comes in whatever order: nothing is oversold, the ledger adds up, and undoing everything leaves nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Handler } from '../../kernel/handler.ts'
import type { Message } from '../../kernel/message.ts'
import { Refusal } from '../../kernel/refuse.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import { adjustStock } from './adjust-stock.ts'
import { commitStock, restockOrder } from './commit-stock.ts'
import * as contract from './contract.ts'
import { expireReservation, releaseStock } from './release-stock.ts'
import { reservation } from './reservation.ts'
import { reserveStock } from './reserve-stock.ts'
import { restockReturn, takeBackReturn } from './returned-stock.ts'
import { heldOf, onHandOf, quantityBySku, stock, unitsOf } from './stock.ts'

const SKUS = ['A', 'B', 'C']
const ORDERS = 4
const HOLD_MS = 1000
const OPENING = 6

const uuid = (space: string, at: number): string =>
  `019a0000-0000-7000-8000-0000000${space}${String(at).padStart(4, '0')}`

interface Step {
  readonly what: 'reserve' | 'release' | 'commit' | 'restock' | 'expire' | 'adjust' | 'return' | 'takeBack'
  readonly order: number
  readonly change: number
  readonly sku: number
  readonly location: 'main' | 'cellar'
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('reserve', 'release', 'commit', 'restock', 'expire', 'adjust', 'return', 'takeBack'),
  order: fc.nat(ORDERS - 1),
  change: fc.integer({ min: -4, max: 4 }),
  sku: fc.nat(SKUS.length - 1),
  location: fc.constantFrom('main', 'cellar'),
})

const lines = fc.array(fc.record({ sku: fc.constantFrom(...SKUS), quantity: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 1,
  maxLength: 4,
})
const orders = fc.array(lines, { minLength: ORDERS, maxLength: ORDERS })

function shelf(): Holding {
  return holding(
    SKUS.map((sku) =>
      starting(stock.at(sku), {
        opened: true,
        opening: OPENING,
        locations: [
          { name: 'main', onHand: OPENING - 2, held: 0 },
          { name: 'cellar', onHand: 2, held: 0 },
        ],
      }),
    ),
  )
}

function asMessage(
  { what, order, change, sku, location }: Step,
  items: contract.StockLine[],
  at: number,
): [Handler, Message] {
  const orderId = uuid('0', order)
  const back = { orderId, returnId: uuid('1', order), items }
  const correction = {
    sku: SKUS[sku] ?? '',
    location,
    quantity: change,
    reason: 'counted',
    adjustmentId: uuid('2', at),
  }
  switch (what) {
    case 'reserve':
      return [reserveStock, contract.ReserveStock({ orderId, items, holdMs: HOLD_MS })]
    case 'release':
      return [releaseStock, contract.ReleaseStock({ orderId, items })]
    case 'commit':
      return [commitStock, contract.CommitStock({ orderId, items })]
    case 'restock':
      return [restockOrder, contract.RestockOrder({ orderId, items })]
    case 'expire':
      return [expireReservation, contract.ExpireReservation({ orderId, items })]
    case 'return':
      return [restockReturn, contract.RestockReturn(back)]
    case 'takeBack':
      return [takeBackReturn, contract.TakeBackReturn(back)]
    case 'adjust':
      return [adjustStock, contract.AdjustStock(correction)]
  }
}

/** Runs the steps, some milliseconds apart so that holds expire midway; what is refused leaves nothing behind. */
function play(held: Holding, steps: readonly Step[], items: readonly contract.StockLine[][], check: () => void): void {
  for (const [at, step] of steps.entries()) {
    const [handler, message] = asMessage(step, items[step.order] ?? [], at)
    try {
      held.handle(handler, message, { now: TEST_NOW + at * 100 })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
    check()
  }
}

function checkSound(held: Holding): void {
  const holds = new Map<string, number>()
  for (let order = 0; order < ORDERS; order += 1) {
    const { status, allocations } = held.state(reservation.at(uuid('0', order)))
    if (status !== 'held') continue
    for (const { sku, quantity } of quantityBySku(allocations)) holds.set(sku, (holds.get(sku) ?? 0) + quantity)
  }
  for (const sku of SKUS) {
    const found = held.state(stock.at(sku))
    for (const { onHand, held } of found.locations) assert.ok(onHand >= held && held >= 0, 'oversold')
    const { opening, adjusted, restocked, committed } = found
    assert.equal(onHandOf(found), opening + adjusted + restocked - committed, 'the ledger does not add up')
    assert.equal(heldOf(found), holds.get(sku) ?? 0, 'held without a reservation')
  }
}

test('onHand >= held >= 0 and the ledger adds up, in any interleaving of everything', () => {
  fc.assert(
    fc.property(orders, fc.array(step, { maxLength: 60 }), (items, steps) => {
      const held = shelf()
      play(held, steps, items, () => checkSound(held))
    }),
    { numRuns: 300 },
  )
})

const saga: fc.Arbitrary<Step[]> = fc.array(
  step.filter(({ what }) => ['reserve', 'release', 'commit', 'restock', 'expire'].includes(what)),
  { maxLength: 40 },
)

test('an order whose steps were all undone, in any order and however late its steps come, leaves nothing', () => {
  fc.assert(
    fc.property(orders, saga, saga, fc.boolean(), (items, before, after, releasesFirst) => {
      const held = shelf()
      const step = (what: Step['what']) => (order: number) =>
        ({ what, order, change: 0, sku: 0, location: 'main' }) as const
      const all = Array.from({ length: ORDERS }, (_, order) => order)
      const undos = [all.map(step('restock')), all.map(step('release'))]
      const undone = (releasesFirst ? undos.toReversed() : undos).flat()
      play(held, [...before, ...undone, ...after], items, () => checkSound(held))
      for (const sku of SKUS) {
        const found = held.state(stock.at(sku))
        assert.deepEqual([onHandOf(found), heldOf(found)], [OPENING, 0])
      }
    }),
    { numRuns: 300 },
  )
})

test('what commits say went out is what the ledgers say', () => {
  fc.assert(
    fc.property(orders, saga, (items, steps) => {
      const held = shelf()
      let out = 0
      for (const [at, step] of steps.entries()) {
        const [handler, message] = asMessage(step, items[step.order] ?? [], at)
        const before = held.state(reservation.at(uuid('0', step.order))).status
        const { said } = held.handle(handler, message, { now: TEST_NOW + at * 100 })
        const after = held.state(reservation.at(uuid('0', step.order)))
        if (before === 'held' && after.status === 'committed') out += unitsOf(after.allocations)
        if (before === 'committed' && after.status === 'restocked') out -= unitsOf(after.allocations)
        assert.ok(said.length > 0 || step.what === 'expire', 'a command of the saga was left without an answer')
      }
      const ledgers = SKUS.map((sku) => held.state(stock.at(sku)))
      assert.equal(
        ledgers.reduce((sum, { committed, restocked }) => sum + committed - restocked, 0),
        out,
      )
    }),
    { numRuns: 200 },
  )
})
