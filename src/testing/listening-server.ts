// An HTTP server that a test listens with: it keeps what it was sent and answers as it is told.
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { waitFor } from './wait-for.ts'

export interface ServedRequest {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface ServerAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** The body never ends. */
  readonly endless?: true
}

export interface ListeningServer extends AsyncDisposable {
  readonly url: string
  readonly requests: ServedRequest[]
  /** Undefined: no answer at all. */
  answer: ServerAnswer | undefined
  /** Resolves when somebody asked that often. */
  asked(times?: number): Promise<unknown>
  /** Resolves when nobody is connected any more. */
  closed(): Promise<unknown>
  /** Nobody listens any more; may be called twice. */
  stop(): Promise<void>
}

const PATIENCE_MS = 5000
const CHUNK = 'x'.repeat(65_536)

export async function listeningServer(port = 0): Promise<ListeningServer> {
  const requests: ServedRequest[] = []
  let sockets = 0
  const told: { answer: ServerAnswer | undefined } = { answer: { status: 200 } }
  const server = createServer((request, response) => {
    void textOf(request).then((body) => {
      const { method, url, headers } = request
      requests.push({ method, url, headers, body })
      if (told.answer !== undefined) reply(response, told.answer)
    })
  })
  server.on('connection', (socket) => {
    sockets += 1
    socket.on('close', () => (sockets -= 1)).on('error', () => undefined)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return Object.assign(told, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    asked: (times = 1) =>
      waitFor(() => requests.length >= times, { withinMs: PATIENCE_MS, what: `${times} requests came` }),
    closed: () => waitFor(() => sockets === 0, { withinMs: PATIENCE_MS, what: 'all connections are closed' }),
    stop,
    [Symbol.asyncDispose]: stop,
  })
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    // Whoever asked is gone.
  }
  return Buffer.concat(chunks).toString()
}

function reply(response: ServerResponse, { status, headers = {}, endless }: ServerAnswer): void {
  response.writeHead(status, headers)
  if (endless !== true) {
    response.end()
    return
  }
  const more = (): void => {
    while (!response.destroyed && response.write(CHUNK));
  }
  response.on('drain', more)
  more()
}
