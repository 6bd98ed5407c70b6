// Alarms on their way: told at once, then at most once a minute a cause, and tried until they are taken.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { AlarmQueue } from './alarm-queue.ts'
import type { Alert } from './alert.ts'
import { alertBody } from './alert.ts'

const MINUTE_MS = 60_000

function openQueue() {
  const clock = createVirtualClock()
  const startedAt = clock.now()
  const told: string[] = []
  const failures: number[] = []
  const dropped: Alert[] = []
  const state = { isDown: false }
  const queue = new AlarmQueue({
    clock,
    send: async ({ group, count }) => {
      if (state.isDown) throw new Error('away')
      told.push(`${group} ${count} at ${(clock.now() - startedAt) / 1000} s`)
    },
    failed: (_, retryMs) => void failures.push(retryMs),
    dropped: (alert) => void dropped.push(alert),
  })
  const raise = (group: string, more: Partial<Alert> = {}) =>
    queue.raise({ what: 'gap', group, count: 1, firstAt: clock.now(), lastAt: clock.now(), ...more })
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  const pass = (ms: number) => clock.advance(ms, settled)
  return { queue, raise, pass, told, failures, dropped, state, clock }
}

test('an alarm is told at once, but not within the turn of whoever raises it', async () => {
  const { raise, pass, told } = openQueue()
  raise('orders')
  assert.deepEqual(told, [])
  await pass(0)
  assert.deepEqual(told, ['orders 1 at 0 s'])
})

test('a cause that goes on is told once a minute with its count, others are told beside it', async () => {
  const { raise, pass, told } = openQueue()
  for (let second = 0; second < 90; second += 1) {
    raise('orders')
    if (second === 30) raise('payments')
    await pass(1000)
  }
  assert.deepEqual(told, ['orders 1 at 0 s', 'payments 1 at 30 s', 'orders 59 at 60 s'])
  await pass(MINUTE_MS)
  assert.equal(told.at(-1), 'orders 30 at 120 s')
  await pass(10 * MINUTE_MS)
  assert.equal(told.length, 4)
})

test('while the webhook is away it is asked ever more rarely, and then told all of it', async () => {
  const { raise, pass, told, failures, state } = openQueue()
  state.isDown = true
  raise('orders')
  await pass(30_000)
  assert.deepEqual(failures, [1000, 2000, 4000, 8000, 16_000])
  raise('orders')
  state.isDown = false
  await pass(MINUTE_MS)
  assert.deepEqual(told, ['orders 2 at 31 s'])
})

test('what would wait beyond the limit is dropped and said; nothing is told after the end', async () => {
  const { queue, raise, pass, told, dropped, state } = openQueue()
  state.isDown = true
  for (let number = 0; number < 201; number += 1) raise(`group-${number}`)
  raise('group-0')
  assert.deepEqual(
    dropped.map(({ group }) => group),
    ['group-200'],
  )
  state.isDown = false
  queue.stop()
  await pass(MINUTE_MS)
  assert.deepEqual(told, [])
})

test('an alert says where to look, in fields and in one line', () => {
  const facts = { group: 'orders', topic: 'payments.events', handler: 'PaymentCaptured', code: 'TypeError' }
  const at = Date.UTC(2026, 10, 21, 9)
  const body = alertBody({ what: 'dead-letters', ...facts, partition: 3, count: 2, firstAt: at, lastAt: at + 1000 })
  assert.deepEqual(JSON.parse(body), {
    what: 'dead-letters',
    ...facts,
    partition: 3,
    count: 2,
    firstAt: '2026-11-21T09:00:00.000Z',
    lastAt: '2026-11-21T09:00:01.000Z',
    path: '/v1/ops/dead-letters?group=orders&topic=payments.events&handler=PaymentCaptured&code=TypeError',
    text: 'Lonja: dead-letters in orders at payments.events/3, 2 times (PaymentCaptured: TypeError)',
  })
  const gap = alertBody({
    what: 'gap',
    group: 'orders',
    count: 1,
    firstAt: at,
    lastAt: at,
    detail: 'record 7 is missing',
  })
  const { path, text } = JSON.parse(gap) as { readonly path: string; readonly text: string }
  assert.deepEqual([path, text], ['/health', 'Lonja: gap in orders, once (record 7 is missing)'])
})
