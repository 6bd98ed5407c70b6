// Placing an order: what it is worth, and everything that is refused.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { toAmount, toMinor } from '../../kernel/money.ts'
import { clientId, copied, lamp, orderId, orderPlaced, placeOrder, rug, shop } from '../../testing/example-order.ts'
import { given } from '../../testing/given.ts'
import type { Moment } from '../../testing/given.ts'
import { clientCopy, referenceOf } from './copies.ts'
import { order } from './order.ts'

const held: Moment = { held: shop }
const moment = (...products: (typeof lamp)[]): Moment => ({ held: [...shop, ...products.flatMap(copied)] })
const placing = (change: Parameters<typeof placeOrder>[0] = {}, at: Moment = held) =>
  given(order).when(placeOrder(change), at)

suite('an order at catalog prices', () => {
  test('names its items by SKU or id, and is paid by one card unless told', () => {
    placing().then(orderPlaced())
  })

  test('adds tax and shipping, and takes amounts with fewer decimals', () => {
    const payments = [{ method: 'manual' as const }]
    placing({ tax: '24', shipping: '5.5', total: '149.49', payments }).then(
      orderPlaced({
        tax: '24.00',
        shipping: '5.50',
        total: '149.49',
        payments: [{ method: 'manual', amount: '149.49' }],
      }),
    )
  })

  test('is placed once, however often it is asked for', () => {
    given(order, orderPlaced()).when(placeOrder(), held).thenNothing()
  })

  test('goes to the client’s first address unless it names one', () => {
    const address = { line1: 'Rúa Real 1', city: 'A Coruña', country: 'ES' }
    const other = { ...address, line1: 'Rúa Nova 2' }
    const known: Moment = { held: [...shop, [clientCopy.at(clientId), { name: 'João Silva', address }]] }
    placing({}, known).then(orderPlaced({ shippingAddress: address }))
    placing({ shippingAddress: other }, known).then(orderPlaced({ shippingAddress: other }))
  })

  test('keeps a business date beside the day on which it was placed', () => {
    placing({ orderedAt: 5 }).then(orderPlaced({ orderedAt: 5 }))
  })

  test('may be free', () => {
    const items = [{ sku: 'GIFT', quantity: 1 }]
    const gift = { ...lamp, sku: 'GIFT', price: '0.00' }
    const { events } = placing({ items }, moment(gift)).outcome()
    const placed = events[0]?.data as { total: string } | undefined
    assert.equal(placed?.total, '0.00')
  })
})

suite('what is refused', () => {
  test('no items, an unknown client, an unknown or inactive product', () => {
    placing({ items: [] }).refuses('ORDER_EMPTY')
    placing({ clientId: orderId }).refuses('CLIENT_UNKNOWN', { clientId: orderId })
    placing({ items: [{ sku: 'NONE', quantity: 1 }] }).refuses('PRODUCT_UNKNOWN', { sku: 'NONE' })
    placing({ items: [{ productId: orderId, quantity: 1 }] }).refuses('PRODUCT_UNKNOWN', { productId: orderId })
    placing({}, moment({ ...rug, active: false })).refuses('PRODUCT_INACTIVE', { sku: 'RUG' })
  })

  test('an item whose SKU and id name two products', () => {
    placing({ items: [{ sku: 'LAMP', productId: rug.productId, quantity: 1 }] }).refuses('PRODUCT_UNKNOWN')
    placing({ items: [{ sku: 'LAMP', productId: lamp.productId, quantity: 1 }] }).outcome()
  })

  test('a price that is not the catalog’s, with the one that is', () => {
    const at = (price: string) => placing({ items: [{ sku: 'LAMP', quantity: 1, price }] })
    at('9.99').refuses('PRICE_MISMATCH', { sku: 'LAMP', price: '10.00' })
    at('10').outcome()
  })

  test('amounts that do not add up', () => {
    placing({ total: '119.98' }).refuses('TOTAL_MISMATCH', { claimed: '119.98', total: '119.99' })
    placing({ total: '119.99', tax: '0.01' }).refuses('TOTAL_MISMATCH')
    const card = (amount?: string) => ({ method: 'card' as const, amount })
    placing({ payments: [card('119.98')] }).refuses('PAYMENTS_MISMATCH', { total: '119.99', payments: '119.98' })
    placing({ payments: [card('100'), card('20')] }).refuses('PAYMENTS_MISMATCH')
    placing({ payments: [card('100'), card()] }).refuses('PAYMENTS_MISMATCH')
    placing({ payments: [card('100'), card('19.99')] }).outcome()
  })

  test('amounts that do not fit their currency', () => {
    placing({ total: '119.990' }).refuses('AMOUNT_INVALID', { problem: 'AMOUNT_TOO_PRECISE' })
    placing({ tax: '-1' }).refuses('AMOUNT_INVALID', { problem: 'AMOUNT_NEGATIVE' })
    placing({ shipping: 'x' }).refuses('AMOUNT_INVALID', { problem: 'AMOUNT_MALFORMED' })
    const payments = [
      { method: 'card' as const, amount: '120.99' },
      { method: 'card' as const, amount: '-1' },
    ]
    placing({ payments }).refuses('AMOUNT_INVALID', { problem: 'AMOUNT_NEGATIVE' })
  })

  test('sums that no column could hold', () => {
    const items = [{ sku: 'GOLD', quantity: 2 ** 31 - 1 }]
    placing({ items }, moment({ ...lamp, sku: 'GOLD', price: '99999.99' })).refuses('AMOUNT_INVALID')
  })

  test('more than one currency', () => {
    const yen = { ...lamp, sku: 'FAN', price: '1000', currency: 'JPY' }
    const items = [
      { sku: 'LAMP', quantity: 1 },
      { sku: 'FAN', quantity: 1 },
    ]
    placing({ items }, moment(yen)).refuses('CURRENCY_MIXED', { sku: 'FAN', currency: 'EUR', productCurrency: 'JPY' })
    placing({ currency: 'USD' }).refuses('CURRENCY_MIXED', { sku: 'LAMP' })
  })
})

suite('quoted prices', () => {
  test('an importer may quote, also in another currency', () => {
    const items = [{ sku: 'LAMP', quantity: 3, price: '1.55' }]
    const { events } = placing({ items, currency: 'GBP', mayQuote: true, total: '4.65' }).outcome()
    const placed = events[0]?.data as Record<string, unknown> | undefined
    assert.deepEqual([placed?.['priced'], placed?.['currency'], placed?.['total']], ['quoted', 'GBP', '4.65'])
  })

  test('an order without any other price than the catalog’s is not quoted', () => {
    placing({ mayQuote: true }).then(orderPlaced())
    const items = [
      { sku: 'LAMP', quantity: 2, price: '10' },
      { sku: 'RUG', quantity: 1 },
    ]
    placing({ mayQuote: true, items }).then(orderPlaced())
  })

  test('without a price of its own an item needs the catalog’s currency', () => {
    const items = [{ sku: 'LAMP', quantity: 3 }]
    placing({ items, currency: 'GBP', mayQuote: true }).refuses('CURRENCY_MIXED')
  })
})

suite('a reference', () => {
  const reference = 'A-1'

  test('is taken with the order, once per source', () => {
    const { document } = placing({ reference }).then(orderPlaced({ reference }))
    assert.deepEqual(document(referenceOf('tester', reference)), { orderId })
    const taken: Moment = { held: [...shop, [referenceOf('other', reference), { orderId: 'x' }]] }
    placing({ reference }, taken).then(orderPlaced({ reference }))
  })

  test('that is taken refuses the order and names the one that has it, whatever else is wrong', () => {
    const taken: Moment = { held: [...shop, [referenceOf('tester', reference), { orderId: clientId }]] }
    placing({ reference, items: [] }, taken).refuses('REFERENCE_TAKEN', { orderId: clientId })
  })

  test('of a refused order stays free', () => {
    const world = { reference, clientId: orderId }
    placing(world).refuses('CLIENT_UNKNOWN')
  })
})

test('whatever is ordered at whatever price, the items, the payments and the total add up to the last unit', () => {
  const line = fc.record({
    quantity: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    // Nine lines of the largest quantity stay below the largest amount that an order may have.
    price: fc.bigInt({ min: 0n, max: 99n }),
  })
  const currencies = fc.constantFrom('EUR', 'JPY', 'KWD')
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 9 }),
      currencies,
      fc.bigInt({ min: 0n, max: 999n }),
      (lines, currency, tax) => {
        const amount = (minor: bigint) => toAmount(minor, currency)
        const items = lines.map(({ quantity, price }) => ({ sku: 'LAMP', quantity, price: amount(price) }))
        const { events } = placing({ items, currency, mayQuote: true, tax: amount(tax) }).outcome()
        const placed = (events[0] as ReturnType<typeof orderPlaced>).data
        const expected = lines.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * price, tax)
        assert.equal(toMinor(placed.total, currency), expected)
        assert.equal(placed.payments[0]?.amount, placed.total)
        assert.equal(toMinor(placed.subtotal, currency) + toMinor(placed.tax, currency), expected)
      },
    ),
  )
})
