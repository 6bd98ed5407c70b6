// Calls webhooks: the client's own address, guarded, or else the shop's; and an SMS provider that is called like one.
import { createHmac } from 'node:crypto'
import type { Clock } from '../../../platform/ports.ts'
import { post } from './guarded-post.ts'
import type { Messenger, Texter, WebhookCaller } from './messengers.ts'

/** Far above what is ever written to a client; more would be a mistake of ours. */
const MAX_BODY_BYTES = 64 * 1024

export interface WebhookSettings {
  readonly clock: Clock
  /** The shop's own address, for clients who named none. It is trusted: it may lie in a private network. */
  readonly url: string | undefined
  /** Signs each call, so that the receiver can tell it from others'. */
  readonly secret: string | undefined
  /** Lets clients' addresses lie in private networks and be called without TLS. */
  readonly mayBePrivate: boolean
}

/**
 * Sends notifications as JSON. With a secret each call carries `lonja-signature: t=<seconds>,v1=<hex>`, an HMAC-SHA256
 * over `<seconds>.<body>`, the form that Stripe's webhooks made common.
 */
export function webhookCaller({ clock, url: ownUrl, secret, mayBePrivate }: WebhookSettings): WebhookCaller {
  return {
    send: async ({ url, body }, { idempotencyKey, signal }) => {
      const target = url ?? ownUrl
      if (target === undefined) return { refused: 'neither the client nor the shop has a webhook' }
      if (Buffer.byteLength(body) > MAX_BODY_BYTES) return { refused: `the message is above ${MAX_BODY_BYTES} bytes` }
      const seconds = Math.floor(clock.now() / 1000)
      return post({
        url: target,
        body,
        headers: { 'idempotency-key': idempotencyKey, ...signatureOf(secret, seconds, body) },
        signal,
        isTrusted: url === undefined || mayBePrivate,
      })
    },
  }
}

function signatureOf(secret: string | undefined, seconds: number, body: string): Readonly<Record<string, string>> {
  if (secret === undefined) return {}
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return { 'lonja-signature': `t=${seconds},v1=${digest}` }
}

export interface TexterSettings {
  /** Such as `https://sms.example/messages`; a user and password in it are sent as basic authentication. */
  readonly url: string
  /** Sent as a bearer token. */
  readonly key: string | undefined
  /** What the telephone shows as the sender. */
  readonly from: string | undefined
}

/** Sends text messages through a provider that takes `{ to, from, text }` as JSON, or a small program before one. */
export function httpTexter({ url, key, from }: TexterSettings): Texter {
  return {
    send: async ({ to, text }, { idempotencyKey, signal }) => {
      const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` }
      const body = JSON.stringify({ to, from, text })
      const headers = { 'idempotency-key': idempotencyKey, ...authorization }
      return post({ url, body, headers, signal, isTrusted: true })
    },
  }
}

/** Stands in for a provider that no setting names while others are real: what it got would be lost without a word. */
export function noProvider(advice: string): Messenger<unknown> {
  return { send: async () => ({ refused: advice }) }
}
