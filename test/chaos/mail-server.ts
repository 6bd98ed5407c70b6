// A mail server that speaks just enough SMTP to take every mail, and knows how often each has come.
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'

/** A mail as it arrived. */
export interface Arrived {
  readonly messageId: string
  readonly to: string
  readonly subject: string
  /** By `performance.now()`. */
  readonly atMs: number
}

export interface MailServer {
  /** Such as `smtp://127.0.0.1:2525`. */
  readonly url: string
  /** Those of a time that never was may be taken out. */
  readonly arrived: Arrived[]
  /** As if it had come by the network. */
  take(mail: Arrived): void
  close(): Promise<void>
}

/** Listens on a free port of this machine. */
export async function startMailServer(): Promise<MailServer> {
  const arrived: Arrived[] = []
  const take = (mail: Arrived): void => void arrived.push(mail)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // Shops are killed while they talk.
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
    converse(socket, (text) => take(mailOf(text)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    arrived,
    take,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** RFC 5321: a line a command, each answered at once; a mail's text ends with a dot alone. */
function converse(socket: Socket, take: (text: string) => void): void {
  let data = ''
  let isText = false
  socket.write('220 chaos\r\n')
  socket.on('data', (chunk: Buffer) => {
    data += chunk.toString()
    for (;;) {
      const end = isText ? '\r\n.\r\n' : '\r\n'
      const at = data.indexOf(end)
      if (at < 0) return
      const line = data.slice(0, at)
      data = data.slice(at + end.length)
      if (isText) take(line)
      isText = !isText && line === 'DATA'
      socket.write(isText ? '354 go on\r\n' : '250 fine\r\n')
    }
  })
}

function mailOf(text: string): Arrived {
  const [head = ''] = text.split('\r\n\r\n', 1)
  const headers = head.replaceAll(/\r\n[ \t]+/g, ' ')
  const header = (name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(headers)?.[1]?.trim() ?? ''
  return { messageId: header('Message-ID'), to: header('To'), subject: header('Subject'), atMs: performance.now() }
}
