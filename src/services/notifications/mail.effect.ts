// The one thing that notifications asks of the outside: send a mail.
import { effect } from '../../kernel/effect.ts'
import type { Mail, Mailer } from './adapters/mailer.ts'

/** Personal: its row is gone once the mail was sent or given up. */
export interface MailRequest extends Mail {
  readonly notificationId: string
}

export const sendMail = effect<Mailer>()('sendMail', {
  adapter: 'mailer',
  key: (request: MailRequest) => request.notificationId,
  part: () => 'email',
  call: (mailer, { to, subject, text }, call) => mailer.send({ to, subject, text }, call),
  timeoutMs: 5000,
  concurrency: 100,
  /** Three tries. Nobody can be asked whether a mail arrived; one that comes twice has the same Message-ID. */
  retryDelaysMs: [2000, 4000],
  keyLifetimeMs: 24 * 3_600_000,
})
