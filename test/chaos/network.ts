// A network between two programs that can be cut, made to hang and slowed down: a TCP proxy with a rule for each.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * - whole: everything passes.
 * - cut: connections are ended, and new ones at once.
 * - hanging: connections stay, and nothing passes; what was under way is lost with its connection at the end.
 * - slow: everything passes, later.
 */
export type Weather = 'whole' | 'cut' | 'hanging' | 'slow'

export interface Network {
  readonly port: number
  /** Where it leads, as soon as that is known. */
  leadTo(port: number): void
  set(weather: Weather): void
  /** Whether a connection through it comes from this port, as the one at its other end sees it. */
  hasUpstream(port: number): boolean
  close(): Promise<void>
}

const SLOW_MS = 150
const HOST = '127.0.0.1'

interface Link {
  readonly client: Socket
  readonly upstream: Socket
  readonly end: () => void
}

/** On a free port of 127.0.0.1. */
export async function openNetwork(to = 0): Promise<Network> {
  const links = new Set<Link>()
  let target = to
  let weather: Weather = 'whole'

  const pass = (from: Socket, into: Socket): void => {
    from.on('data', (chunk: Buffer) => {
      if (weather === 'hanging') return
      if (weather !== 'slow') into.write(chunk)
      else setTimeout(() => into.writable && into.write(chunk), SLOW_MS)
    })
  }
  const server = createServer((client) => {
    if (weather === 'cut') {
      client.destroy()
      return
    }
    const upstream = connect(target, HOST)
    const end = (): void => {
      links.delete(link)
      client.destroy()
      upstream.destroy()
    }
    const link: Link = { client, upstream, end }
    links.add(link)
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    pass(client, upstream)
    pass(upstream, client)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const endAll = (): void => {
    for (const { end } of links) end()
  }
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (port) => void (target = port),
    set: (next) => {
      // What was swallowed while it hung is missing in the stream, and what is late would come after what is not.
      if (next === 'cut' || weather === 'hanging' || weather === 'slow') endAll()
      weather = next
    },
    hasUpstream: (port) => [...links].some(({ upstream }) => upstream.localPort === port),
    close: async () => {
      endAll()
      server.close()
      await once(server, 'close')
    },
  }
}
