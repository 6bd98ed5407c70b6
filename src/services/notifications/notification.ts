// A notification: one per template and thing that it is about, sent to the client's address as soon as that is known.
import { entity } from '../../kernel/entity.ts'
import type { AnyRef, Held, Said } from '../../kernel/handler.ts'
import { NotificationFailed } from './contract.ts'
import { sendMail } from './mail.effect.ts'
import type { Recipient } from './recipient.ts'
import { recipient } from './recipient.ts'
import type { Letter } from './templates.ts'
import { writeLetter } from './templates.ts'

/** A client of whom nothing is heard while he orders more than this is no client whose copy is only late. */
export const MAX_WAITING = 100

export interface Notification {
  /** `waiting` for its recipient's address. */
  readonly status: 'none' | 'waiting' | 'sending' | 'sent' | 'failed'
  /** The order's or, for a welcome, the client's id. */
  readonly about: string
  readonly clientId: string
  readonly channel: 'email'
  readonly letter: Letter
  readonly attempts: number
  /** Why it could not be sent. */
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

export const notification = entity<Notification>('notification', {
  initial: () => ({
    status: 'none',
    about: '',
    clientId: '',
    channel: 'email',
    letter: { template: 'welcome' },
    attempts: 0,
    reason: '',
    at: 0,
  }),
})

/** What somebody is to be told. */
export interface Notice {
  readonly notificationId: string
  readonly about: string
  readonly clientId: string
  readonly letter: Letter
}

/**
 * The id begins with what it is about: ids of orders and clients grow with time, so the documents in the order of their
 * keys are a list by time, and all about one order lies together.
 */
export function notificationIdOf(about: string, template: Letter['template'], returnId?: string): string {
  return returnId === undefined ? `${about}.${template}` : `${about}.${template}.${returnId}`
}

/** What `notify` looks at, for a handler's `loads`. */
export function documentsOf({ notificationId, clientId }: Pick<Notice, 'notificationId' | 'clientId'>): AnyRef[] {
  return [notification.at(notificationId), recipient.at(clientId)]
}

/** All that notifying may lead to. */
export const notifySays = [sendMail, NotificationFailed] as const
type Saying = Said<typeof notifySays>

/** Sends a notification once; while its recipient is not known it waits for him. */
export function notify(held: Held, notice: Notice, now: number): Saying[] {
  const { notificationId, about, clientId, letter } = notice
  const before = held.get(notification.at(notificationId))
  if (before.status !== 'none') return []
  held.put(notification.at(notificationId), { ...before, status: 'waiting', about, clientId, letter, at: now })
  return deliver(held, notice)
}

/** Sends a waiting notification if its recipient is known by now. */
export function deliver(
  held: Held,
  { notificationId, clientId }: Pick<Notice, 'notificationId' | 'clientId'>,
): Saying[] {
  const waiting = held.get(notification.at(notificationId))
  if (waiting.status !== 'waiting') return []
  const { details, waiting: others } = held.get(recipient.at(clientId))
  if (details === undefined) return wait(held, notificationId, { waiting, others })
  held.put(notification.at(notificationId), { ...waiting, status: 'sending' })
  const to = { name: details.name, address: details.email }
  return [sendMail({ notificationId, to, ...writeLetter(waiting.letter, details.name) })]
}

interface Queue {
  readonly waiting: Notification
  readonly others: Recipient['waiting']
}

function wait(held: Held, notificationId: string, { waiting, others }: Queue): Saying[] {
  const { about, clientId } = waiting
  if (others.some((one) => one.notificationId === notificationId)) return []
  if (others.length >= MAX_WAITING) return [fail(held, notificationId, { attempts: 0, reason: 'RECIPIENT_UNKNOWN' })]
  held.put(recipient.at(clientId), { details: undefined, waiting: [...others, { notificationId, about }] })
  return []
}

/** Gives a notification up. Nothing else depends on it. */
export function fail(held: Held, notificationId: string, why: { readonly attempts: number; readonly reason: string }) {
  const before = held.get(notification.at(notificationId))
  held.put(notification.at(notificationId), { ...before, ...why, status: 'failed' })
  const { about, channel, letter } = before
  return NotificationFailed({ about, notificationId, template: letter.template, channel, ...why })
}
