// What notifications publishes: which messages to people were sent, and which could not be.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { id } from '../../kernel/shapes.ts'

export const notificationsContract = contract('notifications')

export const TEMPLATES = ['order-confirmed', 'order-cancelled', 'order-refunded', 'welcome'] as const
/** `about` is the order's or, for a welcome, the client's id. */
const notification = {
  about: id,
  notificationId: z.string(),
  template: z.enum(TEMPLATES),
  channel: z.enum(['email', 'sms', 'webhook']),
}

/** Sends a notification that waited for its recipient's address. */
export const DeliverNotification = notificationsContract.command('DeliverNotification', {
  key: 'about',
  body: { about: id, clientId: id, notificationId: z.string() },
})

export const NotificationSent = notificationsContract.event('NotificationSent', {
  key: 'about',
  body: { ...notification, attempts: z.int() },
})
export const NotificationFailed = notificationsContract.event('NotificationFailed', {
  key: 'about',
  body: { ...notification, attempts: z.int(), reason: z.string() },
})

export const notificationsCodes = {
  NOTIFICATION_NOT_FOUND: { status: 404, title: 'No notification has this id. Check it.' },
} as const satisfies CodeTable
