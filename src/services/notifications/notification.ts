// A notification: one per template and thing that it is about, and what became of it on each channel.
import { entity } from '../../kernel/entity.ts'
import type { AnyRef } from '../../kernel/handler.ts'
import type { Channel } from './contract.ts'
import { recipient } from './recipient.ts'
import type { Letter } from './templates.ts'

/** How many deliveries a notification remembers; only a person who sends it again makes more than a few. */
export const MAX_DELIVERIES = 20

/** What became of the tries on one channel. */
export interface Delivery {
  readonly channel: Channel
  readonly status: 'sent' | 'failed'
  readonly attempts: number
  readonly reason: string
  readonly at: number
}

export interface Notification {
  /** `waiting` for its recipient's address. */
  readonly status: 'none' | 'waiting' | 'sending' | 'sent' | 'failed'
  /** The order's or, for a welcome, the client's id. */
  readonly about: string
  readonly clientId: string
  /** The one that was tried last. */
  readonly channel: Channel
  readonly letter: Letter
  readonly attempts: number
  /** Why it could not be sent. */
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Oldest first. Missing, as what follows, in documents that an older program wrote. */
  readonly deliveries?: readonly Delivery[]
  /** How many messages were requested. */
  readonly round?: number
  /** The channels that were tried since it was last asked for. */
  readonly tried?: readonly Channel[]
  /** A person chose the channel: no other one is tried. */
  readonly isOnly?: boolean
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
