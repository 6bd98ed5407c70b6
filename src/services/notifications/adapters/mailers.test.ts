// The two mailers: the sink in memory, and SMTP against a server that speaks just enough of it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { suite, test } from 'node:test'
import type { Mail } from './mailer.ts'
import { messageIdOf } from './mailer.ts'
import { mailSink } from './sink.ts'
import { smtpMailer } from './smtp.ts'

const mail: Mail = { to: { name: 'Ana', address: 'ana@example.org' }, subject: 'Hello', text: 'One\n.\nTwo\n' }
const call = (idempotencyKey = 'key', signal = new AbortController().signal) => ({ idempotencyKey, signal })

suite('the sink', () => {
  test('it keeps the last mails', async () => {
    const sink = mailSink({ random: () => 0.5, mailsKept: 2 })
    for (const key of ['a', 'b', 'c']) await sink.send({ ...mail, subject: key }, call(key))
    assert.deepEqual(
      sink.mails().map(({ subject }) => subject),
      ['b', 'c'],
    )
  })

  test('a mail that comes twice is kept once', async () => {
    const sink = mailSink({ random: () => 0.5 })
    await sink.send(mail, call())
    await sink.send(mail, call())
    assert.equal(sink.mails().length, 1)
    assert.equal(sink.mails()[0]?.messageId, messageIdOf('key', 'sink.invalid'))
  })

  test('it fails as often as it is told to', async () => {
    const chances = [0.19, 0.2, 0.1]
    const sink = mailSink({ failureRate: 0.2, random: () => chances.shift() ?? 1 })
    await assert.rejects(sink.send(mail, call('a')))
    await sink.send(mail, call('b'))
    await assert.rejects(sink.send(mail, call('c')))
    assert.equal(sink.mails().length, 1)
  })
})

interface FakeServer {
  readonly url: string
  readonly received: string[]
  close(): Promise<void>
}

/** Takes each mail, or answers the recipient with a refusal that names him, or says nothing at all. */
async function smtpServer(manner: 'takes' | 'refuses' | 'is silent'): Promise<FakeServer> {
  const received: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    if (manner === 'is silent') return
    let data = ''
    let isData = false
    socket.write('220 test\r\n')
    socket.on('data', (chunk) => {
      data += chunk.toString()
      while (data.includes(isData ? '\r\n.\r\n' : '\r\n')) {
        const end = isData ? '\r\n.\r\n' : '\r\n'
        const [line = ''] = data.split(end, 1)
        data = data.slice(line.length + end.length)
        if (isData) received.push(line)
        isData = !isData && line.startsWith('DATA')
        socket.write(answerTo(line, { isData, refuses: manner === 'refuses' }))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    received,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function answerTo(line: string, { isData, refuses }: { readonly isData: boolean; readonly refuses: boolean }): string {
  if (isData) return '354 go on\r\n'
  if (refuses && line.startsWith('RCPT')) return '550 <ana@example.org> is unknown\r\n'
  return '250 fine\r\n'
}

suite('SMTP', () => {
  const from = 'Shop <shop@example.com>'

  async function withServer(manner: Parameters<typeof smtpServer>[0], use: (server: FakeServer) => Promise<void>) {
    const server = await smtpServer(manner)
    try {
      await use(server)
    } finally {
      await server.close()
    }
  }

  test('a mail arrives with its text and a Message-ID that a repetition has too', { timeout: 10_000 }, () =>
    withServer('takes', async (server) => {
      const mailer = smtpMailer({ url: server.url, from })
      try {
        await mailer.send(mail, call())
        await mailer.send(mail, call())
      } finally {
        mailer.close()
      }
      const ids = server.received.map((text) => /^Message-ID: (.*)$/im.exec(text)?.[1])
      assert.deepEqual(ids, [messageIdOf('key', 'example.com'), messageIdOf('key', 'example.com')])
      assert.match(server.received[0] ?? '', /To: Ana <ana@example.org>/)
      assert.match(server.received[0] ?? '', /Subject: Hello/)
    }),
  )

  test("a refusal does not name the recipient, not even in the server's words", { timeout: 10_000 }, () =>
    withServer('refuses', async (server) => {
      const mailer = smtpMailer({ url: server.url, from })
      assert.deepEqual(await mailer.send(mail, call()), {
        refused: 'The mail server did not take the mail: 550 (EENVELOPE) at RCPT TO.',
      })
      mailer.close()
    }),
  )

  test('a server that does not answer is left when the call is aborted', { timeout: 10_000 }, () =>
    withServer('is silent', async (server) => {
      const mailer = smtpMailer({ url: server.url, from })
      const controller = new AbortController()
      const sending = mailer.send(mail, call('key', controller.signal))
      controller.abort()
      await assert.rejects(sending, /ABORT/)
      mailer.close()
    }),
  )

  test('a wrong setting says how to write it', () => {
    assert.throws(() => smtpMailer({ url: 'http://mail', from }), /write it like smtp:/)
    assert.throws(() => smtpMailer({ url: 'mail.example.org', from }), /write it like smtp:/)
    assert.throws(() => smtpMailer({ url: 'smtp://localhost', from: 'Shop' }), /write it like Shop/)
  })
})
