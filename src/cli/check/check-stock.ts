// Stock: each SKU's ledger adds up, nothing is oversold, and what is held is what reservations hold.
import type { Stock } from '../../services/inventory/stock.ts'
import { heldOf, onHandOf, stock } from '../../services/inventory/stock.ts'
import { reservation } from '../../services/inventory/reservation.ts'
import { pagesOf } from './documents.ts'
import type { CheckContext, Finding, Problem } from './problem.ts'
import { confirmed } from './problem.ts'

export async function checkStock(context: CheckContext): Promise<Finding> {
  let checked = 0
  const suspects = await suspiciousStock(context, (count) => {
    checked = count
  })
  // What all reservations hold is read over some time, so only a difference that stays the same is one.
  const problems = await confirmed(suspects, () => suspiciousStock(context, () => undefined))
  return { checked, problems }
}

async function suspiciousStock(context: CheckContext, counted: (skus: number) => void): Promise<Map<string, Problem>> {
  const held = await heldByReservations(context)
  const suspects = new Map<string, Problem>()
  let count = 0
  for await (const page of pagesOf(context, stock)) {
    count += page.length
    for (const { key, state } of page) {
      const message = wrongWith(state) ?? wrongHold(state, held.get(key) ?? 0)
      if (message !== undefined) suspects.set(key, { check: 'stock', key, message, severity: 'error' })
    }
  }
  counted(count)
  return suspects
}

function wrongWith(state: Stock): string | undefined {
  const { opening, adjusted, restocked, committed } = state
  const ledger = opening + adjusted + restocked - committed
  const onHand = onHandOf(state)
  if (onHand !== ledger) {
    const sum = `opening ${opening} + adjusted ${adjusted} + restocked ${restocked} - committed ${committed}`
    return `${onHand} are on hand, but ${sum} are ${ledger}.`
  }
  const oversold = state.locations.find((location) => location.held < 0 || location.held > location.onHand)
  return oversold === undefined
    ? undefined
    : `${oversold.held} of ${oversold.onHand} on hand are held at ${oversold.name}: it is oversold.`
}

function wrongHold(state: Stock, byReservations: number): string | undefined {
  const held = heldOf(state)
  return held === byReservations ? undefined : `${held} are held, but the reservations hold ${byReservations}.`
}

async function heldByReservations(context: CheckContext): Promise<ReadonlyMap<string, number>> {
  const held = new Map<string, number>()
  for await (const page of pagesOf(context, reservation)) {
    for (const { state } of page) {
      if (state.status !== 'held') continue
      for (const { sku, quantity } of state.allocations) held.set(sku, (held.get(sku) ?? 0) + quantity)
    }
  }
  return held
}
