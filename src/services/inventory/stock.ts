// The stock of one SKU: what lies where, what orders hold of it, and the ledger that explains it.
import { entity } from '../../kernel/entity.ts'
import type { Held, Ref } from '../../kernel/handler.ts'
import type { StockLine } from './contract.ts'

/** Where opening stock and returned goods lie. */
export const MAIN_LOCATION = 'main'
/** StockLow is said when no more than this many pieces are free. */
const LOW_STOCK_AT = 5
/** A SKU's document names each of its locations, so their number has to stay small. */
export const MAX_LOCATIONS = 50
/** Far below 2^53, so that sums over many SKUs stay exact. */
export const MAX_ON_HAND = 10 ** 12

export interface Location {
  readonly name: string
  readonly onHand: number
  readonly held: number
}

/** On hand over all locations is always opening + adjusted + restocked - committed: `lonja check` holds it to that. */
export interface Stock {
  readonly opened: boolean
  readonly locations: readonly Location[]
  readonly opening: number
  readonly adjusted: number
  readonly committed: number
  readonly restocked: number
  readonly lowAt: number
  /** StockLow was said, and since then there were never more pieces free than `lowAt`. */
  readonly low: boolean
}

/** Pieces of one SKU at one location that an order holds or took. */
export interface Allocation {
  readonly sku: string
  readonly location: string
  readonly quantity: number
}

/** Pieces at one location. */
type Pieces = Omit<Allocation, 'sku'>

export const stock = entity<Stock>('stock', {
  initial: () => ({
    opened: false,
    locations: [],
    opening: 0,
    adjusted: 0,
    committed: 0,
    restocked: 0,
    lowAt: LOW_STOCK_AT,
    low: false,
  }),
})

export function onHandOf({ locations }: Stock): number {
  return locations.reduce((sum, { onHand }) => sum + onHand, 0)
}

export function heldOf({ locations }: Stock): number {
  return locations.reduce((sum, { held }) => sum + held, 0)
}

/** What a new order can still have. */
export function availableOf({ locations }: Stock): number {
  return locations.reduce((sum, { onHand, held }) => sum + onHand - held, 0)
}

export function locationOf({ locations }: Stock, name: string): Location {
  return locations.find((location) => location.name === name) ?? { name, onHand: 0, held: 0 }
}

/** Chooses where a quantity is taken from: one location after the other. Never more than is available. */
export function chooseLocations(stock: Stock, quantity: number): Pieces[] {
  const chosen: Pieces[] = []
  let missing = quantity
  for (const { name, onHand, held } of stock.locations) {
    const taken = Math.min(missing, onHand - held)
    if (taken > 0) chosen.push({ location: name, quantity: taken })
    missing -= taken
  }
  if (missing > 0) throw new Error(`${missing} of ${quantity} pieces were chosen that are not available.`)
  return chosen
}

/** The stock that the catalog opens a SKU with. */
export function open(stock: Stock, quantity: number): Stock {
  const opened = { ...stock, opened: true, opening: stock.opening + quantity }
  return moved(opened, { location: MAIN_LOCATION, onHand: quantity, held: 0 })
}

export function hold(stock: Stock, { location, quantity }: Pieces): Stock {
  return moved(stock, { location, onHand: 0, held: quantity })
}

export function release(stock: Stock, { location, quantity }: Pieces): Stock {
  return moved(stock, { location, onHand: 0, held: -quantity })
}

/** Held pieces leave the stock: they are sold. */
export function commit(stock: Stock, { location, quantity }: Pieces): Stock {
  const committed = { ...stock, committed: stock.committed + quantity }
  return moved(committed, { location, onHand: -quantity, held: -quantity })
}

/** Sold pieces come back; a negative quantity takes such pieces out again. */
export function restock(stock: Stock, { location, quantity }: Pieces): Stock {
  const restocked = { ...stock, restocked: stock.restocked + quantity }
  return moved(restocked, { location, onHand: quantity, held: 0 })
}

/** A person corrects what is on hand. */
export function adjust(stock: Stock, { location, quantity }: Pieces): Stock {
  return moved({ ...stock, adjusted: stock.adjusted + quantity }, { location, onHand: quantity, held: 0 })
}

interface Movement {
  readonly location: string
  readonly onHand: number
  readonly held: number
}

function moved(stock: Stock, { location: name, onHand, held }: Movement): Stock {
  const before = locationOf(stock, name)
  const after = { name, onHand: before.onHand + onHand, held: before.held + held }
  // Whoever gets here without having checked must stop: a fault is mended, an oversold order is not.
  if (after.held < 0 || after.onHand < after.held) throw new Error(`The stock at ${name} would be oversold.`)
  const isNew = !stock.locations.some((location) => location.name === name)
  const locations = isNew
    ? [...stock.locations, after]
    : stock.locations.map((location) => (location.name === name ? after : location))
  const next = { ...stock, locations }
  return { ...next, low: stock.low && availableOf(next) <= stock.lowAt }
}

/** The quantities of lines summed by SKU: checked one by one, two lines of one SKU would oversell it. */
export function quantityBySku(lines: readonly StockLine[]): StockLine[] {
  const quantities = new Map<string, number>()
  for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity)
  return [...quantities].map(([sku, quantity]) => ({ sku, quantity }))
}

export function unitsOf(lines: readonly { readonly quantity: number }[]): number {
  return lines.reduce((sum, { quantity }) => sum + quantity, 0)
}

/** The documents of all SKUs that are named, for a handler's `loads`. */
export function stocksOf(lines: readonly { readonly sku: string }[]): Ref<Stock>[] {
  return [...new Set(lines.map(({ sku }) => sku))].map((sku) => stock.at(sku))
}

/** Changes the stock of each allocation. */
export function moveStock(
  held: Held,
  allocations: readonly Allocation[],
  change: (stock: Stock, pieces: Pieces) => Stock,
): void {
  for (const allocation of allocations) {
    const ref = stock.at(allocation.sku)
    held.put(ref, change(held.get(ref), allocation))
  }
}
