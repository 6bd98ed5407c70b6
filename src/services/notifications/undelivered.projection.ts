// Notifications that were given up and wait for a person: what this service has of dead letters.
import { projection } from '../../kernel/projection.ts'
import { NotificationFailed, NotificationResent } from './contract.ts'

/** Rows stay: a notification that was sent again says so, and comes back when that failed as well. */
export const undelivered = projection('undelivered', {
  key: ['notification_id'],
  columns: { notification_id: 'text', status: 'text', about: 'text' },
  indexes: [['status', 'notification_id']],
  folds: (fold) => [
    fold(
      NotificationFailed,
      ({ notificationId, fallback }) => (fallback === undefined ? [notificationId] : undefined),
      (_, { notificationId, about }) => ({ notification_id: notificationId, status: 'failed', about }),
    ),
    fold(
      NotificationResent,
      ({ notificationId }) => [notificationId],
      // Whoever resends what had arrived leaves no trace in a list of what did not.
      (row) => (row === undefined ? undefined : { ...row, status: 'resent' }),
    ),
  ],
})
