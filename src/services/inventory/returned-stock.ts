// Goods that a client sends back go on stock again; if his money can not be given back, they come off it once more.
import { entity } from '../../kernel/entity.ts'
import { on, schedule } from '../../kernel/handler.ts'
import type { Held } from '../../kernel/handler.ts'
import type { StockLine } from './contract.ts'
import { ReturnRestocked, ReturnTakenBack, RestockReturn, StockLow, TakeBackReturn } from './contract.ts'
import { sayLowStock } from './low-stock.ts'
import type { Allocation } from './stock.ts'
import { MAIN_LOCATION, locationOf, moveStock, quantityBySku, restock, stock, stocksOf, unitsOf } from './stock.ts'

/** Somebody may hold what was just put on stock: it is looked at again this often, this many times. */
const TAKE_BACK_RETRY_MS = 60_000
const TAKE_BACK_TRIES = 60

export interface ReturnedStock {
  readonly status: 'none' | 'restocked' | 'taking-back' | 'taken-back'
  readonly items: readonly StockLine[]
  readonly tries: number
}

/** By order and return. */
export const returnedStock = entity<ReturnedStock>('returned_stock', {
  initial: () => ({ status: 'none', items: [], tries: 0 }),
})

interface ReturnNamed {
  readonly orderId: string
  readonly returnId: string
}

export function returnedStockAt({ orderId, returnId }: ReturnNamed) {
  return returnedStock.at(`${orderId}.${returnId}`)
}

export const restockReturn = on(RestockReturn, {
  says: [ReturnRestocked],
  loads: (data) => [returnedStockAt(data), ...stocksOf(data.items)],
  handle: (data, held) => {
    const { orderId, returnId } = data
    const before = held.get(returnedStockAt(data))
    if (before.status === 'restocked') return ReturnRestocked({ orderId, returnId, units: unitsOf(before.items) })
    // Its undo came first: nobody waits for this one any more.
    if (before.status !== 'none') return []
    const items = quantityBySku(data.items)
    moveStock(held, atMain(items), restock)
    held.put(returnedStockAt(data), { ...before, status: 'restocked', items })
    return ReturnRestocked({ orderId, returnId, units: unitsOf(items) })
  },
})

/**
 * Takes back all pieces or none. While others hold them nothing is answered, so that the saga calls for a person when
 * its limit is over, and a later answer still ends it.
 */
export const takeBackReturn = on(TakeBackReturn, {
  says: [ReturnTakenBack, StockLow],
  loads: (data) => [returnedStockAt(data), ...stocksOf(data.items)],
  handle: (data, held, { now }) => {
    const { orderId, returnId } = data
    const ref = returnedStockAt(data)
    const before = held.get(ref)
    const { status, items, tries } = before
    if (status === 'none') held.put(ref, { ...before, status: 'taken-back' })
    if (status === 'none' || status === 'taken-back') {
      return ReturnTakenBack({ orderId, returnId, units: unitsOf(items) })
    }
    if (!isFree(held, items)) {
      held.put(ref, { ...before, status: 'taking-back', tries: tries + 1 })
      return tries + 1 < TAKE_BACK_TRIES ? schedule(TakeBackReturn(data), now + TAKE_BACK_RETRY_MS) : []
    }
    moveStock(held, atMain(items), (stock, { location, quantity }) => restock(stock, { location, quantity: -quantity }))
    held.put(ref, { ...before, status: 'taken-back' })
    return [ReturnTakenBack({ orderId, returnId, units: unitsOf(items) }), ...sayLowStock(held, items)]
  },
})

function atMain(items: readonly StockLine[]): Allocation[] {
  return items.map(({ sku, quantity }) => ({ sku, location: MAIN_LOCATION, quantity }))
}

function isFree(held: Held, items: readonly StockLine[]): boolean {
  return items.every(({ sku, quantity }) => {
    const main = locationOf(held.get(stock.at(sku)), MAIN_LOCATION)
    return main.onHand - main.held >= quantity
  })
}
