// Notifications over HTTP: the last ones first, all about one order, and one with its text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../kernel/page.ts'
import { calling } from '../../testing/calling.ts'
import type { Selected } from '../../testing/calling.ts'
import { TEST_NOW, holding, starting } from '../../testing/handle.ts'
import { notification } from './notification.ts'
import { recipient } from './recipient.ts'
import { notifications } from './service.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const clientId = '019a0000-0000-7000-8000-0000000000c1'
const notificationId = `${orderId}.order-cancelled`
const details = { name: 'Ana Lobo', email: 'ana@example.org' }
const letter = { template: 'order-cancelled', orderId, reason: 'CLIENT' } as const

const documents = holding([
  starting(notification.at(notificationId), {
    status: 'sent',
    about: orderId,
    clientId,
    letter,
    attempts: 1,
    at: TEST_NOW,
    deliveries: [{ channel: 'email', status: 'sent', attempts: 1, reason: '', at: TEST_NOW }],
  }),
  starting(recipient.at(clientId), { details }),
])

async function list(query: Readonly<Record<string, string>>) {
  const selected: Selected[] = []
  const rows = (select: Selected) => {
    selected.push(select)
    return [{ key: notificationId }]
  }
  const { body } = await calling(notifications, { documents, rows }).call('GET', '/v1/notifications', { query })
  return {
    body: body as { readonly items: readonly unknown[]; readonly next: string | null },
    values: selected[0]?.values,
  }
}

test('the list names nobody', async () => {
  const { body, values } = await list({})
  assert.deepEqual(body.items[0], {
    notificationId,
    template: 'order-cancelled',
    about: orderId,
    channel: 'email',
    status: 'sent',
    attempts: 1,
    reason: null,
    subject: `Your order ${orderId} is cancelled`,
    at: '2026-11-21T09:00:00.000Z',
    deliveries: [{ channel: 'email', status: 'sent', attempts: 1, reason: null, at: '2026-11-21T09:00:00.000Z' }],
  })
  assert.ok(!JSON.stringify(body).includes('Ana'))
  assert.deepEqual(values, ['', '~', 51])
})

test('the next page goes on below the last one, within what was asked about', async () => {
  const { values } = await list({ about: orderId, after: encodeCursor([notificationId]), limit: '3' })
  assert.deepEqual(values, [`${orderId}.`, notificationId, 4])
  assert.deepEqual((await list({ about: orderId })).values?.[1], `${orderId}/`)
})

test('those that were given up are a list of their own', async () => {
  const tables: string[] = []
  const rows = ({ sql }: Selected) => {
    tables.push(/\{(\w+)\}/.exec(sql)?.[1] ?? '')
    return [{ key: notificationId }]
  }
  const { call } = calling(notifications, { documents, rows })
  await call('GET', '/v1/notifications', { query: { status: 'failed' } })
  await call('GET', '/v1/notifications')
  assert.deepEqual(tables, ['undelivered', 'notification'])
})

test('one that a person sends again is under way, and asked once more he is told so', async () => {
  const failed = holding([
    starting(notification.at(notificationId), { status: 'failed', about: orderId, clientId, letter, at: TEST_NOW }),
    starting(recipient.at(clientId), { details }),
  ])
  const { call, said } = calling(notifications, { documents: failed })
  const path = `/v1/notifications/${notificationId}/resend`
  const { status, body } = await call('POST', path, { body: {} })
  assert.deepEqual([status, (body as { readonly status: string }).status], [202, 'sending'])
  assert.deepEqual(
    said.map(({ type }) => type),
    ['NotificationResent'],
  )
  await assert.rejects(call('POST', path, { body: {} }), { code: 'NOTIFICATION_UNDER_WAY' })
  const other = '/v1/notifications/other/resend'
  await assert.rejects(call('POST', other, { body: {} }), { code: 'NOTIFICATION_NOT_FOUND' })
})

test('one is shown with its text and recipient', async () => {
  const { call } = calling(notifications, { documents })
  const { body } = await call('GET', `/v1/notifications/${notificationId}`)
  const { to, text } = body as { readonly to: unknown; readonly text: string }
  assert.deepEqual(to, { name: 'Ana Lobo', address: 'ana@example.org' })
  assert.match(text, /^Hello Ana Lobo,/)
  await assert.rejects(call('GET', '/v1/notifications/other'), { code: 'NOTIFICATION_NOT_FOUND' })
})
