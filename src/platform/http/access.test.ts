// Who may do what: every route with every role, the ways of sending a key, and what a machine without keys serves.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { ROLES, type Role } from '../../kernel/route.ts'
import { isLoopback } from './access.ts'
import { ApiKeysError, loadApiKeys, parseApiKeys } from './api-keys.ts'
import { FakeApplication, keyFor, testServer } from './fake-application.ts'

const THING = '018f3b1e-0000-7000-8000-00000000000a'
const apiKeys = ROLES.map((role) => keyFor(role, role))
const beyond = { host: '0.0.0.0', apiKeys }

/** The roles that may use a route, written out: the table that the code is held to. */
const MAY: Readonly<Record<Role, readonly Role[]>> = {
  reader: ['reader', 'clerk', 'importer', 'operator', 'admin'],
  clerk: ['clerk', 'importer', 'operator', 'admin'],
  importer: ['importer', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
}

const bodies: Readonly<Record<string, object>> = {
  'POST /v1/things': { clientId: THING },
  'PATCH /v1/things/:thingId': { state: 'made' },
}

test('each route answers exactly the roles that may use it', async () => {
  const { inject } = await testServer(beyond)
  const routes = new FakeApplication().services.flatMap(({ routes }) => routes)
  const asked = new Set<Role>()
  for (const { method, path, rules } of routes) {
    asked.add(rules.role)
    for (const role of [...ROLES, undefined]) {
      const answer = await inject({
        method,
        url: path.replace(':thingId', THING),
        headers: role === undefined ? {} : { authorization: `Bearer ${role}` },
        ...(bodies[`${method} ${path}`] && { payload: bodies[`${method} ${path}`] }),
      })
      const wanted = role === undefined ? 401 : MAY[rules.role].includes(role) ? undefined : 403
      const at = `${role ?? 'nobody'} at ${method} ${path}: ${answer.statusCode}`
      if (wanted === undefined) assert.ok(answer.statusCode < 300, at)
      else assert.equal(answer.statusCode, wanted, at)
    }
  }
  assert.deepEqual([...asked].toSorted(), [...ROLES].toSorted(), 'the fake has a route for each role')
})

test('a weak key is told which role it lacks', async () => {
  const { inject } = await testServer(beyond)
  const headers = { authorization: 'Bearer reader' }
  const { code, details } = (await inject({ method: 'POST', url: '/v1/imports', headers })).json<{
    readonly code: string
    readonly details: object
  }>()
  assert.deepEqual([code, details], ['ROLE_MISSING', { needed: 'importer', role: 'reader' }])
})

test('a key comes as bearer or as X-Api-Key, and names who asks', async () => {
  const { inject, application } = await testServer(beyond)
  const send = async (headers: Record<string, string>) =>
    (await inject({ method: 'POST', url: '/v1/things', headers, payload: { clientId: THING } })).statusCode
  assert.equal(await send({ authorization: 'bearer clerk' }), 201)
  assert.equal(await send({ 'x-api-key': 'clerk' }), 201)
  const callers = application.submitted.map(({ principal, role }) => `${principal} ${role}`)
  assert.deepEqual(callers, ['clerk clerk', 'clerk clerk'])
})

test('without a key, with a wrong one or another scheme, nothing is served, and the body is not read', async () => {
  const { inject } = await testServer(beyond)
  const send = (headers: Record<string, string>) =>
    inject({ method: 'POST', url: '/v1/things', headers: { ...headers, 'content-type': 'text/plain' }, payload: '{' })
  const codes = await Promise.all(
    [{}, { authorization: 'Basic Y2xlcms6eA==' }, { authorization: 'Bearer nobody' }, { 'x-api-key': 'nobody' }].map(
      async (headers) => {
        const answer = await send(headers)
        assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
        return `${answer.statusCode} ${answer.json<{ readonly code: string }>().code}`
      },
    ),
  )
  assert.deepEqual(codes, ['401 KEY_MISSING', '401 KEY_MISSING', '401 KEY_UNKNOWN', '401 KEY_UNKNOWN'])
})

test('on loopback alone nobody needs a key, but one may lower the role', async () => {
  const { inject, application } = await testServer({ apiKeys })
  const send = async (headers: Record<string, string>) =>
    (await inject({ method: 'POST', url: '/v1/imports', headers })).statusCode
  assert.equal(await send({}), 202)
  assert.deepEqual([application.submitted[0]?.principal, application.submitted[0]?.role], ['local', 'admin'])
  assert.equal(await send({ authorization: 'Bearer reader' }), 403)
  assert.equal(await send({ authorization: 'Bearer nobody' }), 401)
})

test('without a key, a page from elsewhere can not act through the browser of this machine', async () => {
  const { inject } = await testServer({ corsOrigins: ['https://shop.example'] })
  const send = async (headers: Record<string, string>) =>
    (await inject({ method: 'POST', url: '/v1/imports', headers })).statusCode
  assert.equal(await send({ host: 'evil.example:8080' }), 403)
  assert.equal(await send({ origin: 'https://evil.example' }), 403)
  assert.equal(await send({ origin: 'null' }), 403)
  assert.equal(await send({ host: '127.0.0.1:8080', origin: 'http://localhost:5173' }), 202)
  assert.equal(await send({ host: '[::1]:8080', origin: 'https://shop.example' }), 202)
  const open = await testServer({ corsOrigins: ['*'] })
  const headers = { origin: 'https://evil.example' }
  assert.equal((await open.inject({ method: 'POST', url: '/v1/imports', headers })).statusCode, 403)
})

test('the start is refused where others could reach a server without keys', async () => {
  for (const host of ['0.0.0.0', '::', '192.168.0.7', 'shop.example']) {
    await assert.rejects(testServer({ host }), /would listen on .*no API keys.*LONJA_API_KEYS_FILE.*127\.0\.0\.1/)
  }
  assert.deepEqual(['127.0.0.1', '127.8.8.8', 'localhost', '::1', '[::1]'].map(isLoopback), Array(5).fill(true))
  assert.deepEqual(['127.0.0.1.evil.example', '128.0.0.1', ''].map(isLoopback), Array(3).fill(false))
})

const digest = (key: string): string => createHash('sha256').update(key).digest('hex')

test('a list of keys is read with comments and blank lines', () => {
  const keys = parseApiKeys(`# the shop\nshop clerk ${digest('a')} # front\n\nconsole  operator\t${digest('b')},\n`)
  assert.deepEqual(
    keys.map(({ name, role }) => `${name} ${role}`),
    ['shop clerk', 'console operator'],
  )
})

test('a mistake in a list of keys is told by its place, never by its content', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['shop clerk my-secret-key', /^API key 1 has no hash: write `name role sha256-of-key`/],
    [`ok admin ${digest('a')}\nshop boss ${digest('b')}`, /^API key 2 has none of the roles reader, clerk, importer/],
    [`sh/op clerk ${digest('a')}`, /^API key 1 has no proper name/],
    [`shop clerk ${digest('a')} more`, /^API key 1 has no hash/],
    [`shop clerk ${digest('a')},shop admin ${digest('b')}`, /one name/],
    [`shop clerk ${digest('a')},boss admin ${digest('a')}`, /same key/],
  ]
  for (const [text, message] of cases) {
    assert.throws(
      () => parseApiKeys(text),
      (error) => error instanceof ApiKeysError && message.test(error.message) && !error.message.includes('secret'),
    )
  }
})

test('a file of keys that is not there is told', () => {
  const settings = { apiKeys: `shop clerk ${digest('a')}`, apiKeysFile: '/no/such/file' }
  assert.throws(() => loadApiKeys(settings), /The API keys file \/no\/such\/file can not be read \(ENOENT\)/)
  assert.equal(loadApiKeys({ ...settings, apiKeysFile: undefined }).length, 1)
})
