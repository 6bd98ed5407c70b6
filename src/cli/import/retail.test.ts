// The sample as a plan: its measured figures, and the rules on small files.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { multiply, sumMinor, toMinor } from '../../kernel/money.ts'
import { ImportFileError } from './csv.ts'
import type { RetailOrder, RetailPlan } from './retail.ts'
import { openingStock, readRetail } from './retail.ts'

const SAMPLE = fileURLToPath(new URL('../../../data/online-retail-2010-12-to-2011-08.csv.gz', import.meta.url))
const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country'

let wholeSample: Promise<RetailPlan> | undefined
function sample(): Promise<RetailPlan> {
  return (wholeSample ??= readRetail(SAMPLE))
}

async function plan(text: string | Uint8Array, options?: { limit: number }): Promise<RetailPlan> {
  const folder = await mkdtemp(join(tmpdir(), 'lonja-retail-'))
  try {
    await writeFile(join(folder, 'sales.csv'), text)
    return await readRetail(join(folder, 'sales.csv'), options)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function planOfRows(...rows: string[]): Promise<RetailPlan> {
  return plan([HEADER, ...rows].join('\n'))
}

/** A row that can be played, with some cells changed. */
function row(changes: Record<string, string> = {}): string {
  const cells: Record<string, string> = {
    InvoiceNo: '536365',
    StockCode: '85123A',
    Description: 'LANTERN',
    Quantity: '6',
    InvoiceDate: '2010-12-01 08:26:00',
    UnitPrice: '2.55',
    CustomerID: '17850.0',
    Country: 'France',
    ...changes,
  }
  return HEADER.split(',')
    .map((column) => cells[column])
    .join(',')
}

async function skippedFor(changes: Record<string, string>): Promise<string[]> {
  const { rowsSkipped, steps } = await planOfRows(row(changes))
  assert.deepEqual(steps, [])
  return Object.entries(rowsSkipped)
    .filter(([, count]) => count > 0)
    .map(([reason]) => reason)
}

function itemCount(orders: readonly RetailOrder[]): number {
  return orders.reduce((count, { items }) => count + items.length, 0)
}

test('the sample gives the orders, lines and returns that were measured', async () => {
  const { orders, returns, steps, rowsRead, products, clients } = await sample()
  assert.equal(rowsRead, 320_705)
  assert.equal(orders.length, 11_342)
  assert.equal(
    orders.reduce((count, { items }) => count + new Set(items.map(({ sku }) => sku)).size, 0),
    221_075,
  )
  assert.equal(itemCount(orders), 221_099)
  assert.equal(Math.max(...orders.map(({ items }) => items.length)), 271)
  assert.equal(returns.length, 2253)
  assert.equal(steps.length, 11_342 + 2253)
  assert.equal(products.length, 3388)
  assert.equal(clients.length, 3314)
})

test('the sample loses no piece and no penny of the rows that are played', async () => {
  const { orders, returns } = await sample()
  const items = orders.flatMap((order) => order.items)
  assert.equal(sumMinor(items.map(({ price, quantity }) => multiply(toMinor(price, 'GBP'), quantity))), 515_914_674n)
  assert.equal(
    items.reduce((sum, { quantity }) => sum + quantity, 0),
    3_069_854,
  )
  assert.equal(
    returns.flatMap((step) => step.items).reduce((sum, { quantity }) => sum + quantity, 0),
    143_584,
  )
})

test('every row of the sample is played or counted with its reason', async () => {
  const { rowsSkipped } = await sample()
  assert.deepEqual(Object.values(rowsSkipped), [0, 0, 3, 88_649, 1147, 0, 20, 0, 0])
})

test('the steps of the sample follow their dates', async () => {
  const { steps } = await sample()
  const dates = steps.map(({ orderedAt }) => orderedAt)
  assert.deepEqual(dates, dates.toSorted())
  assert.equal(dates[0], '2010-12-01T08:26:00Z')
})

test('a limit cuts before the first order too many and keeps the returns before it', async () => {
  const [whole, first] = [await sample(), await readRetail(SAMPLE, { limit: 500 })]
  assert.equal(first.orders.length, 500)
  assert.equal(first.returns.length, 60)
  assert.equal(first.rowsRead, 14_088)
  assert.deepEqual(first.steps, whole.steps.slice(0, 560))
})

test('an invoice becomes an order with its client, time, reference and quoted prices', async () => {
  const { orders } = await planOfRows(row(), row({ StockCode: '71053', UnitPrice: '3.4', Quantity: '1' }))
  assert.deepEqual(orders, [
    {
      kind: 'order',
      reference: '536365',
      clientId: '17850',
      orderedAt: '2010-12-01T08:26:00Z',
      currency: 'GBP',
      items: [
        { sku: '85123A', quantity: 6, price: '2.55' },
        { sku: '71053', quantity: 1, price: '3.40' },
      ],
    },
  ])
})

test('equal SKUs of an invoice are joined at one price and stay apart at two', async () => {
  const rows = [
    row(),
    row({ StockCode: '85123a', Quantity: '2' }),
    row({ UnitPrice: '2.10' }),
    row({ UnitPrice: '2.1' }),
  ]
  const { orders } = await planOfRows(...rows)
  assert.deepEqual(orders[0]?.items, [
    { sku: '85123A', quantity: 8, price: '2.55' },
    { sku: '85123A', quantity: 12, price: '2.10' },
  ])
})

test('an invoice with a C becomes a return of positive quantities, joined by SKU', async () => {
  const changes = { InvoiceNo: 'C536379', Quantity: '-1' }
  const { returns, orders, products, clients } = await planOfRows(row(changes), row({ ...changes, UnitPrice: '9.99' }))
  const items = [{ sku: '85123A', quantity: 2 }]
  const orderedAt = '2010-12-01T08:26:00Z'
  assert.deepEqual(returns, [{ kind: 'return', reference: 'C536379', clientId: '17850', orderedAt, items }])
  assert.deepEqual([orders, products, clients], [[], [], []])
})

test('products and clients are told as the orders last had them', async () => {
  const later = row({ InvoiceNo: '536366', Description: '"LANTERN, RED "', UnitPrice: '3', Country: 'Spain' })
  const { products, clients } = await planOfRows(row(), later)
  assert.deepEqual(products, [{ sku: '85123A', name: 'LANTERN, RED', lastPrice: '3.00' }])
  assert.deepEqual(clients, [{ clientId: '17850', country: 'Spain' }])
})

test('lines of one invoice need not be neighbours, and the first tells its time', async () => {
  const apart = [row(), row({ InvoiceNo: '536366' }), row({ StockCode: '71053', InvoiceDate: '2010-12-01 08:27:00' })]
  const { orders } = await planOfRows(...apart)
  assert.deepEqual(
    orders.map(({ reference, items }) => [reference, items.length]),
    [
      ['536365', 2],
      ['536366', 1],
    ],
  )
  assert.equal(orders[0]?.orderedAt, '2010-12-01T08:26:00Z')
})

test('rows that cannot be played are counted by reason', async () => {
  assert.deepEqual(await skippedFor({ InvoiceNo: 'A563185' }), ['no order number'])
  assert.deepEqual(await skippedFor({ CustomerID: '' }), ['no customer'])
  for (const code of ['POST', 'M', 'C2', '8512', '85123ABC', 'gift_0001_20']) {
    assert.deepEqual(await skippedFor({ StockCode: code }), ['no goods code'])
  }
  const wrongSign = ['quantity of zero or of the wrong sign']
  assert.deepEqual(await skippedFor({ Quantity: '0' }), wrongSign)
  assert.deepEqual(await skippedFor({ Quantity: '-6' }), wrongSign)
  assert.deepEqual(await skippedFor({ InvoiceNo: 'C1', Quantity: '6' }), wrongSign)
  assert.deepEqual(await skippedFor({ UnitPrice: '0.0' }), ['price of zero or less'])
  assert.deepEqual(await skippedFor({ UnitPrice: '-1.5' }), ['price of zero or less'])
  assert.deepEqual(await skippedFor({ UnitPrice: '0.001' }), ['price with more than two decimals'])
  for (const date of ['', '01/12/2010 08:26', '2010-02-30 08:26:00', '2010-13-01 08:26:00', '2010-12-01 25:00:00']) {
    assert.deepEqual(await skippedFor({ InvoiceDate: date }), ['bad date'])
  }
  for (const changes of [{ Quantity: '1.5' }, { UnitPrice: 'x' }, { Country: 'France,' }, { Description: '"a" b' }]) {
    assert.deepEqual(await skippedFor(changes), ['broken row'])
  }
})

test('rows with broken UTF-8 are counted and the others played', async () => {
  const bad = Buffer.from(row({ Description: 'CAF\u00e9' }), 'latin1')
  const bytes = Buffer.concat([Buffer.from(`${HEADER}\n`), bad, Buffer.from(`\n${row()}\n`)])
  const { rowsSkipped, orders, rowsRead } = await plan(bytes)
  assert.equal(rowsSkipped['bad encoding'], 1)
  assert.equal(itemCount(orders), 1)
  assert.equal(rowsRead, 2)
})

test('columns are found by name in any order, and missing ones are named', async () => {
  const turned = `Note,${HEADER.split(',').toReversed().join(',')}\nx,${row().split(',').toReversed().join(',')}\n`
  assert.equal((await plan(turned)).orders[0]?.items[0]?.sku, '85123A')
  await assert.rejects(plan('InvoiceNo,StockCode,Description,Quantity,UnitPrice,Country\n'), (error) => {
    assert.ok(error instanceof ImportFileError)
    assert.match(error.message, /sales\.csv lacks the columns InvoiceDate, CustomerID in its first row\.$/)
    return true
  })
  await assert.rejects(plan(''), /sales\.csv is empty; it needs the columns InvoiceNo, /)
})

test('opening stock is a share of what the orders ask, rounded up', async () => {
  const { orders } = await planOfRows(
    row({ Quantity: '100' }),
    row({ InvoiceNo: '1', Quantity: '200', UnitPrice: '1' }),
    row({ StockCode: '71053', Quantity: '1' }),
    row({ StockCode: '71054', Quantity: '34' }),
  )
  assert.deepEqual(
    [...openingStock(orders)],
    [
      ['85123A', 291],
      ['71053', 1],
      ['71054', 33],
    ],
  )
  assert.equal(openingStock(orders, 0.07).get('85123A'), 21)
  assert.equal(openingStock(orders, 1).get('71054'), 34)
})
