// The first thing that notifications asks of the outside: send a mail.
import { effect } from '../../kernel/effect.ts'
import type { Mail, Mailer } from './adapters/mailer.ts'
import type { MessageRequest } from './message.effect.ts'
import { KEY_LIFETIME_MS, RETRY_DELAYS_MS, TIMEOUT_MS, partOf } from './message.effect.ts'

/** Personal: its row is gone once the mail was sent or given up. */
export interface MailRequest extends Mail, MessageRequest {}

export const sendMail = effect<Mailer>()('sendMail', {
  adapter: 'mailer',
  key: (request: MailRequest) => request.notificationId,
  part: (request) => partOf('email', request),
  personal: ({ to, subject, text }) => [to.name, to.address, subject, text],
  call: (mailer, { to, subject, text }, call) => mailer.send({ to, subject, text }, call),
  timeoutMs: TIMEOUT_MS,
  concurrency: 100,
  retryDelaysMs: RETRY_DELAYS_MS,
  keyLifetimeMs: KEY_LIFETIME_MS,
})
