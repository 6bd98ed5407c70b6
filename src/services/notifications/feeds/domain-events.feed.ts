// Notifications' part of the feed `domain-events`: notification-events, with a type and its data.
import { type FedFacts, fed, feed } from '../../../kernel/feed.ts'
import type { DataOf } from '../../../kernel/message.ts'
import { domainNotifications, NotificationFailed, NotificationSent } from '../contract.ts'

/** Why it failed stays out: what a mail server answers may name the person. */
function told(notification: DataOf<typeof NotificationSent>, { type }: FedFacts) {
  const { notificationId, about, template, channel, attempts } = notification
  return { eventType: type, data: { notificationId, about, template, channel, attempts } }
}

export const domainEvents = feed('domain-events', [
  fed(NotificationSent, { to: domainNotifications, as: 'notification.sent' }, told),
  fed(NotificationFailed, { to: domainNotifications, as: 'notification.failed' }, told),
])
