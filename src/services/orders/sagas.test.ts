// The sagas of orders: what they send at each step, and which reason an order ends with.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { milliseconds } from '../../kernel/duration.ts'
import type { Message } from '../../kernel/message.ts'
import type { Saga } from '../../kernel/saga.ts'
import { eventsOf, sagaProblems } from '../../kernel/saga.ts'
import { decideSaga, newSaga } from '../../kernel/saga-decider.ts'
import {
  clientId,
  orderCancelled,
  orderConfirmed,
  orderId,
  orderPlaced,
  returnId,
} from '../../testing/example-order.ts'
import { TEST_NOW } from '../../testing/handle.ts'
import * as inventory from '../inventory/contract.ts'
import * as payments from '../payments/contract.ts'
import * as shipping from '../shipping/contract.ts'
import { CHECKOUT_LIMITS, checkout, checkoutWith } from './checkout.saga.ts'
import * as orders from './contract.ts'
import { returns } from './returns.saga.ts'

const LATE = 'late'

/** Walks a saga through events and elapsed limits; every command that it sends must fit its contract. */
function walk(saga: Saga, words: readonly (Message | typeof LATE)[]) {
  let state = newSaga
  const sent: Message[] = []
  for (const word of words) {
    const input = word === LATE ? { lateTurn: state.turn } : { event: word }
    const move = decideSaga(saga, state, input, TEST_NOW)
    assert.ok(move !== undefined, word === LATE ? LATE : `${word.type} moved nothing`)
    state = move.state
    sent.push(...move.sends)
  }
  for (const { type, data } of sent) {
    const declared = saga.says.find((one) => one.type === type)
    assert.ok(declared !== undefined, `${saga.name} sends ${type} without saying so`)
    declared.schema.parse(JSON.parse(JSON.stringify(data)))
  }
  return { state, status: state.status, sent, types: sent.map(({ type }) => type) }
}

const money = { orderId, amount: '119.99', currency: 'EUR' }
const stock = { orderId, units: 3 }
const items = [
  { sku: 'LAMP', quantity: 2 },
  { sku: 'RUG', quantity: 1 },
]
const placed = orderPlaced()
const reserved = inventory.StockReserved(stock)
const captured = payments.PaymentCaptured(money)
const committed = inventory.StockCommitted(stock)
const booked = shipping.ShipmentBooked({ orderId, carrier: 'C', trackingNumber: '1' })
const released = inventory.StockReleased(stock)
const refunded = payments.PaymentRefunded(money)
const restocked = inventory.OrderRestocked(stock)
const called = shipping.ShipmentCancelled({ orderId })

suite('checkout', () => {
  test('reserves, captures, commits, books, and confirms', () => {
    const { status, sent } = walk(checkout, [placed, reserved, captured, committed, booked, orderConfirmed])
    assert.equal(status, 'succeeded')
    assert.deepEqual(sent, [
      inventory.ReserveStock({ orderId, items, holdMs: milliseconds('11 min') }),
      payments.CapturePayment({ ...money, parts: [{ method: 'card', amount: '119.99' }], reference: '' }),
      orders.MarkOrderPaid({ orderId }),
      inventory.CommitStock({ orderId, items }),
      shipping.BookShipment({ orderId, address: undefined, pieces: 3, reference: '' }),
      orders.ConfirmOrder({ orderId }),
    ])
  })

  test('a shipment that is refused undoes all that was done, newest first, before it cancels', () => {
    const refused = shipping.ShipmentRefused({ orderId, reason: 'NO_SUCH_PLACE' })
    const words = [placed, reserved, captured, committed, refused, restocked, refunded, released, orderCancelled]
    const { status, sent } = walk(checkout, words)
    assert.equal(status, 'failed')
    assert.deepEqual(sent.slice(-4), [
      inventory.RestockOrder({ orderId, items }),
      payments.RefundPayment({ orderId, currency: 'EUR' }),
      inventory.ReleaseStock({ orderId, items }),
      orders.CancelOrder({ orderId, reason: 'SHIPMENT_REFUSED' }),
    ])
  })

  test('each way to fail has its reason, one of those that the contract names', () => {
    const requested = (reason: string) => orders.CancellationRequested({ orderId, reason, at: TEST_NOW })
    const missing = [{ sku: 'LAMP', wanted: 2, available: 1 }]
    const roads: [string, (Message | typeof LATE)[]][] = [
      ['OUT_OF_STOCK', [placed, inventory.StockRefused({ orderId, missing })]],
      ['OUT_OF_STOCK', [placed, LATE]],
      ['PAYMENT_DECLINED', [placed, reserved, payments.PaymentDeclined({ orderId, reason: 'FUNDS' })]],
      ['PAYMENT_TIMEOUT', [placed, reserved, LATE]],
      ['PAYMENT_TIMEOUT', [placed, reserved, inventory.ReservationExpired(stock)]],
      ['OUT_OF_STOCK', [placed, reserved, captured, inventory.StockCommitRefused({ orderId, state: 'expired' })]],
      ['OUT_OF_STOCK', [placed, reserved, captured, LATE]],
      ['SHIPMENT_REFUSED', [placed, reserved, captured, committed, LATE]],
      ['CLIENT', [placed, requested('CLIENT')]],
      ['OPERATOR', [placed, reserved, captured, committed, booked, requested('OPERATOR'), called]],
    ]
    for (const [reason, words] of roads) {
      assert.equal(walk(checkout, words).state.reason, reason)
      assert.ok((orders.CANCEL_REASONS as readonly string[]).includes(reason))
    }
  })

  test('a manual payment is awaited for a day, and the stock is held for longer than that', () => {
    const manual = orderPlaced({
      payments: [
        { method: 'manual', amount: '100' },
        { method: 'card', amount: '19.99' },
      ],
    })
    const { state, sent } = walk(checkout, [manual, reserved])
    assert.equal(state.due, TEST_NOW + milliseconds('24 h'))
    const held = sent[0]?.data as { holdMs: number } | undefined
    assert.equal(held?.holdMs, milliseconds('24 h') + milliseconds('6 min'))
  })

  test('undos that nobody answers flag the order for a person, who may give it up', () => {
    const { types, status } = walk(checkout, [placed, reserved, LATE, LATE, released])
    assert.deepEqual([types.at(-1), status], ['FlagOrder', 'needs-person'])
  })

  test('a hold that is shorter than its steps is told at start', () => {
    assert.deepEqual(sagaProblems(checkout), [])
    const brief = checkoutWith({ ...CHECKOUT_LIMITS, holdMargin: '0 s' })
    assert.match(sagaProblems(brief).join(), /holds stock for a payment within 5 min for 360000 ms/)
  })
})

suite('returns', () => {
  const ids = { orderId, returnId, amount: '10.00', currency: 'EUR' }
  const facts = { ...ids, clientId, orderedAt: TEST_NOW, at: TEST_NOW }
  const asked = orders.ReturnRequested({
    ...facts,
    tax: '0.00',
    items: [{ sku: 'LAMP', quantity: 1, price: '10.00' }],
    reason: '',
    reference: '',
  })
  const lamp = [{ sku: 'LAMP', quantity: 1 }]
  const back = inventory.ReturnRestocked({ orderId, returnId, units: 1 })
  const takenBack = inventory.ReturnTakenBack({ orderId, returnId, units: 1 })
  const paid = payments.ReturnRefunded(ids)

  test('the goods go back, then the money, then it is completed', () => {
    const { sent, status } = walk(returns, [asked, back, paid, orders.ReturnCompleted({ ...facts, units: 1 })])
    assert.equal(status, 'succeeded')
    assert.deepEqual(sent, [
      inventory.RestockReturn({ orderId, returnId, items: lamp }),
      payments.RefundReturn(ids),
      orders.CompleteReturn({ orderId, returnId }),
    ])
  })

  test('a refused refund takes the goods back and rejects the return with its reason', () => {
    const refused = payments.ReturnRefundRefused({ orderId, returnId, reason: 'CAPTURE_TOO_SMALL' })
    const rejected = orders.ReturnRejected({ ...facts, reason: 'CAPTURE_TOO_SMALL' })
    const { sent, status } = walk(returns, [asked, back, refused, takenBack, rejected])
    assert.equal(status, 'failed')
    assert.deepEqual(sent.slice(-2), [
      inventory.TakeBackReturn({ orderId, returnId, items: lamp }),
      orders.RejectReturn({ orderId, returnId, reason: 'CAPTURE_TOO_SMALL' }),
    ])
  })

  test('a late refund may have been paid: the goods stay, a person has to look, its answer goes on', () => {
    assert.equal(walk(returns, [asked, back, LATE]).status, 'overdue')
    assert.equal(walk(returns, [asked, back, LATE, paid]).types.at(-1), 'CompleteReturn')
  })

  test('every message of it names the return', () => {
    for (const { type, schema } of eventsOf(returns).values()) assert.ok('returnId' in schema.shape, type)
    assert.deepEqual(sagaProblems(returns), [])
  })
})
