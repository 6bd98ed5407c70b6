// Text messages and webhooks over a real port: what is sent, whose address is called, and what errors say.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import { systemClock } from '../../../platform/system.ts'
import { listeningServer } from '../../../testing/listening-server.ts'
import { isPublic, lookUpPublic, post } from './guarded-post.ts'
import { messengersOf } from './messengers-of.ts'
import { messageSink } from './sink.ts'
import { httpTexter, webhookCaller } from './webhook.ts'

const call = (signal = new AbortController().signal) => ({ idempotencyKey: 'log:callWebhook:1', signal })
const clock = { ...systemClock, now: () => 1_700_000_000_500 }
const secret = 'sesame'

suite('webhooks', () => {
  test('a call carries its id and a signature that the receiver can check', async () => {
    await using server = await listeningServer()
    const caller = webhookCaller({ clock, url: undefined, secret, mayBePrivate: true })
    assert.deepEqual(await caller.send({ url: `${server.url}/hook?a=1`, body: '{"a":1}' }, call()), {})
    const [request] = server.requests
    const digest = createHmac('sha256', secret).update('1700000000.{"a":1}').digest('hex')
    assert.deepEqual([request?.method, request?.url, request?.body], ['POST', '/hook?a=1', '{"a":1}'])
    assert.deepEqual(
      ['content-type', 'idempotency-key', 'lonja-signature'].map((name) => request?.headers[name]),
      ['application/json', 'log:callWebhook:1', `t=1700000000,v1=${digest}`],
    )
  })

  test("the shop's own address stands in for a client without one, and may be private", async () => {
    await using server = await listeningServer()
    const own = webhookCaller({ clock, url: server.url, secret: undefined, mayBePrivate: false })
    assert.deepEqual(await own.send({ url: undefined, body: '{}' }, call()), {})
    assert.equal(server.requests[0]?.headers['lonja-signature'], undefined)
    const none = webhookCaller({ clock, url: undefined, secret, mayBePrivate: false })
    assert.match((await none.send({ url: undefined, body: '{}' }, call())).refused ?? '', /neither/)
  })

  test('an address inside our network is not called, however it is written', async () => {
    await using server = await listeningServer()
    const guarded = webhookCaller({ clock, url: undefined, secret, mayBePrivate: false })
    const { port } = new URL(server.url)
    const hosts = [
      '127.0.0.1',
      'localhost',
      '0x7f.1',
      '2130706433',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '10.0.0.1',
      '[fd00::1]',
    ]
    for (const host of [...hosts, '169.254.169.254']) {
      const taken = await guarded.send({ url: `https://${host}:${port}/`, body: '{}' }, call())
      assert.match(taken.refused ?? '', /private network/, host)
    }
    const plain = await guarded.send({ url: 'http://shop.example/', body: '{}' }, call())
    assert.match(plain.refused ?? '', /not https/)
    const file = await guarded.send({ url: 'file:///etc/passwd', body: '{}' }, call())
    assert.match(file.refused ?? '', /neither https nor http/)
    assert.deepEqual(server.requests, [])
  })

  test('redirects are not followed, and what another try may mend is told from what it can not', async () => {
    await using server = await listeningServer()
    const send = (status: number) => {
      server.answer = { status, headers: { location: `${server.url}/inside` } }
      return post({ url: server.url, body: '{}', headers: {}, signal: call().signal, isTrusted: true })
    }
    assert.match((await send(302)).refused ?? '', /302.*redirects are not followed/)
    assert.match((await send(404)).refused ?? '', /404/)
    await assert.rejects(send(503), /answered 503/)
    await assert.rejects(send(429), /answered 429/)
    assert.deepEqual(
      server.requests.map(({ url }) => url),
      ['/', '/', '/', '/'],
    )
  })

  test('an endless answer costs nothing: only its status is read', { timeout: 10_000 }, async () => {
    await using server = await listeningServer()
    server.answer = { status: 200, endless: true }
    const sent = post({ url: server.url, body: '{}', headers: {}, signal: call().signal, isTrusted: true })
    assert.deepEqual(await sent, {})
    await server.closed()
  })

  test('a server that is silent is left when the call is aborted; no error names the address', async () => {
    await using server = await listeningServer()
    server.answer = undefined
    const controller = new AbortController()
    const url = `${server.url}/ana-lobo`
    const sending = post({ url, body: '{}', headers: {}, signal: controller.signal, isTrusted: true })
    await server.asked()
    controller.abort()
    await assert.rejects(sending, { message: 'The address can not be reached: ABORT_ERR.' })
    await server.stop()
    const gone = post({ url, body: '{}', headers: {}, signal: call().signal, isTrusted: true })
    await assert.rejects(gone, { message: 'The address can not be reached: ECONNREFUSED.' })
  })

  test('a body above the limit is not sent', async () => {
    const caller = webhookCaller({ clock, url: 'http://127.0.0.1:9/', secret, mayBePrivate: true })
    const taken = await caller.send({ url: undefined, body: JSON.stringify('x'.repeat(65_536)) }, call())
    assert.match(taken.refused ?? '', /65536 bytes/)
  })
})

suite('public addresses', () => {
  test('special ranges of both families are none', () => {
    const inside = [
      ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.9.9.9', '169.254.1.1', '172.31.255.255', '192.0.2.7', '192.168.0.1'],
      ['198.19.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fd12::1', 'ff02::1', '64:ff9b::7f00:1'],
      ['::ffff:8.8.8.8', '2001::1', '2001:db8::1', '2002:7f00:1::', 'not an address'],
    ].flat()
    assert.deepEqual(inside.filter(isPublic), [])
    const outside = ['8.8.8.8', '100.128.0.1', '172.32.0.1', '193.0.0.1', '223.255.255.255', '2606:4700::1111']
    assert.deepEqual(outside.filter(isPublic), outside)
  })

  test('a name that leads inside is refused where it is looked up, so that nothing can change in between', async () => {
    for (const all of [true, false]) {
      const { promise, resolve } = Promise.withResolvers<Error | null>()
      lookUpPublic('localhost', { all }, (error) => resolve(error))
      assert.equal((await promise)?.name, 'NotPublic')
    }
  })
})

suite('text messages', () => {
  test('go to the provider as JSON with its token', async () => {
    await using server = await listeningServer()
    const texter = httpTexter({ url: `${server.url}/messages`, key: 'token', from: 'Shop' })
    assert.deepEqual(await texter.send({ to: '+34600123456', text: 'Hello' }, call()), {})
    const [request] = server.requests
    assert.deepEqual(JSON.parse(request?.body ?? ''), { to: '+34600123456', from: 'Shop', text: 'Hello' })
    assert.equal(request?.headers.authorization, 'Bearer token')
  })
})

suite('which messengers there are', () => {
  const settings = {
    smtpUrl: undefined,
    mailFrom: 'Shop <shop@example.org>',
    mailFailureRate: 0,
    smsUrl: undefined,
    smsKey: undefined,
    smsFrom: undefined,
    notificationWebhookUrl: undefined,
    notificationWebhookSecret: undefined,
    webhooksMayBePrivate: false,
    clock,
    random: () => 0.5,
  }

  test('without any setting all messages stay in the process, and nobody is called', async () => {
    await using server = await listeningServer()
    const { texter, webhooks } = await messengersOf(settings)
    assert.deepEqual(await texter.send({ to: '1', text: 'Hello' }, call()), {})
    assert.deepEqual(await webhooks.send({ url: server.url, body: '{}' }, call()), {})
    assert.deepEqual(server.requests, [])
  })

  test('once mail is real, a channel without a provider fails and says which setting is missing', async () => {
    const { texter, webhooks, stop } = await messengersOf({ ...settings, smtpUrl: 'smtp://127.0.0.1:9' })
    stop()
    assert.match((await texter.send({ to: '1', text: 'Hello' }, call())).refused ?? '', /LONJA_SMS_URL/)
    assert.match((await webhooks.send({ url: undefined, body: '{}' }, call())).refused ?? '', /neither/)
  })

  test('a sink keeps each message once, and fails when it is told to', async () => {
    let isDown = false
    const sink = messageSink<string>(() => isDown)
    await sink.send('one', call())
    await sink.send('one', call())
    assert.deepEqual(sink.messages(), ['one'])
    isDown = true
    await assert.rejects(sink.send('two', call()), /simulated/)
  })
})
