// Returns: never more than was bought, never more than was paid.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { DataOf, Message } from '../../kernel/message.ts'
import { toAmount, toMinor } from '../../kernel/money.ts'
import { Refusal } from '../../kernel/refuse.ts'
import { clientId, orderConfirmed, orderId, orderPlaced, returnId } from '../../testing/example-order.ts'
import { given } from '../../testing/given.ts'
import { TEST_NOW } from '../../testing/handle.ts'
import * as contract from './contract.ts'
import { order } from './order.ts'

const bought = [orderPlaced(), orderConfirmed]
const ask = (items: { sku: string; quantity: number }[], change: Partial<DataOf<typeof contract.RequestReturn>> = {}) =>
  contract.RequestReturn({ orderId, returnId, items, ...change })
const ids = { orderId, clientId, returnId, currency: 'EUR', orderedAt: TEST_NOW, at: TEST_NOW }
const requested = (change: Partial<DataOf<typeof contract.ReturnRequested>> = {}) =>
  contract.ReturnRequested({
    ...ids,
    amount: '10.00',
    tax: '0.00',
    items: [{ sku: 'LAMP', quantity: 1, price: '10.00' }],
    reason: '',
    reference: '',
    ...change,
  })
const rejected = contract.ReturnRejected({ ...ids, amount: '10.00', reason: 'GATEWAY' })
const completed = contract.ReturnCompleted({ ...ids, amount: '10.00', units: 1 })
const other = (last: number) => `00000000-0000-7000-8000-${String(last).padStart(12, '0')}`

suite('asking for a return', () => {
  test('pays back the price that was paid', () => {
    given(order, ...bought)
      .when(ask([{ sku: 'LAMP', quantity: 1 }]))
      .then(requested())
  })

  test('a SKU named twice is summed', () => {
    const twice = [
      { sku: 'LAMP', quantity: 1 },
      { sku: 'LAMP', quantity: 1 },
    ]
    const items = [{ sku: 'LAMP', quantity: 2, price: '10.00' }]
    given(order, ...bought)
      .when(ask(twice))
      .then(requested({ items, amount: '20.00' }))
    given(order, ...bought)
      .when(ask([...twice, ...twice]))
      .refuses('RETURN_TOO_MUCH', { wanted: 4, returnable: 2 })
  })

  test('asked twice under one id, returned once', () => {
    given(order, ...bought, requested())
      .when(ask([{ sku: 'LAMP', quantity: 1 }]))
      .thenNothing()
  })

  test('only a confirmed order can be returned', () => {
    const lamp = [{ sku: 'LAMP', quantity: 1 }]
    given(order).when(ask(lamp)).refuses('ORDER_NOT_FOUND')
    given(order, orderPlaced()).when(ask(lamp)).refuses('RETURN_NOT_POSSIBLE', { status: 'PENDING' })
  })

  test('what was asked for counts as returned, unless it was rejected', () => {
    const two = ask([{ sku: 'LAMP', quantity: 2 }], { returnId: other(1) })
    given(order, ...bought, requested())
      .when(two)
      .refuses('RETURN_TOO_MUCH', { sku: 'LAMP', returnable: 1 })
    given(order, ...bought, requested(), completed)
      .when(two)
      .refuses('RETURN_TOO_MUCH', { returnable: 1 })
    given(order, ...bought, requested(), rejected)
      .when(two)
      .outcome()
    given(order, ...bought)
      .when(ask([{ sku: 'NONE', quantity: 1 }]))
      .refuses('RETURN_TOO_MUCH', { returnable: 0 })
  })

  test('a reference is taken by one return that was not rejected', () => {
    const again = ask([{ sku: 'LAMP', quantity: 1 }], { returnId: other(1), reference: 'C-1' })
    given(order, ...bought, requested({ reference: 'C-1' }))
      .when(again)
      .refuses('RETURN_REFERENCE_TAKEN', { returnId })
    given(order, ...bought, requested({ reference: 'C-1' }), rejected)
      .when(again)
      .outcome()
  })

  test('a SKU that was bought at two prices comes back from its first line first', () => {
    const items = ['4.00', '6.00'].map((price) => ({ sku: 'LAMP', productId: clientId, name: 'L', quantity: 2, price }))
    const placed = orderPlaced({ items, subtotal: '20.00', total: '20.00' })
    given(order, placed, orderConfirmed)
      .when(ask([{ sku: 'LAMP', quantity: 3 }]))
      .then(
        requested({
          amount: '14.00',
          items: [
            { sku: 'LAMP', quantity: 2, price: '4.00' },
            { sku: 'LAMP', quantity: 1, price: '6.00' },
          ],
        }),
      )
  })

  test('the tax comes back in proportion, shipping does not', () => {
    const placed = orderPlaced({ tax: '12.00', shipping: '5.00', total: '136.99' })
    given(order, placed, orderConfirmed)
      .when(ask([{ sku: 'LAMP', quantity: 1 }]))
      .then(requested({ amount: '11.00', tax: '1.00' }))
  })
})

suite('its end', () => {
  test('is completed or rejected once, and the first end stays', () => {
    const complete = contract.CompleteReturn({ orderId, returnId })
    const reject = contract.RejectReturn({ orderId, returnId, reason: 'GATEWAY' })
    given(order, ...bought, requested())
      .when(complete)
      .then(completed)
    given(order, ...bought, requested())
      .when(reject)
      .then(rejected)
    for (const command of [complete, reject]) {
      for (const end of [completed, rejected])
        given(order, ...bought, requested(), end)
          .when(command)
          .thenNothing()
      given(order, ...bought)
        .when(command)
        .thenNothing()
    }
  })
})

interface Attempt {
  readonly items: { sku: string; quantity: number }[]
  readonly isRejected: boolean
}

/** Runs the attempts one after the other; those that ask for too much leave nothing behind. */
function returnedInParts(placed: Message, attempts: readonly Attempt[]): Message[] {
  const events: Message[] = [placed, orderConfirmed]
  for (const [at, { items, isRejected }] of attempts.entries()) {
    const returnId = other(at)
    try {
      events.push(
        ...given(order, ...events)
          .when(ask(items, { returnId }))
          .outcome().events,
      )
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'RETURN_TOO_MUCH') throw error
      continue
    }
    if (isRejected) events.push(contract.ReturnRejected({ ...ids, returnId, amount: '0.00', reason: '' }))
  }
  return events
}

function liveReturns(events: readonly Message[]) {
  const { returns } = given(order, ...events)
    .when(contract.ConfirmOrder({ orderId }))
    .thenNothing().state
  return Object.values(returns).filter(({ status }) => status !== 'REJECTED')
}

function sumOf(amounts: readonly string[]): bigint {
  return amounts.reduce((sum, amount) => sum + toMinor(amount, 'EUR'), 0n)
}

test('however an order is returned in parts, some rejected: never more than was paid, in the end all of it', () => {
  const skus = fc.constantFrom('A', 'B')
  const piece = fc.record({ sku: skus, quantity: fc.integer({ min: 1, max: 4 }) })
  const line = fc.record({
    sku: skus,
    quantity: fc.integer({ min: 1, max: 9 }),
    price: fc.bigInt({ min: 0n, max: 500n }),
  })
  const lines = fc.array(line, { minLength: 1, maxLength: 4 })
  const attempts = fc.array(
    fc.record({ items: fc.array(piece, { minLength: 1, maxLength: 3 }), isRejected: fc.boolean() }),
    {
      maxLength: 12,
    },
  )
  fc.assert(
    fc.property(lines, fc.bigInt({ min: 0n, max: 300n }), attempts, (lines, taxMinor, attempts) => {
      const items = lines.map(({ price, ...rest }) => ({
        ...rest,
        productId: clientId,
        name: 'L',
        price: toAmount(price, 'EUR'),
      }))
      const subtotal = lines.reduce((sum, { price, quantity }) => sum + price * BigInt(quantity), 0n)
      const amounts = { subtotal: toAmount(subtotal, 'EUR'), tax: toAmount(taxMinor, 'EUR') }
      const placed = orderPlaced({ items, ...amounts, total: toAmount(subtotal + taxMinor, 'EUR') })
      const events = returnedInParts(placed, attempts)
      const paidBack = sumOf(liveReturns(events).map(({ amount }) => amount))
      assert.ok(paidBack <= subtotal + taxMinor, `${paidBack} of ${subtotal + taxMinor}`)
      // Whatever is left comes back piece by piece; a tax on goods that cost nothing belongs to no piece.
      const rest = lines.flatMap(({ sku, quantity }) => Array.from({ length: quantity }, () => sku))
      const all = [...events]
      for (const [at, sku] of rest.entries()) all.push(...pieceBack(all, sku, other(100 + at)))
      const live = liveReturns(all)
      assert.equal(sumOf(live.map(({ amount }) => amount)), subtotal === 0n ? 0n : subtotal + taxMinor)
    }),
    { numRuns: 200 },
  )
})

function pieceBack(events: readonly Message[], sku: string, returnId: string): readonly Message[] {
  try {
    return given(order, ...events)
      .when(ask([{ sku, quantity: 1 }], { returnId }))
      .outcome().events
  } catch (error) {
    if (error instanceof Refusal && error.code === 'RETURN_TOO_MUCH') return []
    throw error
  }
}
