// Stock: each SKU's ledger adds up, nothing is oversold, and what is held and was taken is what reservations say.
import { stock } from '../../services/inventory/stock.ts'
import type { Stock } from '../../services/inventory/stock.ts'
import { heldOf, onHandOf } from '../../services/inventory/stock.ts'
import type { Verdict, Wrong } from './confirm.ts'
import { Suspicions } from './confirm.ts'
import { pagesOf, readAtRest } from './documents.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings } from './problem.ts'
import type { Pieces } from './stock-sums.ts'
import { StockSums } from './stock-sums.ts'

/** SKUs that are confirmed together: few, so that they rest meanwhile. */
const CONFIRMED_TOGETHER = 20
const NO_PIECES: Pieces = { held: 0, committed: 0 }

export async function checkStock(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  const sums = await StockSums.of(context)
  const suspicions = new Suspicions((skus) => lookAt(context, sums, skus), findings)
  let after = ''
  for await (const page of pagesOf(context, stock)) {
    const to = page.at(-1)?.key ?? after
    const pieces = await sums.between(after, to)
    const known = new Set(page.map(({ key }) => key))
    const wrong = page.filter(({ key, state }) => wrongWith(state, pieces.get(key)).length > 0)
    await suspicions.add(wrong.map(({ key }) => key))
    await suspicions.add([...pieces.keys()].filter((sku) => !known.has(sku)))
    findings.checked += page.length
    context.progress(`${findings.checked} SKUs`)
    after = to
  }
  await suspicions.add((await sums.between(after, undefined)).keys())
  await suspicions.settle()
  return findings.finding()
}

/** A hold changes with its stock in one transaction, so sums that were read while the stock stood still are its own. */
async function lookAt(
  context: CheckContext,
  sums: StockSums,
  skus: readonly string[],
): Promise<ReadonlyMap<string, Verdict>> {
  const verdicts = new Map<string, Verdict>()
  for (let from = 0; from < skus.length; from += CONFIRMED_TOGETHER) {
    const keys = skus.slice(from, from + CONFIRMED_TOGETHER)
    const { documents, isAtRest } = await readAtRest(context, { stock }, { keys, between: () => sums.catchUp() })
    for (const sku of keys) {
      const state = documents.stock.get(sku)?.state ?? stock.initial()
      verdicts.set(sku, isAtRest(sku) ? wrongWith(state, await sums.of(sku)) : 'moving')
    }
  }
  return verdicts
}

function wrongWith(state: Stock, pieces: Pieces = NO_PIECES): readonly Wrong[] {
  const { opening, adjusted, restocked, committed, locations } = state
  const wrongs: Wrong[] = []
  const ledger = opening + adjusted + restocked - committed
  const onHand = onHandOf(state)
  if (onHand !== ledger) {
    const sum = `opening ${opening} + adjusted ${adjusted} + restocked ${restocked} - committed ${committed}`
    wrongs.push({ check: 'stock-ledger', message: `${onHand} are on hand, but ${sum} are ${ledger}.` })
  }
  const oversold = locations.find((location) => location.held < 0 || location.held > location.onHand)
  if (oversold !== undefined) {
    const { held, name } = oversold
    wrongs.push({ check: 'stock-oversold', message: `${held} of ${oversold.onHand} on hand are held at ${name}.` })
  }
  const held = heldOf(state)
  if (held !== pieces.held) {
    wrongs.push({ check: 'stock-held', message: `${held} are held, but the reservations hold ${pieces.held}.` })
  }
  if (committed !== pieces.committed) {
    const message = `${committed} were taken, but the reservations took ${pieces.committed}.`
    wrongs.push({ check: 'stock-committed', message })
  }
  return wrongs
}
