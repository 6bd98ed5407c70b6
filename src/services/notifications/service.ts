// Notifications at a glance: clients are told what became of their orders, by e-mail first; no order depends on it.
import { service } from '../../kernel/service.ts'
import { changeRecipient, deliverNotification, welcomeClient } from './client-news.ts'
import * as contract from './contract.ts'
import { resendNotification } from './delivering.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { orderPipeline } from './feeds/order-pipeline.feed.ts'
import { takeMailAnswer, takeTextAnswer, takeWebhookAnswer } from './message-answers.ts'
import { notification } from './notification.ts'
import { noteRefund, orderRefund, tellCancelled, tellConfirmed, tellFailed, tellReturned } from './order-news.ts'
import { recipient } from './recipient.ts'
import { listNotifications, readNotification, resend } from './routes.ts'
import { undelivered } from './undelivered.projection.ts'

export const notifications = service({
  name: 'notifications',
  summary: 'Messages to clients: welcome, order confirmed, cancelled, refunded. No order depends on one.',
  contract: contract.notificationsContract,
  codes: contract.notificationsCodes,
  publishes: [contract.NotificationSent, contract.NotificationFailed, contract.NotificationResent],
  entities: [notification, recipient, orderRefund],
  handlers: [
    welcomeClient,
    changeRecipient,
    deliverNotification,
    tellConfirmed,
    tellCancelled,
    tellFailed,
    tellReturned,
    noteRefund,
    resendNotification,
  ],
  answers: [takeMailAnswer, takeTextAnswer, takeWebhookAnswer],
  projections: [undelivered],
  feeds: [orderPipeline, domainEvents],
  routes: [listNotifications, readNotification, resend],
  // A mail that can not be written must not keep the next one of its order from being sent.
  parking: { whenDead: 'skip' },
})
