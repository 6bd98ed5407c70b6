// The seam to whoever delivers mail: one interface, whose comments are the contract of every adapter.
import { createHash } from 'node:crypto'
import type { Taken } from './messengers.ts'

/** Personal, all of it: it goes into the mail, and into no log and no error text. */
export interface Mail {
  readonly to: { readonly name: string; readonly address: string }
  readonly subject: string
  readonly text: string
}

export interface MailCall {
  /** The same for every try of a mail; its Message-ID is derived from it, so that a repeated one is seen as one. */
  readonly idempotencyKey: string
  /** Aborted when the time limit is over. */
  readonly signal: AbortSignal
}

/**
 * Resolves when the next server has taken the mail, or says that it never will (`refused`), and throws where another
 * try may help; no text names an address.
 */
export interface Mailer {
  send(mail: Mail, call: MailCall): Promise<Taken | void>
}

/** A Message-ID (RFC 5322, section 3.6.4) that is the same for every try of a mail. */
export function messageIdOf(idempotencyKey: string, domain: string): string {
  return `<${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 32)}@${domain}>`
}
