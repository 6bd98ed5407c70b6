// From requested to completed: put the goods back into stock, then pay the money back.
import type { DataOf, Message } from '../../kernel/message.ts'
import { saga } from '../../kernel/saga.ts'
import * as inventory from '../inventory/contract.ts'
import * as payments from '../payments/contract.ts'
import * as orders from './contract.ts'

function reasonOf({ data }: Message): string {
  return (data as DataOf<typeof payments.ReturnRefundRefused>).reason
}

/**
 * One instance a return; its messages travel under the order's key, so an order's returns keep their order. The refund
 * is the point of no return: late, it may have been paid, so the goods are not taken back and a person has to look.
 */
export const returns = saga({
  name: 'order_returns',
  starts: orders.ReturnRequested,
  key: 'returnId',
  says: [
    inventory.RestockReturn,
    inventory.TakeBackReturn,
    payments.RefundReturn,
    orders.CompleteReturn,
    orders.RejectReturn,
  ],
  remembers: ({ orderId, returnId, items, amount, currency }) => ({
    orderId,
    returnId,
    items: items.map(({ sku, quantity }) => ({ sku, quantity })),
    amount,
    currency,
  }),
  steps: [
    {
      name: 'restock',
      send: ({ orderId, returnId, items }) => inventory.RestockReturn({ orderId, returnId, items }),
      done: inventory.ReturnRestocked,
      undo: ({ orderId, returnId, items }) => inventory.TakeBackReturn({ orderId, returnId, items }),
      undone: inventory.ReturnTakenBack,
      within: '5 min',
      late: 'RESTOCK_TIMEOUT',
      promise: {
        done: 'The return will go on although its pieces may be missing in stock: count and adjust it.',
        undone: 'The return will be rejected while its pieces may count as stock: count and adjust it.',
      },
    },
    {
      name: 'refund',
      send: ({ orderId, returnId, amount, currency }) => payments.RefundReturn({ orderId, returnId, amount, currency }),
      done: payments.ReturnRefunded,
      refused: payments.ReturnRefundRefused,
      // As long as payments may ask the gateway again before it asks a person.
      within: '24 h',
      late: 'REFUND_TIMEOUT',
      promise: {
        done: 'The return will be completed although no refund is known: skip only what was paid back by hand.',
        undone: 'The return will be rejected while its money may have been paid back.',
      },
    },
  ],
  stops: [],
  succeeds: {
    send: ({ orderId, returnId }) => orders.CompleteReturn({ orderId, returnId }),
    done: orders.ReturnCompleted,
  },
  fails: {
    send: ({ orderId, returnId }, reason) => orders.RejectReturn({ orderId, returnId, reason }),
    done: orders.ReturnRejected,
  },
  reasonOf,
})
