// Turns the Online Retail sample (data/README.md) into a plan: orders and returns in the order in which they happened.
import type { Amount } from '../../kernel/money.ts'
import { MoneyError, toAmount, toMinor } from '../../kernel/money.ts'
import { ImportFileError, isDamaged, readCsv } from './csv.ts'

const COLUMNS = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const
const CURRENCY = 'GBP'

const ORDER_NUMBER = /^\d+$/
const RETURN_NUMBER = /^C\d+$/
// Other codes are postage, fees, samples, vouchers and manual entries.
const GOODS_CODE = /^\d{5}[A-Za-z]{0,2}$/
const WHOLE_NUMBER = /^-?\d{1,9}$/
const LOCAL_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/

const PARTS_PER_MILLION = 1_000_000

/** Why rows are left out; a row counts for the first reason that fits it. */
export const skipReasons = [
  'bad encoding',
  'broken row',
  'no order number',
  'no customer',
  'no goods code',
  'quantity of zero or of the wrong sign',
  'price of zero or less',
  'price with more than two decimals',
  'bad date',
] as const

export type SkipReason = (typeof skipReasons)[number]

export interface RetailItem {
  readonly sku: string
  readonly quantity: number
  /** The quoted price of one piece. */
  readonly price: Amount
}

export interface RetailOrder {
  readonly kind: 'order'
  /** The invoice number. */
  readonly reference: string
  readonly clientId: string
  /** ISO 8601; the file's local time taken as UTC. */
  readonly orderedAt: string
  readonly currency: typeof CURRENCY
  readonly items: readonly RetailItem[]
}

export interface RetailReturn {
  readonly kind: 'return'
  /** The invoice number with its C. */
  readonly reference: string
  readonly clientId: string
  readonly orderedAt: string
  readonly items: readonly { readonly sku: string; readonly quantity: number }[]
}

export interface RetailPlan {
  readonly orders: readonly RetailOrder[]
  readonly returns: readonly RetailReturn[]
  /** Orders and returns as they follow each other in the file, which is the order of their dates. */
  readonly steps: readonly (RetailOrder | RetailReturn)[]
  /** The goods that the orders name, with their latest name and price. */
  readonly products: readonly { readonly sku: string; readonly name: string; readonly lastPrice: Amount }[]
  /** The clients of the orders, with their latest country. */
  readonly clients: readonly { readonly clientId: string; readonly country: string }[]
  /** Rows without the header, up to where the limit cut. */
  readonly rowsRead: number
  readonly rowsSkipped: Readonly<Record<SkipReason, number>>
}

/**
 * Reads the sample, or any file with its eight columns.
 *
 * Rows of one invoice that have the same SKU at the same price are joined into one item. The two prices that 24 SKUs
 * have on one invoice stay two items, since one item has one price and the money has to add up: 221,099 items in the
 * whole file, on 221,075 different pairs of invoice and SKU. `limit` cuts before the first order too many.
 *
 * @throws {ImportFileError} when the file cannot be read or lacks a column.
 */
export async function readRetail(path: string, { limit = Infinity }: { limit?: number } = {}): Promise<RetailPlan> {
  const invoices: Invoices = new Map()
  const rowsSkipped = Object.fromEntries(skipReasons.map((reason) => [reason, 0])) as Record<SkipReason, number>
  let columns: Columns | undefined
  let orderCount = 0
  let rowsRead = 0
  for await (const row of readCsv(path)) {
    if (columns === undefined) {
      columns = columnsOf(row, path)
      continue
    }
    const line = lineOf(row, columns)
    if (typeof line === 'string') rowsSkipped[line]++
    else {
      if (!line.isReturn && !invoices.has(line.reference) && ++orderCount > limit) break
      add(invoices, line)
    }
    rowsRead++
  }
  if (columns === undefined) throw new ImportFileError(`${path} is empty; it needs the columns ${COLUMNS.join(', ')}.`)
  return planOf(invoices, rowsRead, rowsSkipped)
}

/**
 * Stock to begin with: per SKU a share of what the orders ask, rounded up. Below 1 some orders find nothing left, as in
 * a real shop. Rounded down, the many SKUs that are asked once would have no stock at all: of the first 500 orders 43 %
 * were refused then, against 17 %.
 */
export function openingStock(orders: readonly RetailOrder[], share = 0.97): Map<string, number> {
  const asked = new Map<string, number>()
  for (const { items } of orders) {
    for (const { sku, quantity } of items) asked.set(sku, (asked.get(sku) ?? 0) + quantity)
  }
  // In whole millionths, because 0.07 * 100 is a little more than 7 and would be rounded up to 8.
  const millionths = Math.round(share * PARTS_PER_MILLION)
  return new Map([...asked].map(([sku, quantity]) => [sku, Math.ceil((quantity * millionths) / PARTS_PER_MILLION)]))
}

type Column = (typeof COLUMNS)[number]

interface Columns {
  readonly count: number
  readonly positions: Readonly<Record<Column, number>>
}

function columnsOf(header: readonly string[], path: string): Columns {
  const names = header.map((name) => name.trim())
  const missing = COLUMNS.filter((column) => !names.includes(column))
  if (missing.length > 0) throw new ImportFileError(`${path} lacks the columns ${missing.join(', ')} in its first row.`)
  const positions = Object.fromEntries(COLUMNS.map((column) => [column, names.indexOf(column)]))
  return { count: header.length, positions: positions as Record<Column, number> }
}

/** A row that can be played. */
interface Line {
  readonly isReturn: boolean
  readonly reference: string
  readonly clientId: string
  readonly country: string
  readonly orderedAt: string
  readonly sku: string
  readonly name: string
  /** Above zero, on returns too. */
  readonly quantity: number
  /** Empty on returns, which get back what was paid. */
  readonly price: Amount
}

/** The lines of each invoice, which need not be neighbours in the file. */
type Invoices = Map<string, Line[]>

function add(invoices: Invoices, line: Line): void {
  const lines = invoices.get(line.reference)
  if (lines === undefined) invoices.set(line.reference, [line])
  else lines.push(line)
}

function lineOf(row: readonly string[], { count, positions }: Columns): Line | SkipReason {
  if (isDamaged(row)) return 'bad encoding'
  if (row.length !== count) return 'broken row'
  const cell = (column: Column) => row[positions[column]] ?? ''

  const reference = cell('InvoiceNo')
  const isReturn = RETURN_NUMBER.test(reference)
  if (!isReturn && !ORDER_NUMBER.test(reference)) return 'no order number'
  const customer = cell('CustomerID')
  if (customer === '') return 'no customer'
  const code = cell('StockCode')
  if (!GOODS_CODE.test(code)) return 'no goods code'
  if (!WHOLE_NUMBER.test(cell('Quantity'))) return 'broken row'
  const quantity = isReturn ? -Number(cell('Quantity')) : Number(cell('Quantity'))
  if (quantity <= 0) return 'quantity of zero or of the wrong sign'
  const price = isReturn ? { amount: '' } : priceOf(cell('UnitPrice'))
  if (typeof price === 'string') return price
  const orderedAt = instantOf(cell('InvoiceDate'))
  if (orderedAt === undefined) return 'bad date'
  // Spreadsheets made the numbers of customers decimal.
  const clientId = customer.endsWith('.0') ? customer.slice(0, -2) : customer
  const country = cell('Country')
  // The same article appears as 85123A and 85123a.
  const sku = code.toUpperCase()
  return {
    isReturn,
    reference,
    clientId,
    country,
    orderedAt,
    sku,
    name: cell('Description').trim(),
    quantity,
    price: price.amount,
  }
}

function priceOf(text: string): { readonly amount: Amount } | SkipReason {
  try {
    const minor = toMinor(text, CURRENCY)
    return minor > 0n ? { amount: toAmount(minor, CURRENCY) } : 'price of zero or less'
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    return error.code === 'AMOUNT_TOO_PRECISE' ? 'price with more than two decimals' : 'broken row'
  }
}

// Written back and compared, because Date takes 30 February for 2 March.
function instantOf(text: string): string | undefined {
  if (!LOCAL_TIME.test(text)) return undefined
  const instant = `${text.slice(0, 10)}T${text.slice(11)}Z`
  const time = Date.parse(instant)
  if (Number.isNaN(time)) return undefined
  return new Date(time).toISOString().startsWith(instant.slice(0, 19)) ? instant : undefined
}

// The lines of one invoice become one step; its first line has the client and the time (38 invoices have two times).
function stepOf(lines: readonly Line[]): RetailOrder | RetailReturn {
  const [first] = lines
  if (first === undefined) throw new Error('An invoice has no lines.')
  const { isReturn, reference, clientId, orderedAt } = first
  const joined = joinedItems(lines)
  if (!isReturn) return { kind: 'order', reference, clientId, orderedAt, currency: CURRENCY, items: joined }
  const items = joined.map(({ sku, quantity }) => ({ sku, quantity }))
  return { kind: 'return', reference, clientId, orderedAt, items }
}

function joinedItems(lines: readonly Line[]): RetailItem[] {
  const items = new Map<string, RetailItem>()
  for (const { sku, price, quantity } of lines) {
    const line = `${sku} ${price}`
    items.set(line, { sku, quantity: quantity + (items.get(line)?.quantity ?? 0), price })
  }
  return [...items.values()]
}

function planOf(invoices: Invoices, rowsRead: number, rowsSkipped: RetailPlan['rowsSkipped']): RetailPlan {
  const steps = [...invoices.values()].map(stepOf)
  const ordered = [...invoices.values()].flat().filter((line) => !line.isReturn)
  const latestBySku = new Map(ordered.map((line) => [line.sku, line]))
  const latestByClient = new Map(ordered.map((line) => [line.clientId, line]))
  return {
    orders: steps.filter((step) => step.kind === 'order'),
    returns: steps.filter((step) => step.kind === 'return'),
    steps,
    products: [...latestBySku.values()].map(({ sku, name, price }) => ({ sku, name: copied(name), lastPrice: price })),
    clients: [...latestByClient.values()].map(({ clientId, country }) => ({ clientId, country: copied(country) })),
    rowsRead,
    rowsSkipped,
  }
}

// A slice of a long text keeps the whole text in memory: the plan would hold on to the file.
function copied(text: string): string {
  return Buffer.from(text).toString()
}
