// An orderly stop: calls to the outside that are under way are ended and their answers kept, so none is made twice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { startApp } from '../../src/app.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import type { Mailer } from '../../src/services/notifications/adapters/mailer.ts'
import { openOutside, startShop } from '../../src/testing/shop.ts'
import { createVirtualClock } from '../../src/testing/virtual-clock.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const LIMIT_MS = 5000
const HOUR_MS = 3_600_000

/** A mail server that takes each mail, and answers only when it is let. */
function slowMailer(sink: Mailer) {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const asked: string[] = []
  const mailer: Mailer = {
    send: async (mail, call) => {
      asked.push(mail.subject)
      await sink.send(mail, call)
      await answered
    },
  }
  return { mailer, asked, answer }
}

/** A shop whose mails to a client and of his order are under way; the database can be opened by another shop. */
async function withMailUnderWay() {
  const clock = createVirtualClock()
  const store = openSqlite({ path: ':memory:' })
  const outside = openOutside(clock)
  const slow = slowMailer(outside.mailer)
  const shop = await startShop({ clock, store, outside, adapters: () => ({ mailer: slow.mailer }) })
  await shop.product()
  await shop.placeOrder()
  await shop.idle()
  assert.equal(slow.asked.length, 2, 'both mails are on their way')
  /** What is sent after the restart, which nobody keeps waiting. */
  const sentLater = async () => {
    slow.asked.splice(0)
    slow.answer()
    const next = await startShop({ clock, store, outside, adapters: () => ({ mailer: slow.mailer }) })
    await next.advance(HOUR_MS)
    await next.stop()
    await store.close()
    return slow.asked.length
  }
  return { clock, shop, slow, sentLater }
}

suite('a stop while a mail is on its way', () => {
  test('waits for the answer of the mail server, and the mail is not sent again after the restart', async () => {
    const { shop, slow, sentLater } = await withMailUnderWay()
    let isStopped = false
    const stopping = shop.stop(LIMIT_MS).then(() => (isStopped = true))
    await shop.idle()
    assert.equal(isStopped, false, 'it stopped before the mail server answered')
    slow.answer()
    await stopping
    assert.equal(await sentLater(), 0)
  })

  test('begins no other call meanwhile: that is done after the restart', async () => {
    const { shop, slow, sentLater } = await withMailUnderWay()
    const stopping = shop.lonja.stop(LIMIT_MS)
    await shop.as('clerk').post('/v1/orders', {
      clientId: await shop.client(),
      items: [{ sku: 'LAMP', quantity: 1 }],
    })
    await shop.idle()
    assert.deepEqual([slow.asked.length, shop.gateway.worked().captures], [2, 1])
    slow.answer()
    await stopping
    await shop.stop()
    assert.equal(await sentLater(), 2)
    assert.equal(shop.gateway.worked().captures, 2)
  })

  test('does not wait longer than its limit: such a mail may come twice', async () => {
    const { clock, shop, sentLater } = await withMailUnderWay()
    const stopping = shop.stop(LIMIT_MS - 1000)
    await clock.advance(LIMIT_MS - 1000, shop.idle)
    await stopping
    assert.equal(await sentLater(), 2)
  })
})

/** Speaks SMTP, and answers the text of a mail only when it is let. */
async function slowServer() {
  const taken = { texts: 0 }
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    let text = ''
    let isText = false
    socket.on('error', () => socket.destroy()).write('220 slow\r\n')
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const isWhole = text.endsWith(isText ? '\r\n.\r\n' : '\r\n')
      if (!isWhole) return
      const wasText = isText
      isText = !isText && text.startsWith('DATA')
      text = ''
      if (!wasText) socket.write(isText ? '354 go on\r\n' : '250 fine\r\n')
      else {
        taken.texts += 1
        void answered.then(() => socket.write('250 taken\r\n'))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { taken, answer, url: `smtp://127.0.0.1:${port}`, close: () => once(server.close(), 'close') }
}

test('the program itself gives the calls under way the time of its stop limit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-stopping-'))
  const mail = await slowServer()
  const argv = ['--store', `sqlite:${join(folder, 'shop.sqlite')}`, '--port', '0', '--log-level', 'silent']
  const { settings } = resolveSettings(argv, { SMTP_URL: mail.url })
  const first = await startApp(settings)
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${first.address}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(answer.status, 201)
    return (await answer.json()) as { readonly clientId: string }
  }
  await post('/v1/products', { sku: 'LAMP', name: 'Lamp', price: '10.00', quantity: 1 })
  const { clientId } = await post('/v1/clients', { name: 'Ximena', email: 'ximena@example.org' })
  await post('/v1/orders', { clientId, items: [{ sku: 'LAMP', quantity: 1 }] })
  await waitFor(() => mail.taken.texts === 2, { withinMs: 5000, what: 'both mails are on their way' })
  const stopping = first.stop()
  const isShut = () =>
    fetch(`${first.address}/live`).then(
      () => false,
      () => true,
    )
  await waitFor(isShut, { withinMs: 5000, what: 'nobody is let in any more' })
  mail.answer()
  await stopping
  const second = await startApp(settings)
  await second.application.settled()
  assert.equal(mail.taken.texts, 2, 'a mail was sent again')
  await second.stop()
  await mail.close()
  rmSync(folder, { recursive: true })
})
