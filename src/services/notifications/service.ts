// Notifications at a glance: clients are told by e-mail what became of their orders; no order depends on it.
import { service } from '../../kernel/service.ts'
import { changeRecipient, deliverNotification, welcomeClient } from './client-news.ts'
import * as contract from './contract.ts'
import { takeMailAnswer } from './mail-answers.ts'
import { notification } from './notification.ts'
import { noteRefund, orderRefund, tellCancelled, tellConfirmed, tellFailed, tellReturned } from './order-news.ts'
import { recipient } from './recipient.ts'
import { listNotifications, readNotification } from './routes.ts'

export const notifications = service({
  name: 'notifications',
  summary: 'E-mails to clients: welcome, order confirmed, cancelled, refunded. No order depends on one.',
  contract: contract.notificationsContract,
  codes: contract.notificationsCodes,
  publishes: [contract.NotificationSent, contract.NotificationFailed],
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
  ],
  answers: [takeMailAnswer],
  routes: [listNotifications, readNotification],
  // A mail that can not be written must not keep the next one of its order from being sent.
  parking: { whenDead: 'skip' },
})
