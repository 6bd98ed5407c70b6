// The channels by which a client may be told, and the order in which they are tried.
import type { Held, Said } from '../../kernel/handler.ts'
import { momentOf } from '../../kernel/inputs.ts'
import { FALLBACK_CHANNELS } from '../clients/contract.ts'
import type { Channel } from './contract.ts'
import { sendMail } from './mail.effect.ts'
import { callWebhook, sendText } from './message.effect.ts'
import type { Notification } from './notification.ts'
import { notification } from './notification.ts'
import type { RecipientDetails } from './recipient.ts'
import { writeLetter, writeShortly } from './templates.ts'

/** What sending may request. */
export const channelEffects = [sendMail, sendText, callWebhook] as const
type ChannelRequest = Said<typeof channelEffects>

/** A client without a webhook of his own may be told by the shop's, which the adapter knows. */
export function hasChannel({ phone, webhook, fallbackChannel }: RecipientDetails, channel: Channel): boolean {
  if (channel === 'sms') return phone !== undefined
  return channel === 'email' || webhook !== undefined || fallbackChannel === 'webhook'
}

/** The next channel that the client has and that was not tried yet: what he prefers, a webhook that he named, SMS. */
export function nextChannel(details: RecipientDetails, tried: readonly Channel[]): Channel | undefined {
  const { fallbackChannel } = details
  const usual: readonly Channel[] = ['email', ...FALLBACK_CHANNELS.toReversed()]
  const order = fallbackChannel === undefined ? usual : ['email' as const, fallbackChannel, ...usual]
  return order.find((channel) => hasChannel(details, channel) && !tried.includes(channel))
}

interface Sending {
  readonly details: RecipientDetails
  readonly channel: Channel
}

/** Requests the message of a notification on a channel. */
export function sendBy(held: Held, notificationId: string, { details, channel }: Sending): ChannelRequest[] {
  const before = held.get(notification.at(notificationId))
  const { round = 0, tried = [] } = before
  held.put(notification.at(notificationId), {
    ...before,
    status: 'sending',
    channel,
    attempts: 0,
    reason: '',
    round: round + 1,
    tried: [...tried, channel],
  })
  return [requestOf(before, { notificationId, details, channel, round })]
}

function requestOf(
  { letter, clientId, about, at }: Notification,
  { notificationId, details, channel, round }: Sending & { readonly notificationId: string; readonly round: number },
): ChannelRequest {
  const facts = { notificationId, clientId, round }
  if (channel === 'email') {
    const to = { name: details.name, address: details.email }
    return sendMail({ ...facts, to, ...writeLetter(letter, details.name) })
  }
  const { subject, text } = writeShortly(letter)
  if (channel === 'sms') return sendText({ ...facts, to: details.phone ?? '', text })
  const { template } = letter
  const body = JSON.stringify({ notificationId, template, about, clientId, subject, text, at: momentOf(at) })
  return callWebhook({ ...facts, url: details.webhook, body })
}
