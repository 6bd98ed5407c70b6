// Notifications' part of the feed `order-pipeline`: what was sent, what failed, and its dead letters.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { NotificationFailed, NotificationSent } from '../contract.ts'
import { orderPipeline } from './order-pipeline.feed.ts'

const at = Date.parse('2024-01-15T10:30:00.000Z')
const confirmed = {
  about: 'abc-123',
  notificationId: 'abc-123.order-confirmed',
  template: 'order-confirmed',
  channel: 'email',
} as const
const asked = '"notification_id":"abc-123.order-confirmed","order_id":"abc-123","type":"ORDER_CONFIRMED"'

test('a notification that was sent', () => {
  assert.deepEqual(fedBy(orderPipeline, NotificationSent({ ...confirmed, attempts: 1 }), at), {
    'pipeline.notifications.events':
      `{"event_type":"NOTIFICATION_SENT",${asked},"channel":"email","attempts":1,` +
      '"timestamp":"2024-01-15T10:30:00.000Z"}',
  })
})

test('one that failed for good goes among the dead letters with what was asked, as in the example', () => {
  const failed = NotificationFailed({ ...confirmed, attempts: 3, reason: '500 error' })
  const example = `{
    "original_notification": {${asked}},
    "failure_timestamp": "2024-01-15T10:30:00.000Z",
    "retry_count": 3,
    "reason": "Max retries",
    "last_error": "500 error"
  }`
  assert.deepEqual(fedBy(orderPipeline, failed, at), {
    'pipeline.notifications.events':
      `{"event_type":"NOTIFICATION_FAILED",${asked},"channel":"email","attempts":3,` +
      '"timestamp":"2024-01-15T10:30:00.000Z"}',
    'notifications.dlq': inOneLine(example),
  })
})

test('one that goes on over another channel has not failed yet, and a welcome is about no order', () => {
  const failed = { ...confirmed, attempts: 3, reason: '500 error' }
  assert.deepEqual(fedBy(orderPipeline, NotificationFailed({ ...failed, fallback: 'sms' }), at), {})
  assert.deepEqual(fedBy(orderPipeline, NotificationSent({ ...failed, template: 'welcome' }), at), {})
  assert.deepEqual(fedBy(orderPipeline, NotificationFailed({ ...failed, template: 'welcome' }), at), {})
})

test('its topics are kept as its readers keep them', () => {
  const topics = [...new Set(orderPipeline.rules.map(({ to }) => to))]
  assert.deepEqual(
    topics.map(({ name, partitions, keep, compression }) => [name, partitions, keep, compression]),
    [
      ['pipeline.notifications.events', 3, '7 d', 'snappy'],
      ['notifications.dlq', 1, '30 d', 'gzip'],
    ],
  )
})
