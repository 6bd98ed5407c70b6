// A mailer that delivers nothing: it keeps the last mails in memory, and fails as often as it is told to.
import type { Mail, Mailer } from './mailer.ts'
import { messageIdOf } from './mailer.ts'

const DEFAULT_MAILS_KEPT = 1000

export interface MailSinkSettings {
  /** From 0, which is the default, to 1: how many of the tries fail. */
  readonly failureRate?: number
  /** At least 0, below 1; a seeded one makes a run repeat. */
  readonly random: () => number
  readonly mailsKept?: number
}

export interface KeptMail extends Mail {
  readonly messageId: string
}

export interface MailSink extends Mailer {
  /** The last mails, oldest first. */
  mails(): readonly KeptMail[]
}

export function mailSink({ failureRate = 0, random, mailsKept = DEFAULT_MAILS_KEPT }: MailSinkSettings): MailSink {
  const kept = new Map<string, KeptMail>()
  return {
    send: async (mail, { idempotencyKey }) => {
      if (failureRate > 0 && random() < failureRate) throw new Error('The mail was not taken: a simulated failure.')
      const messageId = messageIdOf(idempotencyKey, 'sink.invalid')
      // A mail that comes twice takes the place of its first copy, as in a good mailbox.
      kept.delete(messageId)
      kept.set(messageId, { ...mail, messageId })
      const [oldest] = kept.keys()
      if (kept.size > mailsKept && oldest !== undefined) kept.delete(oldest)
    },
    mails: () => [...kept.values()],
  }
}
