// A TCP proxy before PostgreSQL that cuts a connection around its COMMIT, so that the answer to it is lost.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/**
 * - never: everything passes.
 * - before commit: the session ends with all statements sent but the COMMIT, so nothing happened.
 * - after commit: the session ends once the server has committed, before its answer passes.
 * - silent: nothing that the server says passes any more.
 * - silent once greeted: a new session is greeted, and nothing passes any more.
 * - once used: each session that is open now ends when it is used next; new ones are not touched.
 */
export type Cut = 'never' | 'before commit' | 'after commit' | 'silent' | 'silent once greeted' | 'once used'

export interface Proxy {
  readonly url: string
  readonly cut: (next: Cut) => void
  /** How many connections were cut. */
  readonly cuts: () => number
  close(): Promise<void>
}

/** The text of the statement on its first use in a session; the tag of the answer. */
const COMMIT = 'COMMIT'
const COMMITTED = 'COMMIT\0'
/** ReadyForQuery, which ends the greeting (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const READY = 'Z\0\0\0\u0005I'

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let cuts = 0
  let rule: Cut = 'never'
  const dooms: (() => void)[] = []
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    const cut = (): void => {
      cuts += 1
      end()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    let doomed = false
    let isGreeted = false
    dooms.push(() => (doomed = true))
    client.on('data', (chunk) => {
      if (doomed) {
        cut()
        return
      }
      const at = chunk.indexOf(COMMIT)
      if (rule !== 'before commit' || at < 0) upstream.write(chunk)
      // What is before the COMMIT arrives, and then the end of the connection.
      else upstream.write(chunk.subarray(0, at), cut)
    })
    upstream.on('data', (chunk) => {
      if (rule === 'silent' || (rule === 'silent once greeted' && isGreeted)) return
      isGreeted ||= chunk.includes(READY)
      if (rule === 'after commit' && chunk.includes(COMMITTED)) cut()
      else client.write(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    cut: (next) => {
      rule = next
      if (next === 'once used') for (const doom of dooms) doom()
    },
    cuts: () => cuts,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
