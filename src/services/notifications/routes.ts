// What notifications answers over HTTP: what was written to whom, the last first.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { refuse } from '../../kernel/refuse.ts'
import { get, post } from '../../kernel/route.ts'
import { id, text } from '../../kernel/shapes.ts'
import { CHANNELS, ResendNotification, TEMPLATES } from './contract.ts'
import type { Notification } from './notification.ts'
import { notification } from './notification.ts'
import type { RecipientDetails } from './recipient.ts'
import { recipient } from './recipient.ts'
import { writeLetter, writeShortly } from './templates.ts'

/** Ids begin with a hexadecimal digit and have a dot behind the id that they are about. */
const ABOVE_ALL_IDS = '~'
const JUST_ABOVE_A_DOT = '/'

const BY_KEY = 'SELECT key FROM {notification} WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?'
const FAILED_BY_KEY = `SELECT notification_id AS key FROM {undelivered}
  WHERE status = 'failed' AND notification_id >= ? AND notification_id < ? ORDER BY notification_id DESC LIMIT ?`

const shape = z.object({
  notificationId: z.string(),
  template: z.enum(TEMPLATES),
  about: id,
  channel: z.string(),
  status: z.string(),
  attempts: z.int(),
  reason: z.string().nullable(),
  subject: z.string(),
  at: z.iso.datetime(),
  deliveries: z
    .array(
      z.object({
        channel: z.enum(CHANNELS),
        status: z.string(),
        attempts: z.int(),
        reason: z.string().nullable(),
        at: z.iso.datetime(),
      }),
    )
    .describe('What became of it on each channel that was tried, oldest first.'),
})

function shown(
  notificationId: string,
  { about, channel, status, attempts, reason, letter, at, ...rest }: Notification,
) {
  const { subject } = writeLetter(letter, '')
  const deliveries = (rest.deliveries ?? []).map((each) => {
    return { ...each, reason: each.reason || null, at: momentOf(each.at) }
  })
  const { template } = letter
  return {
    notificationId,
    template,
    about,
    channel,
    status,
    attempts,
    reason: reason || null,
    subject,
    at: momentOf(at),
    deliveries,
  }
}

export const listNotifications = get('/v1/notifications', {
  summary:
    'Notifications, the newest order or client first; all about one with `about`, what was given up with `status`.',
  role: 'reader',
  query: z.strictObject({ ...pageQuery(['string']), about: id.optional(), status: z.enum(['failed']).optional() }),
  answers: { 200: pageShape(shape) },
  handle: async ({ query: { after, limit, about, status }, read }) => {
    const lowest = about === undefined ? '' : `${about}.`
    const [below = about === undefined ? ABOVE_ALL_IDS : `${about}${JUST_ABOVE_A_DOT}`] = after ?? []
    const rows = await read.rows<{ readonly key: string }>(status === undefined ? BY_KEY : FAILED_BY_KEY, [
      lowest,
      below,
      limit + 1,
    ])
    const { items, next } = cutPage(rows, limit, ({ key }) => [key])
    const found = (await read.states(items.map(({ key }) => notification.at(key)))) as readonly Notification[]
    return { status: 200, body: { items: found.map((one, index) => shown(items[index]?.key ?? '', one)), next } }
  },
})

const wholeShape = shape.extend({
  to: z.object({ name: z.string(), address: z.string() }).nullable(),
  text: z.string(),
})

const params = z.object({ notificationId: z.string().max(120) })

export const readNotification = get('/v1/notifications/:notificationId', {
  summary: 'One notification with its text and its recipient as he is known now.',
  role: 'clerk',
  params,
  answers: { 200: wholeShape },
  codes: ['NOTIFICATION_NOT_FOUND'],
  handle: async ({ params: { notificationId }, read }) => {
    const found = await read.state(notification.at(notificationId))
    refuse(found.status === 'none', 'NOTIFICATION_NOT_FOUND', { notificationId })
    const { details } = await read.state(recipient.at(found.clientId))
    const { letter, channel } = found
    const { text } = channel === 'email' ? writeLetter(letter, details?.name ?? '') : writeShortly(letter)
    const to = details === undefined ? null : { name: details.name, address: addressOf(details, found) }
    return { status: 200, body: { ...shown(notificationId, found), to, text } }
  },
})

/** Where it went, or would go, on its channel; empty for the shop's own webhook. */
function addressOf({ email, phone, webhook }: RecipientDetails, { channel }: Notification): string {
  return { email, sms: phone, webhook }[channel] ?? ''
}

const resendBody = z.strictObject({
  channel: z.enum(CHANNELS).optional().describe('Only this channel; unless given, e-mail and then the others.'),
  reason: text(500).optional().describe('For the audit; names nobody.'),
})

export const resend = post('/v1/notifications/:notificationId/resend', {
  summary: 'Send a notification again that was given up or did not arrive, on the same or another channel.',
  role: 'operator',
  params,
  body: resendBody,
  answers: { 202: shape },
  codes: ['NOTIFICATION_NOT_FOUND', 'NOTIFICATION_UNDER_WAY', 'CHANNEL_UNAVAILABLE'],
  handle: async ({ params: { notificationId }, body: { channel, reason }, read, submit }) => {
    const { status, about, clientId } = await read.state(notification.at(notificationId))
    refuse(status === 'none', 'NOTIFICATION_NOT_FOUND', { notificationId })
    const on = channel === undefined ? {} : { channel }
    return submit(
      ResendNotification({ about, clientId, notificationId, ...on }),
      (held) => ({ status: 202, body: shown(notificationId, held.get(notification.at(notificationId))) }),
      { action: 'notification.resend', target: notificationId, reason, details: on },
    )
  },
})
