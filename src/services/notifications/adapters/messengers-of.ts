// Which messengers the settings ask for: real ones, or sinks that keep the last messages in the process.
import type { Clock } from '../../../platform/ports.ts'
import type { Mailer } from './mailer.ts'
import type { Texter, WebhookCaller } from './messengers.ts'
import { mailSink, messageSink } from './sink.ts'
import { httpTexter, noProvider, webhookCaller } from './webhook.ts'

export interface MessengerSettings {
  readonly smtpUrl: string | undefined
  readonly mailFrom: string
  readonly mailFailureRate: number
  readonly smsUrl: string | undefined
  readonly smsKey: string | undefined
  readonly smsFrom: string | undefined
  readonly notificationWebhookUrl: string | undefined
  readonly notificationWebhookSecret: string | undefined
  readonly webhooksMayBePrivate: boolean
  readonly clock: Clock
  /** At least 0, below 1. */
  readonly random: () => number
}

export interface Messengers {
  readonly mailer: Mailer
  readonly texter: Texter
  readonly webhooks: WebhookCaller
  stop(): void
}

/**
 * As long as mail is only kept in the process, so is what no provider is named for. Once mail is real, a channel that
 * has no provider refuses instead: what lies in a sink would count as sent, and its client would never see it.
 *
 * @throws when the address of the mail server is none.
 */
export async function messengersOf(settings: MessengerSettings): Promise<Messengers> {
  const { smtpUrl, mailFrom: from, mailFailureRate: failureRate, random, clock } = settings
  const smtp = smtpUrl === undefined ? undefined : (await import('./smtp.ts')).smtpMailer({ url: smtpUrl, from })
  const isTrial = smtp === undefined
  return {
    mailer: smtp ?? mailSink({ failureRate, random }),
    texter: texterOf(settings, isTrial),
    webhooks:
      isTrial && settings.notificationWebhookUrl === undefined
        ? messageSink()
        : webhookCaller({
            clock,
            url: settings.notificationWebhookUrl,
            secret: settings.notificationWebhookSecret,
            mayBePrivate: settings.webhooksMayBePrivate,
          }),
    stop: () => smtp?.close(),
  }
}

function texterOf({ smsUrl, smsKey, smsFrom }: MessengerSettings, isTrial: boolean): Texter {
  if (smsUrl !== undefined) return httpTexter({ url: smsUrl, key: smsKey, from: smsFrom })
  return isTrial ? messageSink() : noProvider('no provider of text messages is set: see LONJA_SMS_URL')
}
