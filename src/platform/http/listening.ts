// Opens the port, or says in a sentence why it can't be opened and what to do.
import type { FastifyInstance } from 'fastify'

interface Address {
  readonly host: string
  readonly port: number
}

const REASONS: Readonly<Record<string, (address: Address) => string>> = {
  EADDRINUSE: ({ host, port }) =>
    `Port ${port} on ${host} is taken by another program, maybe by another Lonja. Stop it, or choose another --port.`,
  EACCES: ({ port }) => `Port ${port} needs rights that this user does not have. Choose a --port above 1023.`,
  EADDRNOTAVAIL: ({ host }) => `This machine has no address ${host}. Choose another --host, such as 127.0.0.1.`,
  ENOTFOUND: ({ host }) => `Nobody knows a host ${host}. Choose another --host, such as 127.0.0.1.`,
}

/** @throws with a sentence for people; its cause is the system's error. */
export async function listenOn(server: FastifyInstance, address: Address): Promise<string> {
  try {
    return await server.listen({ host: address.host, port: address.port })
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? '']
    if (reason === undefined) throw error
    throw new Error(reason(address), { cause: error })
  }
}
