// What makes a request repeatable and patient: Idempotency-Key, Prefer, and the headers that are passed on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLES } from '../../kernel/route.ts'
import { keyFor, looks, testServer, type TestServer } from './fake-application.ts'
import { canonicalJson } from './json-body.ts'

const THING = '018f3b1e-0000-7000-8000-00000000000a'
const OTHER = '018f3b1e-0000-7000-8000-00000000000b'

const postThing = ({ inject }: TestServer, headers: Record<string, string>, payload: object = { clientId: THING }) =>
  inject({ method: 'POST', url: '/v1/things', headers, payload })

test('the same key and request get the same answer, and say that it is a repetition', async () => {
  const served = await testServer()
  const first = await postThing(served, { 'idempotency-key': 'k 1' })
  const second = await postThing(served, { 'idempotency-key': 'k 1' })
  assert.deepEqual([second.statusCode, second.body], [first.statusCode, first.body])
  assert.equal(second.headers['location'], first.headers['location'])
  assert.deepEqual([first.headers['idempotency-replayed'], second.headers['idempotency-replayed']], [undefined, 'true'])
  assert.equal(served.application.submitted.length, 1)
})

test('two calls at once with one key work once', async () => {
  const served = await testServer()
  const answers = await Promise.all([1, 2, 3].map(() => postThing(served, { 'idempotency-key': 'k' })))
  assert.equal(new Set(answers.map(({ body }) => body)).size, 1)
  assert.equal(served.application.submitted.length, 1)
})

test('another body under the same key is refused; the same one written otherwise is not', async () => {
  const served = await testServer()
  const headers = { 'idempotency-key': 'k', 'content-type': 'application/json' }
  const send = (payload: string) => served.inject({ method: 'POST', url: '/v1/things', headers, payload })
  assert.equal((await send(`{"clientId":"${THING}","note":"a"}`)).statusCode, 201)
  assert.equal((await send(`{ "note" : "\\u0061", "clientId":"${THING}" }`)).statusCode, 201)
  const refused = await send(`{"clientId":"${THING}","note":"b"}`)
  assert.equal(refused.statusCode, 422)
  assert.equal(refused.json<{ readonly code: string }>().code, 'IDEMPOTENCY_KEY_REUSED')
})

test('one key on two addresses is a mistake, not a repetition', async () => {
  const { inject } = await testServer()
  const send = async (id: string) =>
    (
      await inject({
        method: 'PATCH',
        url: `/v1/things/${id}`,
        payload: { state: 'made' },
        headers: { 'idempotency-key': 'k' },
      })
    ).statusCode
  assert.deepEqual([await send(THING), await send(OTHER)], [200, 422])
})

test('keys of two callers, and of two routes, do not meet', async () => {
  const apiKeys = ROLES.map((role) => keyFor(role, role))
  const served = await testServer({ apiKeys })
  await postThing(served, { 'idempotency-key': 'k', authorization: 'Bearer clerk' })
  await postThing(served, { 'idempotency-key': 'k', authorization: 'Bearer admin' }, { clientId: OTHER })
  await served.inject({ method: 'POST', url: '/v1/imports', headers: { 'idempotency-key': 'k' } })
  assert.deepEqual(
    served.application.submitted.map(({ scope }) => scope),
    ['clerk POST /v1/things k#1', 'admin POST /v1/things k#1', 'local POST /v1/imports k#1'],
  )
})

test('each command of a request has its own scope, and a repetition meets each of them', async () => {
  const served = await testServer()
  const send = () =>
    served.inject({
      method: 'PATCH',
      url: `/v1/things/${THING}`,
      payload: { state: 'made' },
      headers: { 'idempotency-key': 'a#1' },
    })
  assert.deepEqual((await send()).json(), ['one', 'two'])
  const again = await send()
  assert.deepEqual([again.json(), again.headers['idempotency-replayed']], [['one', 'two'], 'true'])
  assert.deepEqual(
    served.application.submitted.map(({ scope }) => scope),
    ['local PATCH /v1/things/:thingId a#1#1', 'local PATCH /v1/things/:thingId a#1#2'],
  )
})

test('without a key there is no scope', async () => {
  const served = await testServer()
  await postThing(served, {})
  assert.deepEqual([served.application.submitted[0]?.scope, served.application.submitted[0]?.bodyHash], [undefined, ''])
})

test('canonical JSON is the same whatever the order and the blanks', () => {
  const one = JSON.parse('{"b":[1,{"d":null,"c":"é"}],"a":1.50,"10":true,"9":0}') as unknown
  const other = JSON.parse(' {"9":0,"a":1.5,"10":true, "b":[1, {"c":"\\u00e9","d":null}]} ') as unknown
  assert.equal(canonicalJson(one), canonicalJson(other))
  assert.equal(canonicalJson(one), '{"10":true,"9":0,"a":1.5,"b":[1,{"c":"é","d":null}]}')
  assert.notEqual(canonicalJson({ a: [1, 2] }), canonicalJson({ a: [2, 1] }))
  assert.equal(canonicalJson(undefined), '')
})

test('Prefer: wait looks again after each change until the thing is settled', async () => {
  const served = await testServer()
  looks.untilSettled = 3
  const answer = await postThing(served, { prefer: 'respond-async; WAIT="10"' })
  assert.deepEqual([answer.statusCode, answer.headers['preference-applied']], [201, 'wait=10'])
  assert.equal(looks.untilSettled, 0)
  const { id } = answer.json<{ readonly id: string }>()
  assert.deepEqual(served.application.waits, [
    [id, 250],
    [id, 250],
    [id, 250],
  ])
})

test('who does not ask to wait is answered at once, and without Preference-Applied', async () => {
  const served = await testServer()
  looks.untilSettled = 1000
  const none = await postThing(served, {})
  const zero = await postThing(served, { prefer: 'wait=0' })
  assert.deepEqual([none.headers['preference-applied'], zero.headers['preference-applied']], [undefined, 'wait=0'])
  assert.deepEqual([looks.untilSettled, served.application.waits.length], [1000, 0])
})

test('a wait ends at its limit, whatever the state', async () => {
  const served = await testServer()
  looks.untilSettled = 1000
  const began = served.application.time
  assert.equal((await postThing(served, { prefer: 'wait=2' })).statusCode, 201)
  assert.deepEqual([served.application.time - began, served.application.waits.length], [2000, 8])
})

test('a route that must wait itself waits for its path, whatever the caller asked', async () => {
  const served = await testServer()
  looks.untilSettled = 2
  const answer = await served.inject({ method: 'PUT', url: `/v1/things/${THING}` })
  assert.equal(answer.statusCode, 204)
  assert.deepEqual(served.application.waits, [
    [THING, 250],
    [THING, 250],
  ])
})

test('a request id is taken over when it can be logged, and made otherwise', async () => {
  const { inject } = await testServer()
  const send = async (id: string) =>
    (await inject({ url: '/live', headers: { 'x-request-id': id } })).headers['x-request-id']
  assert.equal(await send('shop-7/a.b'), 'shop-7/a.b')
  for (const id of ['two words', 'x'.repeat(129), '<script>', 'ana@example.com']) {
    assert.match(String(await send(id)), /^018f3b1e-/)
  }
})

test('a traceparent is passed on when it is one, and never made up', async () => {
  const served = await testServer()
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  await postThing(served, { traceparent: trace })
  await postThing(served, {})
  await postThing(served, { traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01' })
  const [first, second, third] = served.application.submitted.map(({ traceparent }) => traceparent)
  assert.equal(first, trace)
  assert.deepEqual([second, third], [undefined, undefined])
})

test('a version that the caller has already is not sent again', async () => {
  const { inject } = await testServer()
  const url = `/v1/things/${THING}`
  const read = (etag: string) => inject({ url, headers: { 'if-none-match': etag } })
  assert.equal((await inject(url)).headers['etag'], '"7"')
  for (const etag of ['"7"', 'W/"7"', '"6", "7"', '*']) {
    const answer = await read(etag)
    assert.deepEqual([answer.statusCode, answer.body, answer.headers['etag']], [304, '', '"7"'])
  }
  const headers = { 'if-none-match': '"8"' }
  const changed = await inject({ method: 'PATCH', url, headers, payload: { state: 'made' } })
  assert.equal(changed.statusCode, 200, 'only reading spares the answer')
  for (const etag of ['"8"', '7']) assert.equal((await read(etag)).statusCode, 200)
})
