// Opens the databases that the settings name: one entry a distinct address, with the services whose state it keeps.
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Clock, Membership, Store } from '../ports.ts'
import type { Database } from '../runtime/lonja.ts'
import type { Settings } from '../settings.ts'
import type { StoreAddress } from '../settings/parsers.ts'
import { membershipAlone } from './membership-alone.ts'
import { postgresMembership } from './postgres-membership.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'
import { lockSqlite } from './sqlite-lock.ts'
import { markRunning, type RunningMark } from './running-mark.ts'

export type StoreSettings = Pick<Settings, 'store' | 'storeByService' | 'sqliteMaxPages'>

export interface OpenPlan {
  readonly settings: StoreSettings
  /** Every service of the product: the logs of those that run elsewhere are read here. */
  readonly services: readonly string[]
  /** Those that run here. */
  readonly chosen: readonly string[]
  /** Whether the databases of services that run elsewhere are opened too, as nobody else brings their logs. */
  readonly isAlone: boolean
  /** Whether this process takes a share of the partitions. */
  readonly works: boolean
  /** The counts of partitions that topics have. */
  readonly partitionCounts: readonly number[]
  readonly clock: Clock
  /** A database that went back in time goes on under a new incarnation: worth an alarm. */
  readonly onIncarnation: (schema: string) => void
  /** Starts with empty SQLite files: what was there is deleted once nobody else works on it. */
  readonly afresh?: boolean
}

export interface OpenDatabases {
  readonly databases: readonly Database[]
  /** Closes all of them and gives the locks back. */
  close(): Promise<void>
}

interface Place {
  readonly address: StoreAddress
  readonly services: readonly string[]
}

export const IN_MEMORY = ':memory:'

/** The distinct databases, each with its services; two ways to write one SQLite path are one database. */
export function placesOf({ store, storeByService }: StoreSettings, services: readonly string[]): readonly Place[] {
  const places = new Map<string, { address: StoreAddress; services: string[] }>()
  for (const service of services) {
    const address = storeByService[service] ?? store
    const name = nameOf(address)
    const place = places.get(name) ?? { address, services: [] }
    place.services.push(service)
    places.set(name, place)
  }
  return [...places.values()]
}

/** Those of them that keep a service of these: what a process opens that hears of all others over Kafka. */
export function placesWith(
  settings: StoreSettings,
  services: readonly string[],
  chosen: readonly string[],
): readonly Place[] {
  return placesOf(settings, services).filter((place) => place.services.some((service) => chosen.includes(service)))
}

function nameOf(address: StoreAddress): string {
  if (address.kind === 'postgres') return new URL(address.url).href
  return address.path === IN_MEMORY ? IN_MEMORY : resolve(address.path)
}

/**
 * Opens all databases, or none.
 *
 * @throws {StoreUnavailable} when one can't be reached or opened; {StoreInUse} when another server has a SQLite file.
 */
export async function openDatabases(plan: OpenPlan): Promise<OpenDatabases> {
  const databases: Database[] = []
  const closers: (() => void | Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).toReversed()) await each()
  }
  try {
    const { settings, services: all, chosen, isAlone } = plan
    const places = isAlone ? placesOf(settings, all) : placesWith(settings, all, chosen)
    for (const { address, services } of places) {
      const { store, unlock, mark } = await openStore(address, plan)
      closers.push(
        unlock,
        () => mark?.clear(),
        () => store.close(),
      )
      const membership = mark === undefined ? membershipOf(address, services, plan) : membershipAlone(mark)
      databases.push({ store, services, membership })
    }
    return { databases, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface OpenStore {
  readonly store: Store
  readonly unlock: () => void
  /** Of a SQLite file. */
  readonly mark?: RunningMark
}

async function openStore(address: StoreAddress, plan: OpenPlan): Promise<OpenStore> {
  if (address.kind === 'postgres') {
    const onIncarnation = ({ schema }: { readonly schema: string }): void => plan.onIncarnation(schema)
    return { store: await openPostgres({ url: address.url, clock: plan.clock, onIncarnation }), unlock: nothing }
  }
  const { sqliteMaxPages } = plan.settings
  const limit = sqliteMaxPages === undefined ? {} : { maxPages: sqliteMaxPages }
  if (address.path === IN_MEMORY) return { store: openSqlite({ path: IN_MEMORY, ...limit }), unlock: nothing }
  const unlock = lockSqlite(address.path)
  try {
    if (plan.afresh === true) removeSqlite(address.path)
    return { store: openSqlite({ path: address.path, ...limit }), unlock, mark: markRunning(address.path) }
  } catch (error) {
    unlock()
    throw isNoDatabase(error) ? ofAnotherKind(address.path) : error
  }
}

/** Whether SQLite says that a file is none of its own (SQLITE_NOTADB, https://www.sqlite.org/rescode.html#notadb). */
export function isNoDatabase(error: unknown): boolean {
  return (error as { readonly errcode?: number }).errcode === 26
}

export function ofAnotherKind(path: string): Error {
  return new Error(`The file ${path} is no SQLite database. Name another one with --store sqlite:PATH.`)
}

function nothing(): void {}

function removeSqlite(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true })
}

/**
 * Processes share the partitions with those that run the same services. One that only answers HTTP must hold none, so
 * it shares with its like what nobody works on, and hears and tells what is new.
 */
function membershipOf(address: StoreAddress, services: readonly string[], plan: OpenPlan): Membership {
  if (address.kind === 'sqlite') return membershipAlone()
  const hosted = services.filter((service) => plan.chosen.includes(service)).toSorted()
  // Whoever runs all shares with whoever runs all: of two versions side by side one may know a service more.
  const runsAll = plan.services.every((service) => plan.chosen.includes(service))
  const worked = runsAll ? 'all' : hosted.join(',')
  const scope = plan.works && hosted.length > 0 ? worked : 'listening'
  return postgresMembership({ url: address.url, partitionCounts: plan.partitionCounts, scope, clock: plan.clock })
}
