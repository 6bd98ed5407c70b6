// Notifications' part of the feed `order-pipeline`: what was sent about an order, what failed, and its dead letters.
import { type FedFacts, fed, feed } from '../../../kernel/feed.ts'
import { momentOf } from '../../../kernel/inputs.ts'
import type { DataOf } from '../../../kernel/message.ts'
import {
  NotificationFailed,
  NotificationSent,
  notificationsDead,
  orderNotificationOf,
  pipelineNotifications,
} from '../contract.ts'

type Sent = DataOf<typeof NotificationSent>
type Failed = DataOf<typeof NotificationFailed>

/** Its notifications are about orders alone, so a welcome is none. */
function told({ about, template, notificationId, channel, attempts }: Sent, { type, appendedAt }: FedFacts) {
  if (template === 'welcome') return undefined
  const asked = { ...orderNotificationOf(about, template), notification_id: notificationId }
  return { event_type: type, ...asked, channel, attempts, timestamp: momentOf(appendedAt) }
}

/** One that goes on over another channel has not failed yet. */
function failed(notification: Failed, facts: FedFacts) {
  return notification.fallback === undefined ? told(notification, facts) : undefined
}

function dead({ about, template, notificationId, attempts, reason, fallback }: Failed, { appendedAt }: FedFacts) {
  if (template === 'welcome' || fallback !== undefined) return undefined
  return {
    original_notification: { ...orderNotificationOf(about, template), notification_id: notificationId },
    failure_timestamp: momentOf(appendedAt),
    retry_count: attempts,
    reason: 'Max retries',
    last_error: reason,
  }
}

export const orderPipeline = feed('order-pipeline', [
  fed(NotificationSent, { to: pipelineNotifications, as: 'NOTIFICATION_SENT' }, told),
  fed(NotificationFailed, { to: pipelineNotifications, as: 'NOTIFICATION_FAILED' }, failed),
  fed(NotificationFailed, { to: notificationsDead, as: 'NOTIFICATION_DEAD' }, dead),
])
