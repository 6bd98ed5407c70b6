// Outsides that deliver nothing: they keep the last messages in memory, and fail as often as they are told to.
import { forgetOldest } from '../../../kernel/simulated.ts'
import type { Mail, Mailer } from './mailer.ts'
import { messageIdOf } from './mailer.ts'
import type { Messenger } from './messengers.ts'

const DEFAULT_MAILS_KEPT = 1000
const MESSAGES_KEPT = 1000

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
      forgetOldest(kept, mailsKept)
    },
    mails: () => [...kept.values()],
  }
}

export interface MessageSink<Message> extends Messenger<Message> {
  /** The last messages, oldest first; one that comes twice is kept once. */
  messages(): readonly Message[]
}

/** @param fails whether this try fails; none does unless told. */
export function messageSink<Message>(fails: () => boolean = () => false): MessageSink<Message> {
  const kept = new Map<string, Message>()
  return {
    send: async (message, { idempotencyKey }) => {
      if (fails()) throw new Error('The message was not taken: a simulated failure.')
      kept.delete(idempotencyKey)
      kept.set(idempotencyKey, message)
      forgetOldest(kept, MESSAGES_KEPT)
      return {}
    },
    messages: () => [...kept.values()],
  }
}
