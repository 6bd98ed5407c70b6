// Notifications' part of the feed `domain-events`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy } from '../../../testing/feeding.ts'
import { NotificationFailed, NotificationSent } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const sent = {
  about: '12345',
  notificationId: '12345.order-confirmed',
  template: 'order-confirmed',
  channel: 'email',
  attempts: 1,
} as const
const data =
  '{"notificationId":"12345.order-confirmed","about":"12345","template":"order-confirmed",' +
  '"channel":"email","attempts":1}'

test('a notification that was sent, and one that failed', () => {
  assert.deepEqual(fedBy(domainEvents, NotificationSent(sent)), {
    'notification-events': `{"eventType":"notification.sent","data":${data}}`,
  })
  assert.deepEqual(fedBy(domainEvents, NotificationFailed({ ...sent, reason: 'refused' })), {
    'notification-events': `{"eventType":"notification.failed","data":${data}}`,
  })
})
