// Orders' part of the feed `domain-events`: both of its types, field by field.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lamp, orderPlaced, rug, summary } from '../../../testing/example-order.ts'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { OrderCancelled, OrderConfirmed, OrderFailed, OrderPaid } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

test('order.created names what was bought, and the sums', () => {
  const placed = orderPlaced({
    orderId: '12345',
    clientId: 'user-123',
    tax: '24.00',
    shipping: '4.99',
    total: '148.98',
  })
  assert.deepEqual(fedBy(domainEvents, placed), {
    'order-events': inOneLine(`{
      "eventType": "order.created",
      "data": {
        "orderId": "12345",
        "userId": "user-123",
        "items": [
          { "productId": "${lamp.productId}", "quantity": 2, "price": 10 },
          { "productId": "${rug.productId}", "quantity": 1, "price": 99.99 }
        ],
        "totals": { "subtotal": 119.99, "tax": 24, "shipping": 4.99, "total": 148.98 }
      }
    }`),
  })
})

test('order.status.updated names the status before and after, and who did it', () => {
  const turns = [
    OrderPaid(summary()),
    OrderConfirmed(summary()),
    OrderCancelled({ ...summary(), from: 'PAID', reason: 'CLIENT' }),
    OrderCancelled({ ...summary(), from: 'PENDING', reason: 'OPERATOR' }),
    OrderCancelled({ ...summary(), reason: 'PAYMENT_DECLINED' }),
    OrderFailed({ ...summary(), from: 'PAID', reason: 'lost' }),
  ]
  const told = turns.map((turn) => JSON.parse(fedBy(domainEvents, turn)['order-events'] ?? '') as { data: object })
  const { orderId } = summary()
  assert.deepEqual(told[0], {
    eventType: 'order.status.updated',
    data: { orderId, oldStatus: 'PENDING', newStatus: 'PAID', updatedBy: 'system' },
  })
  assert.deepEqual(
    told.map(({ data }) => Object.values(data).slice(1)),
    [
      ['PENDING', 'PAID', 'system'],
      ['PAID', 'CONFIRMED', 'system'],
      ['PAID', 'CANCELLED', 'client'],
      ['PENDING', 'CANCELLED', 'operator'],
      ['PENDING', 'CANCELLED', 'system'],
      ['PAID', 'FAILED', 'operator'],
    ],
  )
})
