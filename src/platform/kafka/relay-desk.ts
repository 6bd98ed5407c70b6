// What operators ask of the relays: how each stands, and to send again what Kafka has lost.
import type { AuditEntry } from '../audit/audit.ts'
import { Refusal, refuse, type CodeTable } from '../../kernel/refuse.ts'
import { Conflict, StoreUnavailable } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { Connection, Connections } from '../store/postgres-connection.ts'
import { mapped } from '../store/postgres-errors.ts'
import { postgresName } from '../store/postgres-statements.ts'
import { sideConnections } from '../store/side-connections.ts'
import { auditTable } from '../store/tables.ts'
import { standingOf, type Standing } from './relay-store.ts'
import * as statements from './relay-statements.ts'
import type { RelayedDatabase } from './relays.ts'

export const relayCodes = {
  RELAY_NONE: { status: 409, title: 'This server ships to no Kafka: ask one that was started with --log kafka://….' },
  RELAY_PLACE_NOT_FOUND: {
    status: 404,
    title: 'No log here has such a topic, partition or source. GET /v1/ops/relay lists them.',
  },
  RELAY_BELOW_FIRST: {
    status: 409,
    title: 'The log no longer keeps what lies there: send again from its first record, or restore a backup.',
  },
  RELAY_NOT_SHIPPED: {
    status: 409,
    title: 'Nothing from there on was shipped yet, so there is nothing to send again.',
  },
} as const satisfies CodeTable

/** How the relay of one database stands. */
export interface RelayStanding {
  readonly services: readonly string[]
  /** The member that ships; undefined where nobody does. */
  readonly holder: string | undefined
  readonly epoch: number
  readonly places: readonly Standing[]
}

export interface ResendRequest {
  /** All topics where not said; so are source and partition. */
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  readonly source?: string | undefined
  /** A sequence, or the lowest that each partition keeps. */
  readonly from: number | 'first'
  readonly dryRun: boolean
}

/** What is sent again of one partition. */
export interface Resent {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly records: number
}

export type ResendDeed = Pick<AuditEntry, 'id' | 'at' | 'principal' | 'role' | 'reason'>

const TRIES = 5

/** Works also where no relay runs: what it changes is in the databases. */
export class RelayDesk {
  readonly #databases: readonly { readonly services: readonly string[]; readonly connections: Connections }[]

  constructor(databases: readonly RelayedDatabase[]) {
    this.#databases = databases.map(({ url, services }) => ({
      services,
      connections: sideConnections(url),
    }))
  }

  async standing(): Promise<readonly RelayStanding[]> {
    return Promise.all(
      this.#databases.map(async ({ services, connections }) => {
        const [lease, places] = await Promise.all([
          mapped(connections.read({ text: statements.readLease })),
          mapped(connections.read({ text: statements.readStanding(services) })),
        ])
        const [holder = null, epoch = 0] = lease.rows[0] ?? []
        const used = places.rows.map(standingOf).filter(({ next }) => next > 0)
        return { services, holder: holder === null ? undefined : String(holder), epoch: Number(epoch), places: used }
      }),
    )
  }

  /**
   * Sets marks back under a new epoch of the lease: whoever relays begins anew and ships on from there, so what is sent
   * again is contiguous.
   *
   * @throws {Refusal} RELAY_PLACE_NOT_FOUND, RELAY_BELOW_FIRST, RELAY_NOT_SHIPPED
   */
  async resend(request: ResendRequest, deed: ResendDeed): Promise<readonly Resent[]> {
    const resent: Resent[] = []
    let known = 0
    for (const { services, connections } of this.#databases) {
      const found = await patiently(connections, (connection) => resendIn(connection, services, { request, deed }))
      known += found.known
      resent.push(...found.resent)
    }
    refuse(known === 0, 'RELAY_PLACE_NOT_FOUND')
    refuse(resent.length === 0, 'RELAY_NOT_SHIPPED')
    return resent
  }

  async close(): Promise<void> {
    for (const { connections } of this.#databases) await connections.close()
  }
}

/** One that met a lock or its time limit did nothing, and is tried again. */
async function patiently<Result>(connections: Connections, work: (connection: Connection) => Promise<Result>) {
  for (let left = TRIES - 1; ; left -= 1) {
    const connection = await connections.acquire()
    try {
      return await mapped(transaction(connection, () => work(connection)))
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      if (left <= 0) throw new StoreUnavailable('The marks of the relay are busy. Try again.', { cause: error })
    } finally {
      connection.release()
    }
  }
}

async function transaction<Result>(connection: Connection, work: () => Promise<Result>): Promise<Result> {
  await connection.send({ text: 'BEGIN READ WRITE' })
  try {
    const result = await work()
    await connection.send({ text: 'COMMIT' })
    return result
  } catch (error) {
    if (connection.broken === undefined) await connection.send({ text: 'ROLLBACK' })
    throw error
  }
}

interface Asked {
  readonly request: ResendRequest
  readonly deed: ResendDeed
}

async function resendIn(connection: Connection, services: readonly string[], { request, deed }: Asked) {
  const lease = await connection.send({ text: statements.lockLease })
  const { rows } = await connection.send({ text: statements.readStanding(services) })
  const places = rows.map(standingOf).filter((place) => isAsked(place, request))
  const resent = places.flatMap((place) => resentOf(place, request))
  if (request.dryRun || resent.length === 0) return { known: places.length, resent }
  const epoch = Number(lease.rows[0]?.[0] ?? 0) + 1
  await connection.send({ text: statements.raiseEpoch, values: [epoch] })
  const standing = new Map(places.map((place) => [placeName(place), place]))
  const marks = resent.map((each) => {
    const { lostFrom = 0, first = 0 } = standing.get(placeName(each)) ?? {}
    // What was deleted of the log since can't be sent again by anybody.
    return { ...each, isMended: each.from <= Math.max(lostFrom, first) }
  })
  await connection.send({ text: statements.setBack, values: statements.setBackValues(epoch, marks) })
  await connection.send({ text: AUDIT, values: auditRow(request, deed, resent) })
  return { known: places.length, resent }
}

function isAsked({ source, topic, partition }: Standing, asked: ResendRequest): boolean {
  return (
    (asked.topic ?? topic) === topic &&
    (asked.partition ?? partition) === partition &&
    (asked.source ?? source) === source
  )
}

/** Nothing where nothing was shipped from there on. @throws {Refusal} RELAY_BELOW_FIRST */
function resentOf({ source, topic, partition, first, mark = 0, lostFrom }: Standing, asked: ResendRequest): Resent[] {
  const from = asked.from === 'first' ? first : asked.from
  if (from < first && mark > from) throw new Refusal('RELAY_BELOW_FIRST', { source, topic, partition, first })
  if (from > mark || (from === mark && lostFrom === undefined)) return []
  return [{ source, topic, partition, from, records: mark - from }]
}

const AUDIT = `INSERT INTO ${postgresName(auditTable.schema, auditTable.name)}
  (id, at, principal, role, action, target, reason, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

function auditRow({ topic, partition, source, from }: ResendRequest, deed: ResendDeed, resent: readonly Resent[]) {
  const { id, at, principal, role, reason = null } = deed
  const target = topic === undefined ? 'all topics' : `${topic}${partition === undefined ? '' : `/${partition}`}`
  const records = resent.reduce((sum, each) => sum + each.records, 0)
  const details = JSON.stringify({ source, from, partitions: resent.length, records })
  return [id, at, principal, role, 'relay.resend', target, reason, details]
}
