// An order's life: what each command does in each status.
import { suite, test } from 'node:test'
import { TEST_NOW } from '../../testing/handle.ts'
import { given } from '../../testing/given.ts'
import {
  orderCancelled,
  orderConfirmed,
  orderId,
  orderPaid,
  orderPlaced,
  summary,
} from '../../testing/example-order.ts'
import * as contract from './contract.ts'
import { order } from './order.ts'

const placed = orderPlaced()
const at = TEST_NOW
const cancelling = contract.CancellationRequested({ orderId, reason: 'CLIENT', at })
const flagged = contract.OrderFlagged({ orderId, steps: ['pay'], at })
const failed = contract.OrderFailed({ ...summary(), from: 'PENDING', reason: 'GIVEN_UP' })
const confirm = contract.ConfirmOrder({ orderId })
const cancel = contract.CancelOrder({ orderId, reason: 'OUT_OF_STOCK' })
const request = contract.RequestCancellation({ orderId, reason: 'CLIENT' })
const receive = contract.ReceiveManualPayment({ orderId })
const giveUp = contract.GiveUpOrder({ orderId, reason: 'GIVEN_UP' })

suite('confirming and cancelling', () => {
  test('a captured payment makes the order paid, once', () => {
    given(order, placed).when(contract.MarkOrderPaid({ orderId })).then(orderPaid)
    for (const events of [
      [placed, orderPaid],
      [placed, orderConfirmed],
      [placed, orderCancelled],
    ]) {
      given(order, ...events)
        .when(contract.MarkOrderPaid({ orderId }))
        .thenNothing()
    }
  })

  test('money that came while a cancellation is under way is still noted: it will be given back', () => {
    given(order, placed, cancelling).when(contract.MarkOrderPaid({ orderId })).then(orderPaid)
  })

  test('the saga’s confirmation is the end', () => {
    given(order, placed, orderPaid).when(confirm).then(orderConfirmed)
    given(order, placed, orderPaid, orderConfirmed).when(confirm).thenNothing()
  })

  test('a cancellation that was accepted first wins over the confirmation', () => {
    given(order, placed, orderPaid, cancelling).when(confirm).thenNothing()
  })

  test('a confirmation that came first wins over the cancellation', () => {
    given(order, placed, orderPaid, orderConfirmed)
      .when(request)
      .refuses('ORDER_TRANSITION', { from: 'CONFIRMED', to: 'CANCELLED' })
  })

  test('a cancellation is asked for once, and asking again is no error', () => {
    given(order, placed)
      .when(request, { now: 7 })
      .then(contract.CancellationRequested({ orderId, reason: 'CLIENT', at: 7 }))
    given(order, placed, cancelling).when(request).thenNothing()
    given(order, placed, cancelling, orderCancelled).when(request).thenNothing()
  })

  test('the saga’s cancellation ends the order with its reason, once', () => {
    given(order, placed, cancelling)
      .when(cancel)
      .then(contract.OrderCancelled({ ...summary(), from: 'PENDING', reason: 'OUT_OF_STOCK' }))
    given(order, placed, orderPaid, cancelling)
      .when(cancel)
      .then(contract.OrderCancelled({ ...summary(), from: 'PAID', reason: 'OUT_OF_STOCK' }))
    for (const end of [orderCancelled, orderConfirmed, failed]) given(order, placed, end).when(cancel).thenNothing()
  })

  test('nothing can be asked of an order that does not exist', () => {
    for (const command of [request, receive, giveUp]) given(order).when(command).refuses('ORDER_NOT_FOUND', { orderId })
    for (const command of [confirm, cancel]) given(order).when(command).thenNothing()
  })
})

suite('a manual payment', () => {
  const manual = orderPlaced({ payments: [{ method: 'manual', amount: '119.99' }] })
  const received = contract.ManualPaymentReceived({ orderId, at })

  test('is received once', () => {
    given(order, manual).when(receive).then(received)
    given(order, manual, received).when(receive).thenNothing()
  })

  test('that settled the order long ago is no error', () => {
    given(order, manual, received, orderPaid).when(receive).thenNothing()
    given(order, manual, received, orderPaid, orderConfirmed).when(receive).thenNothing()
  })

  test('cannot settle what is paid by card, nor an order that is ending', () => {
    given(order, placed).when(receive).refuses('ORDER_TRANSITION', { from: 'PENDING', to: 'PAID' })
    given(order, manual, cancelling).when(receive).refuses('ORDER_TRANSITION')
    given(order, manual, orderCancelled).when(receive).refuses('ORDER_TRANSITION', { from: 'CANCELLED' })
  })
})

suite('an order that needs a person', () => {
  test('is flagged while it is under way', () => {
    const flag = contract.FlagOrder({ orderId, steps: ['pay'] })
    given(order, placed).when(flag).then(flagged)
    given(order, placed, orderCancelled).when(flag).thenNothing()
  })

  test('can be given up by an operator, once', () => {
    given(order, placed, flagged).when(giveUp, { role: 'operator' }).then(failed)
    given(order, placed, flagged, failed).when(giveUp, { role: 'operator' }).thenNothing()
  })

  test('is given up by nobody else', () => {
    for (const role of ['reader', 'clerk', 'importer']) {
      given(order, placed, flagged).when(giveUp, { role }).refuses('OPERATOR_ONLY')
    }
  })

  test('an order whose saga is still at work is cancelled, not given up', () => {
    given(order, placed).when(giveUp).refuses('GIVE_UP_TOO_EARLY')
    given(order, placed, orderConfirmed).when(giveUp).refuses('ORDER_TRANSITION', { from: 'CONFIRMED', to: 'FAILED' })
    given(order, placed, flagged, orderCancelled).when(giveUp).refuses('ORDER_TRANSITION')
  })
})
