// What notifications publishes: which messages to people were sent, and which could not be.
import { z } from 'zod'
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { id } from '../../kernel/shapes.ts'
import { FALLBACK_CHANNELS } from '../clients/contract.ts'

export const notificationsContract = contract('notifications')

/** The topic of the feed `domain-events`. */
export const domainNotifications = notificationsContract.outward('notification-events', {
  partitions: 4,
  keep: '7 d',
  compression: 'gzip',
})

/** The topics of the feed `order-pipeline`. Its own name for the first is taken by our log: hence the prefix. */
export const pipelineNotifications = notificationsContract.outward('pipeline.notifications.events', {
  partitions: 3,
  keep: '7 d',
  compression: 'snappy',
})
export const notificationsDead = notificationsContract.outward('notifications.dlq', {
  partitions: 1,
  keep: '30 d',
  compression: 'gzip',
})

export const TEMPLATES = ['order-confirmed', 'order-cancelled', 'order-refunded', 'welcome'] as const
export const CHANNELS = ['email', ...FALLBACK_CHANNELS] as const
export type Channel = (typeof CHANNELS)[number]

/** What somebody who is asked to tell of an order gets, in the feed `order-pipeline`. */
export function orderNotificationOf(orderId: string, template: Exclude<(typeof TEMPLATES)[number], 'welcome'>) {
  return { notification_id: `${orderId}.${template}`, order_id: orderId, type: ORDER_NOTIFICATIONS[template] }
}

const ORDER_NOTIFICATIONS = {
  'order-confirmed': 'ORDER_CONFIRMED',
  'order-cancelled': 'ORDER_CANCELLED',
  'order-refunded': 'ORDER_REFUNDED',
} as const

/** `about` is the order's or, for a welcome, the client's id. */
const notification = {
  about: id,
  notificationId: z.string(),
  template: z.enum(TEMPLATES),
  channel: z.enum(CHANNELS),
}

/** Sends a notification that waited for its recipient's address. */
export const DeliverNotification = notificationsContract.command('DeliverNotification', {
  key: 'about',
  body: { about: id, clientId: id, notificationId: z.string() },
})

/** Sends again what was sent or given up; on one channel where it is named, else on all in their order. */
export const ResendNotification = notificationsContract.command('ResendNotification', {
  key: 'about',
  body: { about: id, clientId: id, notificationId: z.string(), channel: z.enum(CHANNELS).optional() },
})

export const NotificationSent = notificationsContract.event('NotificationSent', {
  key: 'about',
  body: { ...notification, attempts: z.int() },
})
/** All tries of one channel failed; with a `fallback` it is tried on, without one it waits for a person. */
export const NotificationFailed = notificationsContract.event('NotificationFailed', {
  key: 'about',
  body: { ...notification, attempts: z.int(), reason: z.string(), fallback: z.enum(CHANNELS).optional() },
})
/** A person sent it again; `channel` is the first that is tried. */
export const NotificationResent = notificationsContract.event('NotificationResent', {
  key: 'about',
  body: notification,
})

export const notificationsCodes = {
  NOTIFICATION_UNDER_WAY: {
    status: 409,
    title: 'The notification is being sent, or waits for its client. Read it again in a minute.',
  },
  CHANNEL_UNAVAILABLE: {
    status: 409,
    title: 'The client has no address on this channel. Give him one with PUT /v1/clients/:clientId, or choose another.',
  },
  NOTIFICATION_NOT_FOUND: { status: 404, title: 'No notification has this id. Check it.' },
} as const satisfies CodeTable
