// Bad input over HTTP: each gets a problem with a stable code, and no value of a person comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Overloaded, RecordTooLarge } from '../application.ts'
import { BadData, CommitUnknown, StoreUnavailable } from '../ports.ts'
import { testServer, type TestServer } from './fake-application.ts'

const CLIENT = '018f3b1e-0000-7000-8000-00000000000a'
const json = { 'content-type': 'application/json' }

interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly instance: string
  readonly details?: { readonly issues?: readonly { readonly path: string; readonly message: string }[] }
}

type Injected = Awaited<ReturnType<TestServer['inject']>>

function problemOf(answer: Injected, status: number, code: string): ProblemBody {
  assert.equal(answer.statusCode, status, answer.body)
  assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
  const body = answer.json<ProblemBody>()
  assert.equal(body.code, code, answer.body)
  assert.equal(body.type, `/problems/${code}`)
  assert.equal(body.status, status)
  assert.equal(body.instance, answer.headers['x-request-id'])
  assert.match(body.title, /^[A-Z].*\.$/)
  assert.ok(!/node_modules|\.ts:\d|at \w+ \(/.test(answer.body), 'a stack came out')
  return body
}

async function postThing(payload: unknown, headers: Record<string, string> = json): Promise<Injected> {
  const { inject } = await testServer()
  const text = typeof payload === 'string' || payload instanceof Buffer ? payload : JSON.stringify(payload)
  return inject({ method: 'POST', url: '/v1/things', headers, payload: text })
}

test('a body that is no JSON is refused with the place of the fault and without its text', async () => {
  const { detail } = problemOf(await postThing('{"email":"ana@example.com" "x"}'), 400, 'JSON_BROKEN')
  assert.match(detail, /position \d+/)
  assert.ok(!detail.includes('ana@'))
})

test('a body that is not UTF-8 is refused', async () => {
  problemOf(await postThing(Buffer.from('{"note":"Jos\u00e9"}', 'latin1')), 400, 'JSON_BROKEN')
})

test('a body over 1 MB is refused', async () => {
  const large = JSON.stringify({ clientId: CLIENT, note: 'x'.repeat(1024 * 1024) })
  problemOf(await postThing(large), 413, 'BODY_TOO_LARGE')
})

test('a body of another content type is refused', async () => {
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense']) {
    problemOf(await postThing('{}', { 'content-type': type }), 415, 'CONTENT_TYPE')
  }
  problemOf(await postThing('{}', {}), 415, 'CONTENT_TYPE')
})

test('JSON with a charset passes', async () => {
  const answer = await postThing({ clientId: CLIENT }, { 'content-type': 'application/json; charset=utf-8' })
  assert.equal(answer.statusCode, 201)
})

test('a missing body is told as one', async () => {
  const { inject } = await testServer()
  const { detail } = problemOf(await inject({ method: 'POST', url: '/v1/things' }), 422, 'BODY_INVALID')
  assert.match(detail, /^The body: /)
})

test('what is wrong in a body is told by path and rule, all at once', async () => {
  const body = { clientId: 'x', items: [{ quantity: 1 }, { quantity: 0 }, { quantity: 2 ** 31 }, { quantity: 1.5 }] }
  const { details, detail } = problemOf(await postThing(body), 422, 'BODY_INVALID')
  assert.deepEqual(
    details?.issues?.map(({ path }) => path),
    ['clientId', 'items.1.quantity', 'items.2.quantity', 'items.3.quantity'],
  )
  assert.match(detail, /^clientId: .*; and 3 more\.$/)
})

test('negative quantities, and more than 500 items, are refused', async () => {
  problemOf(await postThing({ clientId: CLIENT, items: [{ quantity: -1 }] }), 422, 'BODY_INVALID')
  const items = Array.from({ length: 501 }, () => ({ quantity: 1 }))
  problemOf(await postThing({ clientId: CLIENT, items }), 422, 'BODY_INVALID')
})

test('at most 20 of many mistakes are listed', async () => {
  const items = Array.from({ length: 400 }, () => ({ quantity: 0 }))
  const { details, detail } = problemOf(await postThing({ clientId: CLIENT, items }), 422, 'BODY_INVALID')
  assert.equal(details?.issues?.length, 20)
  assert.match(detail, /and 399 more/)
})

test('of a union, each wish is told', async () => {
  const { detail } = problemOf(await postThing({ clientId: CLIENT, price: true }), 422, 'BODY_INVALID')
  assert.match(detail, /expected string.*; or .*expected number/)
})

test('no value of a personal field comes back, nor reaches the log', async () => {
  const { inject, lines } = await testServer()
  const payload = { clientId: CLIENT, email: 'ana.souza(at)example.com', name: 'Ana Souza'.repeat(20) }
  const answer = await inject({ method: 'POST', url: '/v1/things', payload })
  problemOf(answer, 422, 'BODY_INVALID')
  assert.ok(!/ana|souza/i.test(answer.body + lines.join('')), answer.body)
})

test('U+0000 and lone surrogates are refused wherever they stand, with their path', async () => {
  for (const escape of ['\\u0000', '\\ud83d', '\\udc00 \\ud83d']) {
    const body = `{"clientId":"${CLIENT}","note":"a${escape}"}`
    const { details } = problemOf(await postThing(body), 422, 'BODY_INVALID')
    assert.deepEqual(details?.issues?.[0]?.path, 'note')
    problemOf(await postThing(`{"clientId":"${CLIENT}","x":[{"a${escape}":1}]}`), 422, 'BODY_INVALID')
  }
  const whole = `{"clientId":"${CLIENT}","note":"\\ud83d\\ude00 \\\\u0000"}`
  assert.equal((await postThing(whole)).statusCode, 201)
})

test('a body nested without end is refused, not overflowed', async () => {
  const deep = `{"clientId":"${CLIENT}","x":${'['.repeat(200_000)}"\\u0000"${']'.repeat(200_000)}}`
  problemOf(await postThing(deep), 422, 'BODY_INVALID')
  const plain = deep.replace('\\u0000', 'x')
  problemOf(await postThing(plain, { ...json, 'idempotency-key': '1' }), 422, 'BODY_INVALID')
})

test('names that belong to objects do no harm', async () => {
  const answer = await postThing(`{"clientId":"${CLIENT}","__proto__":{"role":"admin"},"constructor":{"prototype":1}}`)
  assert.equal(answer.statusCode, 201)
})

test('money that is no amount is refused by its own code', async () => {
  const { detail } = problemOf(await postThing({ clientId: CLIENT, price: '1,50' }), 422, 'AMOUNT_MALFORMED')
  assert.match(detail, /amount 1,50/)
  problemOf(await postThing({ clientId: CLIENT, price: 1.005 }), 422, 'AMOUNT_TOO_PRECISE')
  problemOf(await postThing({ clientId: CLIENT, price: 1, currency: 'XXX' }), 422, 'CURRENCY_UNKNOWN')
})

test('garbage in the path and in the query is refused', async () => {
  const { inject } = await testServer()
  problemOf(await inject('/v1/things/not-an-id'), 400, 'PARAMS_INVALID')
  problemOf(await inject(`/v1/things/${'9'.repeat(400)}`), 400, 'PARAMS_INVALID')
  problemOf(await inject(`/v1/things/${'9'.repeat(600)}`), 400, 'URL_INVALID')
  problemOf(await inject('/v1/things/%E0%A4%A'), 400, 'URL_INVALID')
  problemOf(await inject('/v1/things?after=c1%00'), 400, 'URL_INVALID')
  problemOf(await inject('/v1/things?limit=501'), 400, 'QUERY_INVALID')
  problemOf(await inject('/v1/things?limit=1&limit=2'), 400, 'QUERY_INVALID')
  problemOf(await inject('/v1/things?after=garbage'), 400, 'PAGE_CURSOR_INVALID')
  const { detail } = problemOf(await inject('/v1/things?lmit=5'), 400, 'QUERY_INVALID')
  assert.equal(detail, 'lmit: is unknown; the route knows after, limit.')
})

test('unknown routes and methods are told apart, whatever the body', async () => {
  const { inject } = await testServer()
  problemOf(await inject('/v2/things'), 404, 'ROUTE_UNKNOWN')
  problemOf(
    await inject({ method: 'POST', url: '/nothing', headers: { 'content-type': 'x/y' }, payload: 'x' }),
    404,
    'ROUTE_UNKNOWN',
  )
  const answer = await inject({ method: 'DELETE', url: `/v1/things/${CLIENT}?x=1` })
  problemOf(answer, 405, 'METHOD_NOT_ALLOWED')
  assert.equal(answer.headers['allow'], 'GET, HEAD, PATCH, PUT')
  problemOf(await inject({ method: 'OPTIONS', url: '/v1/things' }), 405, 'METHOD_NOT_ALLOWED')
})

test('a refusal has the status of its code, its facts, and is no fault', async () => {
  const { inject, lines } = await testServer()
  const unknown = problemOf(await inject('/v1/things/018f3b1e-0000-7000-8000-000000000404'), 404, 'THING_UNKNOWN')
  assert.match(unknown.detail, /^No thing has this id\. Check it\. \(thingId 018f/)
  const final = await inject({ method: 'PATCH', url: `/v1/things/${CLIENT}`, payload: { state: 'gone' } })
  problemOf(final, 409, 'THING_FINAL')
  assert.ok(!lines.some((line) => line.includes('"level":"error"')))
})

test('a store that is away and too much load are 503 with the time to come back', async () => {
  const { inject, application } = await testServer()
  const send = () => inject({ method: 'POST', url: '/v1/imports' })
  application.fault = new StoreUnavailable('connect ECONNREFUSED 10.0.0.7:5432')
  const away = await send()
  assert.ok(!problemOf(away, 503, 'STORE_UNAVAILABLE').detail.includes('10.0.0.7'))
  assert.equal(away.headers['retry-after'], '2')
  application.fault = new CommitUnknown('read ECONNRESET')
  const doubtful = await send()
  problemOf(doubtful, 503, 'OUTCOME_UNKNOWN')
  assert.equal(doubtful.headers['retry-after'], '2')
  application.fault = new Overloaded('1000 commands wait')
  const busy = await send()
  problemOf(busy, 503, 'OVERLOADED')
  assert.equal(busy.headers['retry-after'], '1')
  application.fault = new BadData('no such character')
  problemOf(await send(), 422, 'VALUE_NOT_STORABLE')
  application.fault = undefined
  assert.equal((await send()).statusCode, 202)
})

test('a fault is INTERNAL and nothing else; the log has it under the request id', async () => {
  const { inject, application, lines } = await testServer()
  application.fault = Object.assign(new Error('secret of ana@example.com'), { statusCode: 418, code: 'SQLITE_MISUSE' })
  const answer = await inject({ method: 'POST', url: '/v1/imports', headers: { 'x-request-id': 'abc-7' } })
  problemOf(answer, 500, 'INTERNAL')
  assert.ok(!/secret|ana@|SQLITE|418/.test(answer.body))
  const line = lines.find((each) => each.includes('"level":"error"')) ?? ''
  const { requestId, route, error } = JSON.parse(line) as { requestId: string; route: string; error: { code: string } }
  assert.deepEqual([requestId, route, error.code], ['abc-7', '/v1/imports', 'SQLITE_MISUSE'])
  assert.ok(!line.includes('secret'))
})

test('what leads to a record that the log does not take is refused, and not as a fault of ours', async () => {
  const { inject, application } = await testServer()
  application.fault = new RecordTooLarge('PlaceOrder is larger than 524288 characters.')
  problemOf(await inject({ method: 'POST', url: '/v1/imports' }), 413, 'RECORD_TOO_LARGE')
})

test('a code that nobody declares is a fault of ours', async () => {
  const { inject, application } = await testServer()
  const { Refusal } = await import('../../kernel/refuse.ts')
  application.fault = new Refusal('NOBODY_DECLARES_THIS')
  problemOf(await inject({ method: 'POST', url: '/v1/imports' }), 500, 'INTERNAL')
})

test('garbage in the headers that steer a request is refused', async () => {
  const { inject } = await testServer()
  const send = (headers: Record<string, string>) => inject({ method: 'POST', url: '/v1/imports', headers })
  problemOf(await send({ 'idempotency-key': '' }), 400, 'IDEMPOTENCY_KEY_INVALID')
  problemOf(await send({ 'idempotency-key': 'k'.repeat(201) }), 400, 'IDEMPOTENCY_KEY_INVALID')
  problemOf(await send({ 'idempotency-key': 'caf\u00e9' }), 400, 'IDEMPOTENCY_KEY_INVALID')
  for (const prefer of ['wait=31', 'wait=-1', 'wait=1.5', 'wait=soon', 'wait', 'wait=', 'respond-async, wait=x']) {
    problemOf(await send({ prefer }), 400, 'PREFER_INVALID')
  }
})
