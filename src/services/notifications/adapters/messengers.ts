// The seams to whoever delivers text messages and webhooks: interfaces whose comments are the contract of all adapters.
import type { MailCall } from './mailer.ts'

export type MessageCall = MailCall

/** Personal, all of it: it goes into the message, and into no log and no error text. */
export interface TextMessage {
  /** A telephone number in any notation. */
  readonly to: string
  readonly text: string
}

/** Personal, all of it. */
export interface WebhookMessage {
  /** The client's own address; undefined: the shop's. */
  readonly url: string | undefined
  /** JSON. */
  readonly body: string
}

/** `refused` says why it was not taken and never will be; another try would be wasted. */
export interface Taken {
  readonly refused?: string
}

/**
 * Resolves when the other side has taken the message, or will never take it, and throws where another try may help. No
 * text names a number, an address or anything of the message.
 */
export interface Messenger<Message> {
  send(message: Message, call: MessageCall): Promise<Taken>
}

export type Texter = Messenger<TextMessage>
export type WebhookCaller = Messenger<WebhookMessage>
