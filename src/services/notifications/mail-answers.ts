// What became of a mail: sent, or given up after its tries.
import { onAnswer } from '../../kernel/effect.ts'
import { NotificationFailed, NotificationSent } from './contract.ts'
import { sendMail } from './mail.effect.ts'
import { fail, notification } from './notification.ts'

export const takeMailAnswer = onAnswer(sendMail, {
  says: [NotificationSent, NotificationFailed],
  loads: ({ notificationId }) => [notification.at(notificationId)],
  handle: ({ notificationId }, answer, held) => {
    const before = held.get(notification.at(notificationId))
    if (before.status !== 'sending') return []
    const { attempts } = answer
    if (answer.outcome === 'gave-up') return fail(held, notificationId, { attempts, reason: answer.reason })
    held.put(notification.at(notificationId), { ...before, status: 'sent', attempts })
    const { about, channel, letter } = before
    return NotificationSent({ about, notificationId, template: letter.template, channel, attempts })
  },
})
