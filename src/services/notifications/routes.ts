// What notifications answers over HTTP: what was written to whom, the last first.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { refuse } from '../../kernel/refuse.ts'
import { get } from '../../kernel/route.ts'
import { id } from '../../kernel/shapes.ts'
import { TEMPLATES } from './contract.ts'
import type { Notification } from './notification.ts'
import { notification } from './notification.ts'
import { recipient } from './recipient.ts'
import { writeLetter } from './templates.ts'

/** Ids begin with a hexadecimal digit and have a dot behind the id that they are about. */
const ABOVE_ALL_IDS = '~'
const JUST_ABOVE_A_DOT = '/'

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
})

function shown(notificationId: string, { about, channel, status, attempts, reason, letter, at }: Notification) {
  const { subject } = writeLetter(letter, '')
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
  }
}

export const listNotifications = get('/v1/notifications', {
  summary: 'Notifications, the newest order or client first; all about one order or client with `about`.',
  role: 'reader',
  query: z.strictObject({ ...pageQuery(['string']), about: id.optional() }),
  answers: { 200: pageShape(shape) },
  handle: async ({ query: { after, limit, about }, read }) => {
    const lowest = about === undefined ? '' : `${about}.`
    const [below = about === undefined ? ABOVE_ALL_IDS : `${about}${JUST_ABOVE_A_DOT}`] = after ?? []
    const rows = await read.rows<{ readonly key: string }>(
      'SELECT key FROM {notification} WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?',
      [lowest, below, limit + 1],
    )
    const { items, next } = cutPage(rows, limit, ({ key }) => [key])
    const found = (await read.states(items.map(({ key }) => notification.at(key)))) as readonly Notification[]
    return { status: 200, body: { items: found.map((one, index) => shown(items[index]?.key ?? '', one)), next } }
  },
})

const wholeShape = shape.extend({
  to: z.object({ name: z.string(), address: z.string() }).nullable(),
  text: z.string(),
})

export const readNotification = get('/v1/notifications/:notificationId', {
  summary: 'One notification with its text and its recipient as he is known now.',
  role: 'clerk',
  params: z.object({ notificationId: z.string().max(120) }),
  answers: { 200: wholeShape },
  codes: ['NOTIFICATION_NOT_FOUND'],
  handle: async ({ params: { notificationId }, read }) => {
    const found = await read.state(notification.at(notificationId))
    refuse(found.status === 'none', 'NOTIFICATION_NOT_FOUND', { notificationId })
    const { details } = await read.state(recipient.at(found.clientId))
    const { text } = writeLetter(found.letter, details?.name ?? '')
    const to = details === undefined ? null : { name: details.name, address: details.email }
    return { status: 200, body: { ...shown(notificationId, found), to, text } }
  },
})
