// Finds ports of 127.0.0.1 on which nobody listens.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { host } from './node-configuration.ts'

/**
 * Below the range from which systems take the local ports of outgoing connections: a client that keeps dialling a dead
 * broker could otherwise be given that very port, and would be connected to itself.
 */
const portsFrom = 15_000
const portsTo = 32_000
const attemptsLimit = 1000

async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
    return server
  } catch {
    return undefined
  }
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

export async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port)
  if (server !== undefined) await close(server)
  return server !== undefined
}

/** Different ports that are free at this moment. */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const held = new Map<number, Server>()
  for (let attempt = 0; attempt < attemptsLimit && held.size < count; attempt += 1) {
    const port = randomInt(portsFrom, portsTo)
    const server = await listenOn(port)
    if (server !== undefined) held.set(port, server)
  }
  // All are held until all are found, so that none is found twice.
  await Promise.all([...held.values()].map(close))
  if (held.size < count) throw new Error(`No ${count} free ports were found between ${portsFrom} and ${portsTo}.`)
  return [...held.keys()]
}
