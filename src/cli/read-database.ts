// Opens the database for reading, beside a running server or without one: nothing is made, changed or taken over.
import { existsSync } from 'node:fs'
import { servicesWith } from '../app.ts'
import { readCursors } from '../platform/runtime/channels.ts'
import { Lonja } from '../platform/runtime/lonja.ts'
import { silentObserver } from '../platform/runtime/observer.ts'
import type { Settings } from '../platform/settings.ts'
import { IN_MEMORY, isNoDatabase, ofAnotherKind, placesOf } from '../platform/store/open-databases.ts'
import { membershipAlone } from '../platform/store/membership-alone.ts'
import { openPostgres } from '../platform/store/postgres.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import type { StoreAddress } from '../platform/settings/parsers.ts'
import type { Store } from '../platform/ports.ts'
import { systemClock, systemRandom } from '../platform/system.ts'
import { CommandError } from './command.ts'

/** PostgreSQL's words for a table that is not there (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const UNDEFINED_TABLE = '42P01'
const NO_SUCH_TABLE = /no such table/

/**
 * Runs the work over an application that was never started: it reads as the server does, and does nothing else.
 *
 * @throws {CommandError} when there is no database to read; {StoreUnavailable} when it can't be reached.
 */
export async function readDatabase<Result>(
  settings: Settings,
  work: (lonja: Lonja) => Promise<Result>,
): Promise<Result> {
  const services = servicesWith(settings)
  const names = services.map(({ name }) => name)
  const stores: Store[] = []
  try {
    const databases = []
    for (const { address, services: kept } of placesOf(settings, names)) {
      const store = await openToRead(address)
      stores.push(store)
      databases.push({ store, membership: membershipAlone(), services: kept })
    }
    const lonja = new Lonja({
      services,
      chosen: names,
      databases,
      works: true,
      adapters: {},
      clock: systemClock,
      random: systemRandom,
      observer: silentObserver,
    })
    await lookAround(lonja)
    return await work(lonja)
  } catch (error) {
    if (isNoDatabase(error) && settings.store.kind === 'sqlite') throw ofAnotherKind(settings.store.path)
    throw isWithoutTables(error) ? nothingThere() : error
  } finally {
    for (const store of stores) await store.close()
  }
}

async function openToRead(address: StoreAddress): Promise<Store> {
  if (address.kind === 'postgres') return openPostgres({ url: address.url })
  const { path } = address
  if (path === IN_MEMORY) {
    throw new CommandError("sqlite::memory: lies in its server's memory: ask the server, with --url where that works.")
  }
  if (!existsSync(path)) {
    throw new CommandError(
      `There is no database at ${path}. Start \`lonja serve\` once, or name another one with --store.`,
    )
  }
  return openSqlite({ path, readOnly: true })
}

/** Where every head, cursor and live table is. */
async function lookAround({ runtimes, registry }: Lonja): Promise<void> {
  for (const { channels, options, parking, pauses, takeovers } of runtimes) {
    // A projection that was rebuilt lies in another table than at first.
    await options.recalled?.()
    for (const { schema, topics } of registry.schemas) {
      if (topics.length > 0) channels.applyHeads(await options.logOf(schema).heads(schema), 0)
    }
    await readCursors(options.store, options.hosted, channels)
    await parking.recall()
    await takeovers.look()
    await pauses.recall()
  }
}

function isWithoutTables(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string }
  return code === UNDEFINED_TABLE || NO_SUCH_TABLE.test(message ?? '')
}

function nothingThere(): CommandError {
  return new CommandError('This database holds no Lonja yet: start `lonja serve` on it once.')
}
