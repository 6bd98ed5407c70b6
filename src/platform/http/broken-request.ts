// Answers what is no HTTP request at all, on the bare socket, since there is nothing yet that Fastify could answer.
import type { Socket } from 'node:net'
import { platformCodes, type PlatformCode } from './codes.ts'
import { PROBLEM_TYPE } from './problem.ts'

const CODES: Readonly<Record<string, PlatformCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/** Fastify's `clientErrorHandler`. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  if (socket.writable) socket.write(responseOf(CODES[error.code ?? ''] ?? 'REQUEST_BROKEN'))
  socket.destroy()
}

function responseOf(code: PlatformCode): string {
  const { status, title } = platformCodes[code]
  const body = JSON.stringify({ type: `/problems/${code}`, title, status, detail: title, code })
  return [
    `HTTP/1.1 ${status} Refused`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
