// Mail to a real server: encrypted, with a password, refused for now and for good, and a server that is not there.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { SMTPServerOptions } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import { localhostCertificate, localhostKey } from '../../../testing/localhost-certificate.ts'
import type { Mail } from './mailer.ts'
import { messageIdOf } from './mailer.ts'
import { smtpMailer } from './smtp.ts'

const mail: Mail = { to: { name: 'Ana', address: 'ana@example.org' }, subject: 'Grüße', text: 'One\n.\nTwo\n' }
const call = (idempotencyKey = 'key', signal = new AbortController().signal) => ({ idempotencyKey, signal })

interface Delivery {
  readonly text: string
  readonly to: readonly string[]
  readonly user: string
  readonly isEncrypted: boolean
}

interface Manner {
  /** What RCPT TO and the mail's text are answered with; taken unless said. */
  readonly recipient?: number
  readonly text?: number
  /** Offers no encryption, as if somebody between took the offer out. */
  readonly isPlain?: true
  /** Told who logs in. */
  readonly heard?: (user: string) => void
  /** Told when a mail's text is there; it is never answered then. */
  readonly hangs?: () => void
}

/** A server that wants a user and a password over TLS, and knows one of each. */
function serverOptions(
  deliveries: Delivery[],
  { recipient, text: answer, isPlain, heard, hangs }: Manner,
): SMTPServerOptions {
  const refusal = (responseCode: number) => Object.assign(new Error('<ana@example.org> is unknown'), { responseCode })
  return {
    key: localhostKey,
    cert: localhostCertificate,
    ...(isPlain === true ? { hideSTARTTLS: true, allowInsecureAuth: true } : {}),
    onAuth: ({ username = '', password }, _, answered) => {
      heard?.(username)
      if (username === 'shop' && password === 'p@ss') answered(null, { user: username })
      else answered(new Error('no'))
    },
    onRcptTo: (_, __, answered) => answered(recipient === undefined ? null : refusal(recipient)),
    onData: (stream, { envelope, user, secure }, answered) => {
      const chunks: Buffer[] = []
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          if (hangs !== undefined) return hangs()
          if (answer !== undefined) return answered(refusal(answer))
          const to = envelope.rcptTo.map(({ address }) => address)
          deliveries.push({ text: Buffer.concat(chunks).toString(), to, user: String(user), isEncrypted: secure })
          answered()
        })
    },
  }
}

interface Used {
  readonly url: string
  readonly deliveries: readonly Delivery[]
}

async function withServer(manner: Manner, use: (used: Used) => Promise<void>): Promise<void> {
  const deliveries: Delivery[] = []
  const server = new SMTPServer({ ...serverOptions(deliveries, manner), closeTimeout: 100 })
  // What a client breaks off is no fault of the server.
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  const { port } = server.server.address() as AddressInfo
  try {
    await use({ url: `smtp://shop:p%40ss@localhost:${port}`, deliveries })
  } finally {
    await new Promise<void>((resolve) => {
      server.close(resolve)
    })
  }
}

/** As if a known authority had signed the server's certificate. */
async function trusting<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = getCACertificates('default')
  setDefaultCACertificates([...before, localhostCertificate])
  try {
    return await work()
  } finally {
    setDefaultCACertificates(before)
  }
}

async function sent(url: string, signal?: AbortSignal) {
  const mailer = smtpMailer({ url, from: 'Shop <shop@example.com>' })
  try {
    return await mailer.send(mail, call('key', signal))
  } finally {
    mailer.close()
  }
}

const LIMIT = { timeout: 10_000 }

suite('a real mail server', () => {
  test('gets the mail encrypted, from a known user, with the Message-ID of every try', LIMIT, () =>
    withServer({}, async ({ url, deliveries }) => {
      await trusting(async () => {
        assert.deepEqual(await sent(url), {})
        assert.deepEqual(await sent(url), {})
      })
      assert.equal(deliveries.length, 2)
      for (const { text, to, user, isEncrypted } of deliveries) {
        assert.deepEqual([to, user, isEncrypted], [['ana@example.org'], 'shop', true])
        assert.equal(/^Message-ID: (.*)$/im.exec(text)?.[1]?.trim(), messageIdOf('key', 'example.com'))
        assert.match(text, /One\r\n\.\r\nTwo/)
      }
    }),
  )

  test('gets nothing where nobody vouches for its certificate', LIMIT, () =>
    withServer({}, async ({ url, deliveries }) => {
      await assert.rejects(sent(url), /The mail server did not take the mail: \w+/)
      assert.deepEqual(deliveries, [])
    }),
  )

  test('gets no password unencrypted', LIMIT, () => {
    const asked: string[] = []
    return withServer({ isPlain: true, heard: (user) => asked.push(user) }, async ({ url, deliveries }) => {
      await assert.rejects(sent(url), /The mail server did not take the mail: \w+/)
      assert.deepEqual([asked, deliveries], [[], []])
    })
  })

  test('that refuses the password is tried again: it may be mended meanwhile, and is not told', LIMIT, () =>
    withServer({}, async ({ url }) => {
      const wrong = url.replace('p%40ss', 'secret')
      await trusting(() =>
        assert.rejects(
          sent(wrong),
          ({ message }: Error) => /535 \(EAUTH\)/.test(message) && !message.includes('secret'),
        ),
      )
    }),
  )

  for (const [manner, what] of [
    [{ recipient: 550 }, '550 (EENVELOPE) at RCPT TO'],
    [{ text: 554 }, '554 (EMESSAGE) at DATA'],
  ] as const) {
    test(`that says ${what} is not tried again`, LIMIT, () =>
      withServer(manner, async ({ url }) => {
        const refused = `The mail server did not take the mail: ${what}.`
        assert.deepEqual(await trusting(() => sent(url)), { refused })
      }),
    )
  }

  for (const [manner, what] of [
    [{ recipient: 450 }, /450 \(EENVELOPE\) at RCPT TO/],
    [{ text: 451 }, /451 \(EMESSAGE\) at DATA/],
  ] as const) {
    test(`that says ${what.source} is tried again`, LIMIT, () =>
      withServer(manner, async ({ url }) => {
        await trusting(() => assert.rejects(sent(url), what))
      }),
    )
  }

  test('that is not there is tried again', LIMIT, async () => {
    let gone = ''
    await withServer({}, async ({ url }) => void (gone = url))
    await assert.rejects(sent(gone), /ECONNREFUSED|ESOCKET/)
  })

  test('that never answers the mail is left when the time of the try is over', LIMIT, async () => {
    const controller = new AbortController()
    await withServer({ hangs: () => controller.abort() }, async ({ url }) => {
      await trusting(() => assert.rejects(sent(url, controller.signal), /ABORT/))
    })
  })
})
