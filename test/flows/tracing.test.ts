// A caller who traces his order sees in his own tracing what it led to, also after calls to the outside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApp } from '../../src/app.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { listeningServer } from '../../src/testing/listening-server.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

interface ToldSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
}
interface Told {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly ToldSpan[] }[] }[]
}

function spansIn(body: string): readonly ToldSpan[] {
  const { resourceSpans } = JSON.parse(body) as Told
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

/** Places one order in a shop of its own, and gives all spans that were told of. */
async function tracedOrder(share: string, headers: Readonly<Record<string, string>>) {
  await using collector = await listeningServer()
  collector.answer = { status: 200 }
  const flags = ['--port', '0', '--store', 'sqlite::memory:', '--log-level', 'silent', '--trace-share', share]
  const app = await startApp(resolveSettings(flags, { LONJA_TRACE_URL: collector.url }).settings)
  const post = async (path: string, body: object, more: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(`${app.address}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...more },
      body: JSON.stringify(body),
    })
    assert.equal(answer.status, 201, await answer.clone().text())
    return (await answer.json()) as { readonly clientId: string }
  }
  const { clientId } = await post('/v1/clients', { name: 'Ada', email: 'ada@example.com' }, headers)
  await post('/v1/products', { sku: 'CUP', name: 'Cup', price: '10.00', currency: 'EUR', quantity: 9 }, headers)
  await post('/v1/orders', { clientId, items: [{ sku: 'CUP', quantity: 1 }] }, { ...headers, prefer: 'wait=30' })
  await app.application.settled()
  await app.stop()
  return collector.requests.flatMap(({ body }) => spansIn(body))
}

test('an order hangs under its caller, from the request to the mail', async () => {
  const spans = await tracedOrder('0', { traceparent: `00-${TRACE}-${CALLER}-01` })
  assert.ok(spans.every(({ traceId }) => traceId === TRACE))
  const request = spans.find(({ name }) => name === 'POST /v1/orders')
  assert.equal(request?.parentSpanId, CALLER)
  const under = spans.filter(({ parentSpanId }) => parentSpanId === request?.spanId).map(({ name }) => name)
  const road = ['orders OrderPlaced', 'inventory StockReserved', 'payments PaymentCaptured', 'shipping ShipmentBooked']
  for (const name of [...road, 'orders OrderConfirmed', 'notifications NotificationSent']) {
    assert.ok(under.includes(name), `${name} among ${under.join(', ')}`)
  }
  assert.ok(
    under.some((name) => name.startsWith('payments ') && !/ Payment/.test(name)),
    'the call of the gateway',
  )
})

test('who does not trace is traced by the share that is set, and who forbids it is not', async () => {
  assert.deepEqual(await tracedOrder('0', {}), [])
  assert.deepEqual(await tracedOrder('1', { traceparent: `00-${TRACE}-${CALLER}-00` }), [])
  const own = await tracedOrder('1', {})
  const request = own.find(({ name }) => name === 'POST /v1/orders')
  assert.ok(own.some(({ name, parentSpanId }) => name === 'orders OrderConfirmed' && parentSpanId === request?.spanId))
})
