// Connections to a store's database beside those of its batches: for marks, places and copies, which are no batch.
import { ANSWER_WITHIN_MS, Connections, type Connection } from './postgres-connection.ts'
import { mapped } from './postgres-errors.ts'
import { exclusively } from './postgres-schema.ts'

const CONNECT_WITHIN_MS = 2000

export interface SideConnectionsOptions {
  readonly limit?: number
  readonly answerWithinMs?: number
}

/** @throws {StoreUnavailable} when the address can't be understood. */
export function sideConnections(url: string, options: SideConnectionsOptions = {}): Connections {
  const { limit = 1, answerWithinMs = ANSWER_WITHIN_MS } = options
  const times = { connectWithinMs: CONNECT_WITHIN_MS, answerWithinMs }
  return new Connections({ url, limit, settings: {}, ...times, onSent: () => undefined })
}

/** Runs the work in one transaction that no other of its kind overlaps, such as that which makes a table. */
export async function exclusivelyOver(
  connections: Connections,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  const connection = await connections.acquire()
  try {
    await mapped(exclusively(connection, () => work(connection)))
  } finally {
    connection.release()
  }
}
