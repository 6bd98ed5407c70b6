// The server as a process: its health and metrics, its port, and how it stops.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ROLES, type Route } from '../../kernel/route.ts'
import { keyFor, testServer, type TestServer } from './fake-application.ts'

const THING = '018f3b1e-0000-7000-8000-00000000000a'
const apiKeys = ROLES.map((role) => keyFor(role, role))

test('health tells the worst of its parts, and strangers no reasons', async () => {
  const { inject, application } = await testServer({ host: '0.0.0.0', apiKeys })
  const health = async (authorization = '') => {
    const answer = await inject({ url: '/health', headers: { authorization } })
    return [answer.statusCode, answer.json<{ readonly status: string; readonly parts: readonly object[] }>()] as const
  }
  const slow = { part: 'group orders.checkout', status: 'degraded', detail: 'stands still' } as const
  application.parts.push(slow)
  const known = await health('Bearer reader')
  assert.deepEqual([known[0], known[1].status, known[1].parts[1]], [200, 'degraded', slow])
  application.parts.push({ part: 'store', status: 'unhealthy', detail: 'connect ECONNREFUSED 10.0.0.7' })
  const strange = await health()
  assert.deepEqual([strange[0], strange[1].status, strange[1].parts.length], [503, 'unhealthy', 3])
  assert.ok(!JSON.stringify(strange).includes('10.0.0.7'))
  assert.equal((await inject('/ready')).statusCode, 503)
  assert.equal((await inject('/live')).statusCode, 200)
})

test('a health that can not be told is unhealthy', async () => {
  const { inject, application } = await testServer()
  application.health = () => Promise.reject(new Error('the store is away'))
  assert.deepEqual([(await inject('/health')).statusCode, (await inject('/ready')).statusCode], [503, 503])
})

test('metrics are for readers, and count requests by route and status', async () => {
  const { inject } = await testServer({ host: '0.0.0.0', apiKeys })
  const headers = { authorization: 'Bearer reader' }
  await inject({ url: `/v1/things/${THING}`, headers })
  await inject({ url: '/v1/things?limit=0', headers })
  await inject({ url: '/wp-login.php', headers })
  assert.equal((await inject('/metrics')).statusCode, 401)
  const answer = await inject({ url: '/metrics', headers })
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  for (const labels of [
    'method="GET",route="/v1/things/:thingId",status="200"',
    'method="GET",route="/v1/things",status="400"',
    'method="ANY",route="unknown",status="404"',
  ]) {
    assert.ok(answer.body.includes(`lonja_http_request_seconds_count{${labels}} 1`), labels)
  }
})

test('requests are logged at debug level, without their query', async () => {
  const { inject, lines } = await testServer()
  await inject({ url: '/v1/things?after=c1', headers: { 'x-request-id': 'r-1' } })
  const { requestId, route, status, principal } = JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>
  assert.deepEqual([requestId, route, status, principal], ['r-1', '/v1/things', 200, 'local'])
  assert.ok(!lines.join('').includes('c1'))
})

test('a process that is no api serves its health and nothing of the services', async () => {
  const { inject } = await testServer({ servesApi: false })
  const status = async (url: string): Promise<number> => (await inject(url)).statusCode
  assert.deepEqual(
    [await status('/live'), await status('/metrics'), await status('/v1/things'), await status('/docs')],
    [200, 200, 404, 404],
  )
})

test('pages of other origins are let in by setting only', async () => {
  const { inject } = await testServer({ corsOrigins: ['https://shop.example'] })
  const ask = (origin: string) =>
    inject({
      method: 'OPTIONS',
      url: '/v1/things',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'idempotency-key' },
    })
  const asked = await ask('https://shop.example')
  assert.deepEqual(
    [asked.statusCode, asked.headers['access-control-allow-origin'], asked.headers['access-control-allow-headers']],
    [204, 'https://shop.example', 'idempotency-key'],
  )
  assert.equal((await ask('https://evil.example')).headers['access-control-allow-origin'], undefined)
  const wrong = await inject({ url: '/v1/nothing', headers: { origin: 'https://shop.example' } })
  assert.equal(wrong.headers['access-control-allow-origin'], 'https://shop.example')
  assert.match(String(wrong.headers['access-control-expose-headers']), /x-request-id/)
  const closed = await testServer()
  const answer = await closed.inject({ url: '/live', headers: { origin: 'https://shop.example' } })
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
})

test('a port that is taken is told with what to do', async () => {
  const other = createTcpServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const { port } = other.address() as AddressInfo
    const { server } = await testServer({ port })
    const sentence = new RegExp(
      `^Error: Port ${port} on 127\\.0\\.0\\.1 is taken by another program.*choose another --port`,
    )
    await assert.rejects(server.listen(), sentence)
    await server.close()
  } finally {
    other.close()
  }
})

test('an address that is not of this machine is told', async () => {
  const { server } = await testServer({ host: '192.0.2.1', apiKeys })
  await assert.rejects(server.listen(), /This machine has no address 192\.0\.2\.1/)
  await server.close()
})

/** Listens, runs, and closes whatever happened. */
async function listening(served: TestServer, run: (port: number) => Promise<void>): Promise<void> {
  const url = new URL(await served.server.listen())
  try {
    await run(Number(url.port))
  } finally {
    await served.server.close()
  }
}

async function answerTo(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

test('what is no HTTP, and headers without end, are answered as problems', async () => {
  await listening(await testServer(), async (port) => {
    assert.match(
      await answerTo(port, 'hello there\r\n\r\n'),
      /^HTTP\/1\.1 400 [\s\S]*problem\+json[\s\S]*REQUEST_BROKEN/,
    )
    const long = `GET /live HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`
    assert.match(await answerTo(port, long), /^HTTP\/1\.1 431 [\s\S]*HEADERS_TOO_LARGE/)
  })
})

test('a body that grows over 1 MB without having said so is cut off', async () => {
  await listening(await testServer(), async (port) => {
    const head =
      'POST /v1/things HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked'
    const chunk = `100000\r\n${'x'.repeat(0x10_0000)}\r\n`
    assert.match(await answerTo(port, `${head}\r\n\r\n${chunk}${chunk}`), /^HTTP\/1\.1 413 [\s\S]*BODY_TOO_LARGE/)
  })
})

/** Lets a submission begin and end by hand. */
function holdSubmissions({ application }: TestServer) {
  const begun = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const submit = application.submit.bind(application)
  application.submit = async (submission) => {
    begun.resolve()
    await go.promise
    return submit(submission)
  }
  return { begun: begun.promise, go: go.resolve }
}

test('a request whose client is gone goes on', async () => {
  const served = await testServer()
  const held = holdSubmissions(served)
  await listening(served, async (port) => {
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/imports' }).on('error', () => undefined)
    sent.end()
    await held.begun
    sent.destroy()
    held.go()
  })
  assert.equal(served.application.submitted.length, 1)
})

test('closing answers what runs, tells readiness, and takes nothing new', async () => {
  const served = await testServer()
  const held = holdSubmissions(served)
  const url = await served.server.listen()
  const running = fetch(`${url}/v1/imports`, { method: 'POST' })
  await held.begun
  const closed = served.server.close()
  await assert.rejects(fetch(`${url}/live`))
  held.go()
  assert.equal((await running).status, 202)
  await closed
})

test('closing cuts off what does not end within the limit', async () => {
  const served = await testServer({ stopLimitMs: 20 })
  const held = holdSubmissions(served)
  const url = await served.server.listen()
  const running = fetch(`${url}/v1/imports`, { method: 'POST' })
  await held.begun
  await Promise.all([served.server.close(), assert.rejects(running)])
  held.go()
})

test('closing ends waits with the state reached', async () => {
  const served = await testServer()
  const looked = Promise.withResolvers<void>()
  const change = Promise.withResolvers<void>()
  served.application.changed = async () => {
    looked.resolve()
    return change.promise
  }
  const { looks } = await import('./fake-application.ts')
  looks.untilSettled = 1000
  const url = await served.server.listen()
  const running = fetch(`${url}/v1/things`, {
    method: 'POST',
    headers: { prefer: 'wait=30', 'content-type': 'application/json' },
    body: JSON.stringify({ clientId: THING }),
  })
  await looked.promise
  const closed = served.server.close()
  change.resolve()
  assert.equal((await running).status, 201)
  assert.ok(looks.untilSettled > 990)
  await closed
})

test('an answer in another shape than declared is a fault where tests ask for it', async () => {
  const strict = await testServer()
  const [service] = strict.application.services
  const route = service?.routes.find(({ path, method }: Route) => path === '/v1/things' && method === 'GET')
  assert.ok(route)
  const rules = { ...route.rules, handle: async () => ({ status: 200, body: { limit: 'many' } }) }
  for (const [checkAnswers, status] of [
    [true, 500],
    [false, 200],
  ] as const) {
    const { inject } = await testServer({ checkAnswers }, [{ ...route, rules }])
    assert.equal((await inject('/v1/things')).statusCode, status)
  }
})

test('params that a path names and its schema does not fail at the start', async () => {
  const rules = { summary: 'x', role: 'reader', answers: {}, handle: async () => ({ status: 200 }) } as const
  const route: Route = { method: 'GET', path: '/v1/x/:id', rules }
  await assert.rejects(testServer({}, [route]), /GET \/v1\/x\/:id names the params \[id\] and declares \[\]/)
})
