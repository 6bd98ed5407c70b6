// Calls the webhook of the alert setting: JSON, signed, one call a time limit, and no word of its address in any error.
import { createHmac } from 'node:crypto'
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { Clock } from '../ports.ts'
import type { Alert } from './alert.ts'
import { alertBody } from './alert.ts'

const TIME_LIMIT_MS = 5000

/** The other side did not take the alert; `code` is its status or the error's code. */
export class AlertRefused extends Error {
  override readonly name = 'AlertRefused'
  readonly code: string

  constructor(code: string) {
    super(`The alert webhook did not take the alert: ${code}.`)
    this.code = code
  }
}

export interface AlertTarget {
  /** May hold a user, a password or a secret path; it lies wherever whoever runs the shop wants it to. */
  readonly url: string
  readonly secret: string | undefined
  readonly clock: Clock
  /** Ends the call in hand when the process leaves. */
  readonly signal: AbortSignal
}

/** Resolves when the webhook answered 2xx. @throws {AlertRefused} */
export type SendAlert = (alert: Alert) => Promise<void>

/**
 * With a secret each call carries `lonja-signature: t=<seconds>,v1=<hex>`: an HMAC-SHA256 over `<seconds>.<body>`.
 * Redirects are not followed, and of the answer only the status is read.
 */
export function alertCall({ url, secret, clock, signal: ended }: AlertTarget): SendAlert {
  const target = new URL(url)
  const start = target.protocol === 'https:' ? requestSecurely : requestPlainly
  return async (alert) => {
    const body = alertBody(alert)
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const controller = new AbortController()
    const cancel = clock.after(TIME_LIMIT_MS, () => controller.abort())
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...signatureOf(secret, Math.floor(clock.now() / 1000), body),
    }
    // One connection a call: nothing stays open between alerts.
    const signal = AbortSignal.any([controller.signal, ended])
    const request = start(target, { method: 'POST', headers, signal, agent: false }, (response) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    request.on('error', (error) => reject(new AlertRefused(codeOf(error))))
    request.end(body)
    try {
      const status = await promise
      if (status < 200 || status >= 300) throw new AlertRefused(String(status))
    } finally {
      cancel()
    }
  }
}

function signatureOf(secret: string | undefined, seconds: number, body: string): Readonly<Record<string, string>> {
  if (secret === undefined) return {}
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return { 'lonja-signature': `t=${seconds},v1=${digest}` }
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'ERROR'
}
