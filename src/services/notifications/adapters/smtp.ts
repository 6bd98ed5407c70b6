// Sends mail to a configured server by SMTP (RFC 5321), over a few connections that are kept open.
import { createTransport } from 'nodemailer'
import type { Mailer } from './mailer.ts'
import { messageIdOf } from './mailer.ts'

const PLAIN_PORT = 587
const SECURE_PORT = 465
/** Servers commonly allow ten connections from one address. */
const MAX_CONNECTIONS = 5
/** Below the five seconds that a try may take, so that the error says where it hung. */
const CONNECTION_TIMEOUT_MS = 4000
/** Idle connections are closed before most servers do so themselves. */
const SOCKET_TIMEOUT_MS = 30_000

export interface SmtpSettings {
  /** `smtp://user:password@host:587`, or `smtps://` for TLS from the first byte. */
  readonly url: string
  /** The shop's own address, such as `Shop <shop@example.org>`. */
  readonly from: string
}

export interface SmtpMailer extends Mailer {
  /** Closes the connections; mails that are under way are finished first. */
  close(): void
}

/** @throws when the address of the server is no SMTP address, or the shop's own is none. */
export function smtpMailer({ url, from }: SmtpSettings): SmtpMailer {
  const domain = /@([^\s@<>]+)>?$/.exec(from.trim())?.[1]
  if (domain === undefined) throw new Error('The sender is no e-mail address: write it like Shop <shop@example.org>.')
  const transport = createTransport({
    ...connectionOf(url),
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    greetingTimeout: CONNECTION_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    send: async ({ to, subject, text }, { idempotencyKey, signal }) => {
      const messageId = messageIdOf(idempotencyKey, domain)
      const sending = transport.sendMail({ from, to, subject, text, messageId, signal })
      // The original error is not kept as the cause: it may name the recipient.
      const failure = await sending.then(() => undefined, failureOf)
      if (failure === undefined) return {}
      if (failure.isFinal) return { refused: failure.text }
      throw new Error(failure.text)
    },
    close: () => transport.close(),
  }
}

function connectionOf(url: string) {
  const { protocol, hostname, port, username, password } = URL.parse(url) ?? {}
  const isSecure = protocol === 'smtps:'
  if ((protocol !== 'smtp:' && !isSecure) || hostname === undefined || hostname === '') {
    throw new Error('The mail server is no SMTP address: write it like smtp://user:password@host:587.')
  }
  const auth = username === undefined || username === '' ? undefined : credentials(username, password ?? '')
  return {
    host: hostname,
    port: port === undefined || port === '' ? (isSecure ? SECURE_PORT : PLAIN_PORT) : Number(port),
    secure: isSecure,
    // A password never leaves in the clear, also where somebody between takes the server's STARTTLS out.
    ...(auth === undefined ? {} : { auth, requireTLS: true }),
  }
}

function credentials(user: string, password: string) {
  return { user: decodeURIComponent(user), pass: decodeURIComponent(password) }
}

/** What nodemailer says where the server refuses an address, or the mail itself. */
const OF_THIS_MAIL: ReadonlySet<string> = new Set(['EENVELOPE', 'EMESSAGE'])
/** From here on a reply means: not like this, ever (RFC 5321, section 4.2.1). */
const PERMANENT = 500

/**
 * Servers like to repeat the address that they refuse; only their code, and at which command, is kept and logged. A
 * password that is refused for good says nothing of the mail: it may be mended before the last try.
 */
function failureOf(error: unknown): { readonly text: string; readonly isFinal: boolean } {
  const {
    code = 'ERROR',
    responseCode,
    command,
  } = error as {
    readonly code?: string
    readonly responseCode?: number
    readonly command?: string
  }
  const answer = responseCode === undefined ? code : `${responseCode} (${code})`
  return {
    text: `The mail server did not take the mail: ${answer}${command === undefined ? '' : ` at ${command}`}.`,
    isFinal: responseCode !== undefined && responseCode >= PERMANENT && OF_THIS_MAIL.has(code),
  }
}
