// What became of a message: sent, or given up on its channel after its tries.
import type { Answer } from '../../kernel/effect.ts'
import { onAnswer } from '../../kernel/effect.ts'
import type { AnyRef, Context, Held } from '../../kernel/handler.ts'
import type { Taken } from './adapters/messengers.ts'
import { channelEffects } from './channels.ts'
import { NotificationFailed, NotificationSent } from './contract.ts'
import { concluded, fail } from './delivering.ts'
import { sendMail } from './mail.effect.ts'
import type { MessageRequest } from './message.effect.ts'
import { callWebhook, sendText } from './message.effect.ts'
import { notification } from './notification.ts'
import { recipient } from './recipient.ts'

const rule = {
  says: [NotificationSent, NotificationFailed, ...channelEffects] as const,
  loads: ({ notificationId, clientId }: MessageRequest): AnyRef[] => [
    notification.at(notificationId),
    ...(clientId === undefined ? [] : [recipient.at(clientId)]),
  ],
  handle: conclude,
}

export const takeMailAnswer = onAnswer(sendMail, rule)
export const takeTextAnswer = onAnswer(sendText, rule)
export const takeWebhookAnswer = onAnswer(callWebhook, rule)

function conclude(request: MessageRequest, answer: Answer<Taken | void>, held: Held, { now }: Context) {
  const { notificationId, clientId } = request
  const before = held.get(notification.at(notificationId))
  if (before.status !== 'sending') return []
  const { attempts } = answer
  const reason = answer.outcome === 'gave-up' ? answer.reason : answer.result?.refused
  const details = clientId === undefined ? undefined : held.get(recipient.at(clientId)).details
  if (reason !== undefined) return fail(held, notificationId, { details, attempts, reason, now })
  held.put(notification.at(notificationId), concluded(before, { status: 'sent', attempts, reason: '', at: now }))
  const { about, channel, letter } = before
  return [NotificationSent({ about, notificationId, template: letter.template, channel, attempts })]
}
