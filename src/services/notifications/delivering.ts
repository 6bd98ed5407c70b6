// How a notification gets to its client: sent when he is known, on the next channel when one fails, or given up.
import type { Held, Said } from '../../kernel/handler.ts'
import { on } from '../../kernel/handler.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import { channelEffects, hasChannel, nextChannel, sendBy } from './channels.ts'
import { NotificationFailed, NotificationResent, ResendNotification } from './contract.ts'
import type { Delivery, Notice, Notification } from './notification.ts'
import { MAX_DELIVERIES, documentsOf, notification } from './notification.ts'
import type { Recipient, RecipientDetails } from './recipient.ts'
import { recipient } from './recipient.ts'

/** A client of whom nothing is heard while he orders more than this is no client whose copy is only late. */
export const MAX_WAITING = 100

/** All that notifying may lead to. */
export const notifySays = [...channelEffects, NotificationFailed] as const
type Saying = Said<typeof notifySays>

/** Sends a notification once; while its recipient is not known it waits for him. */
export function notify(held: Held, notice: Notice, now: number): Saying[] {
  const { notificationId, about, clientId, letter } = notice
  const before = held.get(notification.at(notificationId))
  if (before.status !== 'none') return []
  held.put(notification.at(notificationId), { ...before, status: 'waiting', about, clientId, letter, at: now })
  return deliver(held, notice, now)
}

/** Sends a waiting notification if its recipient is known by now. */
export function deliver(
  held: Held,
  { notificationId, clientId }: Pick<Notice, 'notificationId' | 'clientId'>,
  now: number,
): Saying[] {
  const waiting = held.get(notification.at(notificationId))
  if (waiting.status !== 'waiting') return []
  const { details, waiting: others } = held.get(recipient.at(clientId))
  if (details !== undefined) return sendBy(held, notificationId, { details, channel: 'email' })
  if (others.some((one) => one.notificationId === notificationId)) return []
  if (others.length >= MAX_WAITING) {
    return fail(held, notificationId, { details, attempts: 0, reason: 'RECIPIENT_UNKNOWN', now })
  }
  const queue: Recipient['waiting'] = [...others, { notificationId, about: waiting.about }]
  held.put(recipient.at(clientId), { details: undefined, waiting: queue })
  return []
}

interface Failed {
  /** Undefined where nobody is known who might have another channel. */
  readonly details: RecipientDetails | undefined
  readonly attempts: number
  readonly reason: string
  readonly now: number
}

/** Gives a channel up and goes on to the client's next one; without one a person decides. No order depends on it. */
export function fail(held: Held, notificationId: string, { details, attempts, reason, now }: Failed): Saying[] {
  const before = held.get(notification.at(notificationId))
  const { about, channel, letter, tried = [], isOnly = false } = before
  held.put(notification.at(notificationId), concluded(before, { status: 'failed', attempts, reason, at: now }))
  const fallback = details === undefined || isOnly ? undefined : nextChannel(details, [...tried, channel])
  const { template } = letter
  const failed = { about, notificationId, template, channel, attempts, reason }
  if (details === undefined || fallback === undefined) return [NotificationFailed(failed)]
  return [NotificationFailed({ ...failed, fallback }), ...sendBy(held, notificationId, { details, channel: fallback })]
}

/** The notification with what became of its channel. */
export function concluded(before: Notification, { at, ...outcome }: Omit<Delivery, 'channel'>): Notification {
  const delivery: Delivery = { channel: before.channel, ...outcome, at }
  return { ...before, ...outcome, deliveries: [...(before.deliveries ?? []), delivery].slice(-MAX_DELIVERIES) }
}

/** What a person does with a notification that was given up, or that did not arrive although it was taken. */
export const resendNotification = on(ResendNotification, {
  says: [NotificationResent, ...channelEffects],
  loads: documentsOf,
  handle: ({ notificationId, clientId, channel: asked }, held) => {
    const channel = asked ?? 'email'
    const before = held.get(notification.at(notificationId))
    const { status, about, letter } = before
    refuse(status === 'none', 'NOTIFICATION_NOT_FOUND', { notificationId })
    refuse(status === 'sending' || status === 'waiting', 'NOTIFICATION_UNDER_WAY', { notificationId })
    const { details } = held.get(recipient.at(clientId))
    if (details === undefined || !hasChannel(details, channel)) {
      throw new Refusal('CHANNEL_UNAVAILABLE', { notificationId, channel })
    }
    held.put(notification.at(notificationId), { ...before, tried: [], isOnly: asked !== undefined })
    const resent = NotificationResent({ about, notificationId, template: letter.template, channel })
    return [resent, ...sendBy(held, notificationId, { details, channel })]
  },
})
