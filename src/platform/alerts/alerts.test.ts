// The alert webhook over a real port: what the runtime meets is told, signed, and nothing more than that.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { ListeningServer } from '../../testing/listening-server.ts'
import { listeningServer } from '../../testing/listening-server.ts'
import { startToyLedger } from '../../testing/toy-ledger.ts'
import type { ToyLedgerOptions } from '../../testing/toy-ledger.ts'
import { waitFor } from '../../testing/wait-for.ts'
import { silentObserver } from '../runtime/observer.ts'
import { systemClock } from '../system.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { openAlerts } from './alerts.ts'

const secret = 'sesame'
const patience = { withinMs: 10_000 }

async function startAlerted(server: ListeningServer, options: ToyLedgerOptions = {}) {
  const lines: string[] = []
  const log = createLogger({ level: 'info', format: 'json', destination: { write: (line) => void lines.push(line) } })
  const metrics = createMetrics()
  const url = server.url.replace('//', '//user:sesame@')
  const alerts = openAlerts({
    url: `${url}/services/hook-path`,
    secret,
    clock: systemClock,
    telemetry: { log, metrics },
  })
  const observer = alerts.observing(silentObserver)
  const ledger = await startToyLedger({ clock: systemClock, observer, ...options })
  const { lonja } = ledger
  const databases = lonja.runtimes.map(({ options: { store, membership, hosted } }) => {
    return { store, membership, services: hosted }
  })
  alerts.start({ registry: lonja.registry, databases, works: true })
  return {
    ledger,
    lines,
    metrics,
    stop: async () => {
      alerts.stop()
      await ledger.stop()
    },
  }
}

const bodyOf = ({ requests }: ListeningServer, at = 0) =>
  JSON.parse(requests[at]?.body ?? '{}') as Readonly<Record<string, unknown>>

test('a dead letter is told, signed, without its key or body', { timeout: 20_000 }, async () => {
  await using server = await listeningServer()
  const trouble = (): void => {
    throw new TypeError('no account of Ana Lobo')
  }
  const { ledger, metrics, lines, stop } = await startAlerted(server, { trouble })
  await ledger.post('account-of-ana', 1)
  await server.asked()
  const [request] = server.requests
  const { what, group, code, count, path } = bodyOf(server)
  assert.deepEqual([what, group, code, count], ['dead-letters', 'ledger', 'TypeError', 1])
  assert.match(String(path), /^\/v1\/ops\/dead-letters\?group=ledger&/)
  assert.ok(!/ana|Lobo/i.test(request?.body ?? 'ana'))
  const [, seconds, digest] = /^t=(\d+),v1=(\w+)$/.exec(String(request?.headers['lonja-signature'])) ?? []
  assert.equal(digest, createHmac('sha256', secret).update(`${seconds}.${request?.body}`).digest('hex'))
  assert.equal(request?.headers.authorization, `Basic ${Buffer.from('user:sesame').toString('base64')}`)
  await waitFor(() => lines.some((line) => line.includes('An alert was sent.')), patience)
  assert.match(await metrics.text(), /lonja_alerts_total\{what="dead-letters",outcome="sent"\} 1/)
  await stop()
})

test(
  'a webhook that is away delays nobody, is tried again, and its address is in no log',
  { timeout: 20_000 },
  async () => {
    await using server = await listeningServer()
    server.answer = { status: 500 }
    const { ledger, lines, stop } = await startAlerted(server, {
      trouble: (account) => {
        if (account === 'bad') throw new TypeError('never')
      },
    })
    await ledger.post('bad', 1)
    await server.asked()
    await ledger.post('good', 1)
    await ledger.lonja.settled()
    assert.deepEqual(await ledger.entries('good'), [1])
    await waitFor(() => lines.some((line) => line.includes('Alerts can not be sent')), patience)
    server.answer = { status: 204 }
    await server.asked(2)
    assert.equal(bodyOf(server, 1)['what'], 'dead-letters')
    assert.match(lines.join(''), /"code":"500"/)
    assert.ok(!/hook-path|sesame|127\.0\.0\.1/.test(lines.join('')))
    await stop()
  },
)

test('a partition that stands still because no more may be parked is told', { timeout: 20_000 }, async () => {
  await using server = await listeningServer()
  const { ledger, stop } = await startAlerted(server, {
    trouble: (account) => {
      if (account.startsWith('bad')) throw new Error('trouble')
    },
    parking: { maxKeys: 1, maxMessages: 1 },
  })
  for (const entry of [1, 2, 3]) await ledger.post('bad', entry)
  await server.asked()
  const { what, group, topic, detail, path } = bodyOf(server)
  assert.deepEqual([what, group, topic, path], ['parked-limit', 'ledger', 'desk.events', '/health'])
  assert.match(String(detail), /the limit is 1/)
  await stop()
})

test('a call that hangs does not hold up the end, and is no failure', { timeout: 20_000 }, async () => {
  await using server = await listeningServer()
  server.answer = undefined
  const { ledger, lines, stop } = await startAlerted(server, {
    trouble: () => {
      throw new TypeError('never')
    },
  })
  await ledger.post('bad', 1)
  await server.asked()
  await stop()
  await server.closed()
  assert.deepEqual(lines, [])
})

test('without an address nothing is wrapped and nothing is called', () => {
  const telemetry = { log: createLogger({ level: 'silent', format: 'json' }), metrics: createMetrics() }
  const alerts = openAlerts({ url: undefined, secret, clock: systemClock, telemetry })
  assert.equal(alerts.observing(silentObserver), silentObserver)
})
