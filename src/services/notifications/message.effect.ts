// What is asked of the outside where mail does not get through: a text message, a call of a webhook.
import { effect } from '../../kernel/effect.ts'
import type { Taken, TextMessage, Texter, WebhookCaller, WebhookMessage } from './adapters/messengers.ts'
import type { Channel } from './contract.ts'

/** Three tries of at most five seconds: within half a minute a channel has taken the message or the next one does. */
export const TIMEOUT_MS = 5000
export const RETRY_DELAYS_MS = [2000, 4000]
/** Nobody can be asked whether a message arrived; one that comes twice has the same id. */
export const KEY_LIFETIME_MS = 24 * 3_600_000

export interface MessageRequest {
  readonly notificationId: string
  /** Missing, as `round` is, in requests that an older program left open. */
  readonly clientId?: string
  /** Counts what was sent for the notification: the second time is another message. */
  readonly round?: number
}

export function partOf(channel: Channel, { round = 0 }: MessageRequest): string {
  return round === 0 ? channel : `${channel}.${round}`
}

/** Personal: its row is gone once the message was sent or given up. */
export interface TextRequest extends TextMessage, MessageRequest {}
export interface WebhookRequest extends WebhookMessage, MessageRequest {}

export const sendText = effect<Texter>()('sendText', {
  adapter: 'texter',
  key: (request: TextRequest) => request.notificationId,
  part: (request) => partOf('sms', request),
  personal: ({ to, text }) => [to, text],
  call: (texter, { to, text }, call): Promise<Taken> => texter.send({ to, text }, call),
  timeoutMs: TIMEOUT_MS,
  concurrency: 20,
  retryDelaysMs: RETRY_DELAYS_MS,
  keyLifetimeMs: KEY_LIFETIME_MS,
})

export const callWebhook = effect<WebhookCaller>()('callWebhook', {
  adapter: 'webhooks',
  key: (request: WebhookRequest) => request.notificationId,
  part: (request) => partOf('webhook', request),
  personal: ({ url, body }) => [url, body],
  call: (webhooks, { url, body }, call): Promise<Taken> => webhooks.send({ url, body }, call),
  timeoutMs: TIMEOUT_MS,
  concurrency: 50,
  retryDelaysMs: RETRY_DELAYS_MS,
  keyLifetimeMs: KEY_LIFETIME_MS,
})
